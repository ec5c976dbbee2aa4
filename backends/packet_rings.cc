#include "backends/packet_rings.h"

#include <fcntl.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <charconv>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "src/net/link_socket.h"

namespace fathom {
namespace {

bool HasRingOn(int file, int interface_index) {
  int domain = 0;
  socklen_t size = sizeof domain;
  if (getsockopt(file, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 ||
      domain != AF_PACKET) {
    return false;
  }
  int version = TPACKET_V1;
  size = sizeof version;
  sockaddr_ll address = {};
  socklen_t address_size = sizeof address;
  return getsockopt(file, SOL_PACKET, PACKET_VERSION, &version, &size) == 0 &&
         version == TPACKET_V2 &&
         getsockname(file, reinterpret_cast<sockaddr*>(&address),
                     &address_size) == 0 &&
         address.sll_ifindex == interface_index;
}

}  // namespace

PacketRings::PacketRings(int interface_index) {
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/self/fd", ignored)) {
    const std::string name = entry.path().filename();
    int file = -1;
    std::from_chars(name.data(), name.data() + name.size(), file);
    if (!HasRingOn(file, interface_index)) continue;
    UniqueFd socket(fcntl(file, F_DUPFD_CLOEXEC, 0));
    if (!socket.valid()) continue;
    TakeDrops(socket);  // From before.
    sockets_.push_back(std::move(socket));
  }
}

uint64_t PacketRings::TakeDropped() const {
  uint64_t more = 0;
  for (const UniqueFd& socket : sockets_) more += TakeDrops(socket);
  return dropped_.fetch_add(more, std::memory_order_relaxed) + more;
}

}  // namespace fathom
