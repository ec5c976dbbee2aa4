#include "src/annotate/dns_channel.h"

#include <ares.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

absl::Status AresError(const char* what, int code) {
  return absl::UnavailableError(
      absl::StrCat(what, ": ", std::string(ares_strerror(code))));
}

// The list that c-ares wants, in `nodes`.
void ToNodes(const std::vector<NameServer>& servers,
             std::vector<ares_addr_port_node>& nodes) {
  nodes.resize(servers.size());
  for (size_t i = 0; i < servers.size(); ++i) {
    ares_addr_port_node& node = nodes[i];
    node = {};
    node.next = i + 1 < nodes.size() ? &nodes[i + 1] : nullptr;
    node.udp_port = node.tcp_port = servers[i].port;
    const IpAddress& address = servers[i].address;
    std::array<std::byte, 16> bytes{};
    if (address.family() == Family::kIpv4) {
      node.family = AF_INET;
      Store(Be32(address.v4()), bytes);
      std::memcpy(&node.addr.addr4, bytes.data(), sizeof node.addr.addr4);
    } else {
      node.family = AF_INET6;
      Store(BigEndian<uint64_t>(address.high()), bytes);
      Store(BigEndian<uint64_t>(address.low()), std::span(bytes).subspan(8));
      std::memcpy(&node.addr.addr6, bytes.data(), sizeof node.addr.addr6);
    }
  }
}

}  // namespace

absl::StatusOr<NameServer> ParseNameServer(const std::string& text) {
  if (const auto address = IpAddress::Parse(text)) return NameServer{*address};
  const auto bad = [&] {
    return absl::InvalidArgumentError(absl::StrCat(
        "name server \"", text, "\": not ADDR, ADDR:PORT or [ADDR]:PORT"));
  };
  const size_t colon = text.rfind(':');
  const bool bracketed = text.starts_with('[');
  const size_t end = bracketed ? text.find(']') : colon;
  if (end == text.npos) return bad();
  const std::string host =
      bracketed ? text.substr(1, end - 1) : text.substr(0, end);
  const auto address = IpAddress::Parse(host);
  if (!address || bracketed != (address->family() == Family::kIpv6)) {
    return bad();
  }
  NameServer server{*address};
  if (bracketed && end + 1 == text.size()) return server;
  if (bracketed && colon != end + 1) return bad();
  const char* const last = text.data() + text.size();
  const auto [stop, error] =
      std::from_chars(text.data() + colon + 1, last, server.port);
  if (error != std::errc() || stop != last || server.port == 0) return bad();
  return server;
}

void DnsChannel::Destroy::operator()(ares_channeldata* channel) const {
  ares_destroy(channel);
  ares_library_cleanup();  // Counted: what Open() called once.
}

absl::StatusOr<DnsChannel> DnsChannel::Open(const DnsChannelOptions& options) {
  DnsChannel result;
  ares_options wanted{};
  // A name is asked as it is given: what resolv.conf would append to it is for
  // names that people type.
  wanted.flags = options.hosts_file ? 0 : ARES_FLAG_NOSEARCH;
  wanted.timeout = static_cast<int>(
      std::chrono::duration_cast<std::chrono::milliseconds>(options.timeout)
          .count());
  wanted.tries = options.tries;
  std::string lookups = options.hosts_file ? "fb" : "b";
  wanted.lookups = lookups.data();
  wanted.sock_state_cb = &OnSocket;
  wanted.sock_state_cb_data = result.sockets_.get();
  int code = ares_library_init(ARES_LIB_INIT_ALL);
  if (code != ARES_SUCCESS) return AresError("start c-ares", code);
  ares_channel channel = nullptr;
  code =
      ares_init_options(&channel, &wanted,
                        ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                            ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
  if (code != ARES_SUCCESS) {
    ares_library_cleanup();
    return AresError("start c-ares", code);
  }
  result.channel_.reset(channel);
  if (!options.servers.empty()) {
    std::vector<ares_addr_port_node> nodes;
    ToNodes(options.servers, nodes);
    code = ares_set_servers_ports(channel, nodes.data());
    if (code != ARES_SUCCESS) return AresError("set name servers", code);
  }
  return result;
}

void DnsChannel::OnSocket(void* sockets, int fd, int readable, int writable) {
  auto& all = *static_cast<Sockets*>(sockets);
  std::erase_if(all, [fd](const pollfd& known) { return known.fd == fd; });
  const auto events = static_cast<int16_t>((readable != 0 ? POLLIN : 0) |
                                           (writable != 0 ? POLLOUT : 0));
  if (events != 0) all.push_back({fd, events, 0});
}

absl::Status DnsChannel::Turn(Nanos patience) {
  const auto micros = std::max<int64_t>(
      0, std::chrono::ceil<std::chrono::microseconds>(patience).count());
  timeval most{micros / 1'000'000, micros % 1'000'000};
  timeval room{};
  const timeval* const wait = ares_timeout(channel_.get(), &most, &room);
  const timespec time{wait->tv_sec, wait->tv_usec * 1000};
  const int ready =
      ppoll(sockets_->data(), sockets_->size(), &time, /*sigmask=*/nullptr);
  if (ready < 0 && errno != EINTR) {
    return absl::ErrnoToStatus(errno, "wait for name servers");
  }
  // A copy, since sockets come and go while c-ares works.
  const Sockets seen = ready > 0 ? *sockets_ : Sockets();
  for (const pollfd& socket : seen) {
    if (socket.revents == 0) continue;
    const bool can_read = (socket.revents & ~POLLOUT) != 0;
    const bool can_write = (socket.revents & POLLOUT) != 0;
    ares_process_fd(channel_.get(), can_read ? socket.fd : ARES_SOCKET_BAD,
                    can_write ? socket.fd : ARES_SOCKET_BAD);
  }
  // Tries that are over; ares_process_fd() looks at one socket's and these.
  ares_process_fd(channel_.get(), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  return absl::OkStatus();
}

}  // namespace fathom
