#include "src/trace/kernel_socket.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "absl/strings/str_cat.h"

namespace fathom {
namespace {

// Of <linux/in.h> and <linux/in6.h>, which cannot stand beside <netinet/in.h>.
constexpr int kIpRecverrRfc4884 = 26;
constexpr int kIpv6RecverrRfc4884 = 31;

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

socklen_t ToSystem(const IpAddress& address, uint16_t port,
                   SocketAddress& out) {
  std::memset(&out, 0, sizeof out);
  if (address.family() == Family::kIpv4) {
    out.v4.sin_family = AF_INET;
    out.v4.sin_port = htons(port);
    out.v4.sin_addr.s_addr = htonl(address.v4());
    return sizeof out.v4;
  }
  out.v6.sin6_family = AF_INET6;
  out.v6.sin6_port = htons(port);
  for (unsigned i = 0; i < 8; ++i) {
    out.v6.sin6_addr.s6_addr[i] =
        static_cast<uint8_t>(address.high() >> (56 - 8 * i));
    out.v6.sin6_addr.s6_addr[i + 8] =
        static_cast<uint8_t>(address.low() >> (56 - 8 * i));
  }
  return sizeof out.v6;
}

// nullopt if it is of neither family.
std::optional<std::pair<IpAddress, uint16_t>> FromSystem(
    const SocketAddress& in) {
  if (in.any.sa_family == AF_INET) {
    return std::pair(IpAddress::V4(ntohl(in.v4.sin_addr.s_addr)),
                     ntohs(in.v4.sin_port));
  }
  if (in.any.sa_family != AF_INET6) return std::nullopt;
  uint64_t high = 0, low = 0;
  for (unsigned i = 0; i < 8; ++i) {
    high = high << 8 | in.v6.sin6_addr.s6_addr[i];
    low = low << 8 | in.v6.sin6_addr.s6_addr[i + 8];
  }
  return std::pair(IpAddress::V6(high, low), ntohs(in.v6.sin6_port));
}

bool Set(int fd, int level, int name, int value = 1) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

int ProtocolOf(const KernelSocketOptions& options) {
  switch (options.kind) {
    case SocketKind::kUdp:
      return IPPROTO_UDP;
    case SocketKind::kTcp:
      return IPPROTO_TCP;
    default:
      return options.family == Family::kIpv4 ? int{IPPROTO_ICMP}
                                             : int{IPPROTO_ICMPV6};
  }
}

absl::Status SetOptions(int fd, Family family) {
  const bool v4 = family == Family::kIpv4;
  const bool set =
      v4 ? Set(fd, IPPROTO_IP, IP_RECVERR) && Set(fd, IPPROTO_IP, IP_RECVTTL)
         : Set(fd, IPPROTO_IPV6, IPV6_RECVERR) &&
               Set(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
  if (!set) return absl::ErrnoToStatus(errno, "ask for errors at a socket");
  // Old kernels have no extensions to tell of; some have no time stamps.
  Set(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6,
      v4 ? kIpRecverrRfc4884 : kIpv6RecverrRfc4884);
  Set(fd, SOL_SOCKET, SO_TIMESTAMPNS);
  Set(fd, SOL_SOCKET, SO_RCVBUF, 1 << 20);
  return absl::OkStatus();
}

absl::Status BindTo(int fd, const std::optional<IpAddress>& source,
                    const std::string& device) {
  if (!device.empty() &&
      setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device.data(),
                 static_cast<socklen_t>(device.size())) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("send by ", device));
  }
  if (!source) return absl::OkStatus();
  SocketAddress address;
  const socklen_t size = ToSystem(*source, 0, address);
  if (bind(fd, &address.any, size) != 0) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("send from ", source->ToString()));
  }
  return absl::OkStatus();
}

std::span<const std::byte> ExtensionsIn(std::span<const std::byte> data,
                                        const sock_ee_data_rfc4884& where) {
  if (where.len == 0 || where.len >= data.size() ||
      (where.flags & SO_EE_RFC4884_FLAG_INVALID) != 0) {
    return {};
  }
  return data.subspan(where.len);
}

// Takes over what an error's control message says.
void ReadError(const cmsghdr* control, KernelAnswer& answer) {
  struct {
    sock_extended_err error;
    SocketAddress offender;
  } said = {};
  const size_t size = control->cmsg_len - CMSG_LEN(0);
  std::memcpy(&said, CMSG_DATA(control), std::min(size, sizeof said));
  const bool icmp = said.error.ee_origin == SO_EE_ORIGIN_ICMP ||
                    said.error.ee_origin == SO_EE_ORIGIN_ICMP6;
  const auto offender = FromSystem(said.offender);
  if (!icmp || !offender) return;
  answer.error = true;
  answer.icmp_type = said.error.ee_type;
  answer.icmp_code = said.error.ee_code;
  answer.responder = offender->first;
  answer.extensions = ExtensionsIn(answer.data, said.error.ee_rfc4884);
}

void ReadControl(const cmsghdr* control, KernelAnswer& answer) {
  const int level = control->cmsg_level;
  const int type = control->cmsg_type;
  if ((level == IPPROTO_IP && type == IP_TTL) ||
      (level == IPPROTO_IPV6 && type == IPV6_HOPLIMIT)) {
    int ttl = 0;
    std::memcpy(&ttl, CMSG_DATA(control), sizeof ttl);
    answer.arrival_ttl = static_cast<uint8_t>(ttl);
  } else if (level == SOL_SOCKET && type == SCM_TIMESTAMPNS) {
    timespec time = {};
    std::memcpy(&time, CMSG_DATA(control), sizeof time);
    answer.realtime = std::chrono::seconds(time.tv_sec) + Nanos(time.tv_nsec);
  } else if ((level == IPPROTO_IP && type == IP_RECVERR) ||
             (level == IPPROTO_IPV6 && type == IPV6_RECVERR)) {
    ReadError(control, answer);
  }
}

}  // namespace

absl::StatusOr<KernelSocket> KernelSocket::Open(
    const KernelSocketOptions& options) {
  const bool v4 = options.family == Family::kIpv4;
  UniqueFd fd(
      socket(v4 ? AF_INET : AF_INET6,
             (options.kind == SocketKind::kTcp ? SOCK_STREAM : SOCK_DGRAM) |
                 SOCK_NONBLOCK | SOCK_CLOEXEC,
             ProtocolOf(options)));
  if (!fd.valid()) {
    constexpr const char* kWhat[] = {"open ping socket", "open UDP socket",
                                     "open TCP socket"};
    const char* const what = kWhat[static_cast<size_t>(options.kind)];
    if (errno == EACCES) return absl::PermissionDeniedError(what);
    return absl::ErrnoToStatus(errno, what);
  }
  const absl::Status set = SetOptions(fd.get(), options.family);
  if (!set.ok()) return set;
  const absl::Status bound = BindTo(fd.get(), options.source, options.device);
  if (!bound.ok()) return bound;
  return KernelSocket(std::move(fd), options.family);
}

absl::Status KernelSocket::Send(const IpAddress& to, uint16_t port, uint8_t ttl,
                                std::span<const std::byte> bytes) {
  SocketAddress address;
  const socklen_t size = ToSystem(to, port, address);
  iovec data = {const_cast<std::byte*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {.msg_name = &address,
                    .msg_namelen = size,
                    .msg_iov = &data,
                    .msg_iovlen = 1,
                    .msg_control = control,
                    .msg_controllen = sizeof control,
                    .msg_flags = 0};
  cmsghdr* const hops = CMSG_FIRSTHDR(&message);
  const bool v4 = family_ == Family::kIpv4;
  hops->cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
  hops->cmsg_type = v4 ? IP_TTL : IPV6_HOPLIMIT;
  hops->cmsg_len = CMSG_LEN(sizeof(int));
  const int value = ttl;
  std::memcpy(CMSG_DATA(hops), &value, sizeof value);
  // An error that came in since makes the next call fail, though it is not
  // about it.
  constexpr int kTries = 8;
  int error = 0;
  for (int i = 0; i < kTries; ++i) {
    if (sendmsg(fd_.get(), &message, 0) >= 0) return absl::OkStatus();
    error = errno;
    if (error == EAGAIN || error == ENOBUFS) break;
  }
  return absl::ErrnoToStatus(error, absl::StrCat("send to ", to.ToString()));
}

absl::Status KernelSocket::Connect(const IpAddress& to, uint16_t port,
                                   uint8_t ttl) {
  const int fd = fd_.get();
  const linger reset = {.l_onoff = 1, .l_linger = 0};
  const bool set =
      (family_ == Family::kIpv4
           ? Set(fd, IPPROTO_IP, IP_TTL, ttl)
           : Set(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl)) &&
      Set(fd, IPPROTO_TCP, TCP_SYNCNT, 1) &&
      // Who waits for data to send with the last step does not take it yet.
      Set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1) &&
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0;
  SocketAddress address;
  const socklen_t size = ToSystem(to, port, address);
  if (set && (connect(fd, &address.any, size) == 0 || errno == EINPROGRESS)) {
    return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno, absl::StrCat("send to ", to.ToString()));
}

ConnectOutcome KernelSocket::Outcome() const {
  pollfd state = {fd_.get(), POLLOUT, 0};
  if (poll(&state, 1, 0) <= 0) return ConnectOutcome::kPending;
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
    return ConnectOutcome::kFailed;
  }
  if (error == 0 && (state.revents & (POLLERR | POLLHUP)) == 0) {
    return ConnectOutcome::kAccepted;
  }
  return error == ECONNREFUSED ? ConnectOutcome::kReset
                               : ConnectOutcome::kFailed;
}

std::optional<KernelAnswer> KernelSocket::TakeError(
    std::span<std::byte> buffer) {
  auto answer = Receive(MSG_ERRQUEUE, buffer);
  return answer && answer->error ? answer : std::nullopt;
}

std::optional<KernelAnswer> KernelSocket::Take(std::span<std::byte> buffer) {
  // An answer that cannot be read is passed over.
  for (const int flags : {int{MSG_ERRQUEUE}, 0}) {
    if (auto answer = Receive(flags, buffer)) return answer;
  }
  return std::nullopt;
}

std::optional<KernelAnswer> KernelSocket::Receive(int flags,
                                                  std::span<std::byte> buffer) {
  SocketAddress address = {};
  iovec data = {buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[512];
  msghdr message = {.msg_name = &address,
                    .msg_namelen = sizeof address,
                    .msg_iov = &data,
                    .msg_iovlen = 1,
                    .msg_control = control,
                    .msg_controllen = sizeof control,
                    .msg_flags = 0};
  ssize_t size = recvmsg(fd_.get(), &message, flags);
  // What is pending is told once, in place of what is there.
  if (size < 0 && flags == 0 && errno != EAGAIN) {
    size = recvmsg(fd_.get(), &message, flags);
  }
  if (size < 0) return std::nullopt;
  KernelAnswer answer;
  answer.data = buffer.first(static_cast<size_t>(size));
  const auto from = FromSystem(address);
  for (const cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr;
       c = CMSG_NXTHDR(&message, const_cast<cmsghdr*>(c))) {
    ReadControl(c, answer);
  }
  if (from && answer.error) {
    answer.destination = from->first;
    answer.port = from->second;
  } else if (from) {
    answer.responder = from->first;
  }
  // Local errors, such as of a packet too large, have no ICMP.
  if ((message.msg_flags & MSG_ERRQUEUE) != 0 && !answer.error) {
    answer.data = {};
  }
  return answer;
}

absl::StatusOr<IpAddress> SourceToward(const IpAddress& target,
                                       const std::string& device) {
  const bool v4 = target.family() == Family::kIpv4;
  const UniqueFd fd(
      socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  constexpr uint16_t kAnyPort = 33434;
  SocketAddress address;
  socklen_t size = ToSystem(target, kAnyPort, address);
  const std::string what = absl::StrCat("find the way to ", target.ToString());
  if (!fd.valid()) return absl::ErrnoToStatus(errno, what);
  if (const auto bound = BindTo(fd.get(), std::nullopt, device); !bound.ok()) {
    return bound;
  }
  if (connect(fd.get(), &address.any, size) != 0) {
    const std::string why(absl::ErrnoToStatus(errno, what).message());
    return absl::UnavailableError(why);
  }
  size = sizeof address;
  if (getsockname(fd.get(), &address.any, &size) != 0) {
    return absl::ErrnoToStatus(errno, what);
  }
  return FromSystem(address)->first;
}

}  // namespace fathom
