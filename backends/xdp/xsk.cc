#include "backends/xdp/xsk.h"

#include <linux/if_ether.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/net/link_socket.h"

namespace fathom {
namespace {

// What frames under way count for, with their bookkeeping.
constexpr int kSendBuffer = 16 << 20;

absl::Status Failed(const char* what) {
  return absl::ErrnoToStatus(errno, absl::StrCat("AF_XDP socket, ", what));
}

absl::StatusOr<Mapping> Map(size_t size, int flags, int fd, uint64_t offset) {
  void* const start =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, flags | MAP_POPULATE, fd,
           static_cast<off_t>(offset));
  if (start == MAP_FAILED) return Failed("map memory");
  return Mapping(std::span(static_cast<std::byte*>(start), size));
}

template <typename T>
absl::StatusOr<XskRing<T>> MapRing(const UniqueFd& fd, uint32_t entries,
                                   const xdp_ring_offset& places,
                                   uint64_t offset) {
  XskRing<T> ring;
  FATHOM_ASSIGN_OR_RETURN(ring.memory, Map(places.desc + entries * sizeof(T),
                                           MAP_SHARED, fd.get(), offset));
  std::byte* const start = ring.memory.data();
  ring.producer = reinterpret_cast<uint32_t*>(start + places.producer);
  ring.consumer = reinterpret_cast<uint32_t*>(start + places.consumer);
  ring.entries = reinterpret_cast<T*>(start + places.desc);
  ring.mask = entries - 1;
  return ring;
}

absl::Status SetSizes(const XskSender& sender, uint32_t frames) {
  xdp_umem_reg memory = {};
  memory.addr = reinterpret_cast<uintptr_t>(sender.frames.data());
  memory.len = uint64_t{frames} * kXskFrameSize;
  memory.chunk_size = kXskFrameSize;
  // There must be a fill ring, though nothing is received.
  const uint32_t least = 2;
  if (!SetOption(sender.fd, SOL_XDP, XDP_UMEM_REG, memory) ||
      !SetOption(sender.fd, SOL_XDP, XDP_UMEM_FILL_RING, least) ||
      !SetOption(sender.fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, frames) ||
      !SetOption(sender.fd, SOL_XDP, XDP_TX_RING, frames)) {
    return Failed("register memory");
  }
  if (!SetOption(sender.fd, SOL_SOCKET, SO_SNDBUFFORCE, kSendBuffer)) {
    SetOption(sender.fd, SOL_SOCKET, SO_SNDBUF, kSendBuffer);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<XskSender> OpenXskSender(const Interface& interface,
                                        uint32_t queue, uint32_t frames) {
  frames = std::max<uint32_t>(frames, 2);
  XskSender sender;
  sender.fd = UniqueFd(socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (!sender.fd.valid()) return Failed("open");
  FATHOM_ASSIGN_OR_RETURN(
      sender.frames,
      Map(size_t{frames} * kXskFrameSize, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  FATHOM_RETURN_IF_ERROR(SetSizes(sender, frames));
  xdp_mmap_offsets places = {};
  socklen_t size = sizeof places;
  if (getsockopt(sender.fd.get(), SOL_XDP, XDP_MMAP_OFFSETS, &places, &size) !=
      0) {
    return Failed("find the rings");
  }
  FATHOM_ASSIGN_OR_RETURN(
      sender.tx,
      MapRing<xdp_desc>(sender.fd, frames, places.tx, XDP_PGOFF_TX_RING));
  FATHOM_ASSIGN_OR_RETURN(sender.completion,
                          MapRing<uint64_t>(sender.fd, frames, places.cr,
                                            XDP_UMEM_PGOFF_COMPLETION_RING));
  sockaddr_xdp address = {};
  address.sxdp_family = AF_XDP;
  address.sxdp_flags = XDP_COPY;
  address.sxdp_ifindex = static_cast<uint32_t>(interface.index);
  address.sxdp_queue_id = queue;
  if (bind(sender.fd.get(), reinterpret_cast<const sockaddr*>(&address),
           sizeof address) != 0) {
    return Failed("bind");
  }
  return sender;
}

}  // namespace fathom
