#include "tools/trace_hosts.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/net/neighbor.h"
#include "src/trace/socket_backend.h"

namespace fathom {
namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

IpAddress FromSystem(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return IpAddress::V4(ntohl(v4.sin_addr.s_addr));
  }
  const auto& bytes =
      reinterpret_cast<const sockaddr_in6&>(address).sin6_addr.s6_addr;
  uint64_t high = 0, low = 0;
  for (int i = 0; i < 8; ++i) {
    high = high << 8 | bytes[i];
    low = low << 8 | bytes[i + 8];
  }
  return IpAddress::V6(high, low);
}

absl::StatusOr<IpAddress> LookUp(const std::string& word, int family) {
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(word.c_str(), nullptr, &hints, &list);
  const std::unique_ptr<addrinfo, FreeAddresses> owned(list);
  if (error != 0) {
    return absl::NotFoundError(
        absl::StrCat("look up ", word, ": ", gai_strerror(error)));
  }
  return FromSystem(*list->ai_addr);
}

// Addresses that nobody answers from, and that probes must not go to.
bool IsOneHost(const IpAddress& address) {
  if (address.family() == Family::kIpv6) {
    return address.high() >> 56 != 0xff &&
           (address.high() != 0 || address.low() != 0);
  }
  const uint32_t number = address.v4();
  return number != 0 && number >> 28 != 0xe && number != 0xffff'ffff;
}

absl::StatusOr<IpAddress> AddressOf(const std::string& word,
                                    const TraceFlags& flags) {
  const auto literal = IpAddress::Parse(word);
  if (!literal) {
    return LookUp(word, flags.ipv4   ? AF_INET
                        : flags.ipv6 ? AF_INET6
                                     : AF_UNSPEC);
  }
  const bool v4 = literal->family() == Family::kIpv4;
  if ((flags.ipv4 && !v4) || (flags.ipv6 && v4)) {
    return absl::InvalidArgumentError(
        absl::StrCat(word, ": is IPv", v4 ? 4 : 6, ", not IPv", v4 ? 6 : 4));
  }
  if (!IsOneHost(*literal)) {
    return absl::InvalidArgumentError(
        absl::StrCat(word, ": not the address of one host"));
  }
  return *literal;
}

constexpr const char* kUnprivileged = "unprivileged";

// What a kernel's way out depends on; equal for those that share a backend.
using Way = std::tuple<Family, int, IpAddress>;

absl::StatusOr<Way> WayTo(const IpAddress& address, const std::string& backend,
                          const std::string& device) {
  const Family family = address.family();
  if (backend == "simulated") return Way(family, 0, IpAddress());
  int index = 0;
  if (!device.empty()) {
    FATHOM_ASSIGN_OR_RETURN(const Interface interface, FindInterface(device));
    index = interface.index;
  }
  FATHOM_ASSIGN_OR_RETURN(const Route route, FindRoute(address, index));
  return Way(family, route.interface_index, route.gateway.value_or(address));
}

// The program, as it is to be named to setcap.
std::string OwnPath() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "fathom" : path.string();
}

std::string Grant() {
  return absl::StrCat("sudo setcap cap_net_raw+ep ", OwnPath());
}

// What sockets that anybody may open can ask by.
absl::StatusOr<SocketKind> SocketKindOf(const TraceRunOptions& options) {
  if (options.protocol.starts_with("icmp")) return SocketKind::kPing;
  if (!options.protocol.starts_with("udp")) {
    return absl::PermissionDeniedError(absl::StrCat(
        "--protocol ", options.protocol, ": needs raw packets; allow them by: ",
        Grant(), ", or use --protocol icmp"));
  }
  if (options.trace.flows > 1) {
    return absl::PermissionDeniedError(absl::StrCat(
        "--flows with --protocol udp: ports tell hops apart where raw packets "
        "are not allowed; allow them by: ",
        Grant(), ", or use --protocol icmp"));
  }
  return SocketKind::kUdp;
}

absl::StatusOr<std::unique_ptr<Backend>> OpenSockets(
    const BackendOptions& backend, const TraceRunOptions& options) {
  FATHOM_ASSIGN_OR_RETURN(const SocketKind kind, SocketKindOf(options));
  auto opened = OpenSocketBackend(kind, backend);
  if (!absl::IsPermissionDenied(opened.status())) return opened;
  return absl::PermissionDeniedError(absl::StrCat(
      "neither raw packets nor ping sockets are allowed; allow them by: ",
      Grant(),
      ", or: sudo sysctl net.ipv4.ping_group_range=\"0 2147483647\", or use "
      "--protocol udp"));
}

// The backend asked for. If none was: raw packets if they are allowed and get
// there, else sockets.
absl::StatusOr<std::unique_ptr<Backend>> OpenBackend(
    const std::string& name, const BackendOptions& backend,
    const TraceRunOptions& options) {
  if (name == kUnprivileged) return OpenSockets(backend, options);
  const auto module =
      Register<BackendModule>::Find(name.empty() ? "io_uring" : name);
  if (!module.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--backend ", std::string(module.status().message()), ", ",
                     kUnprivileged));
  }
  if (!name.empty()) return module->open(backend);
  FATHOM_ASSIGN_OR_RETURN(const Route route, FindRoute(backend.toward, 0));
  const auto interface = FindInterface(route.interface_index);
  if (!interface.ok() || interface->loopback) {
    return OpenSockets(backend, options);
  }
  auto opened = module->open(backend);
  if (opened.ok() || absl::IsInvalidArgument(opened.status())) return opened;
  auto sockets = OpenSockets(backend, options);
  const bool forbidden = absl::IsPermissionDenied(opened.status());
  return sockets.ok() || forbidden ? std::move(sockets) : std::move(opened);
}

absl::StatusOr<std::optional<IpAddress>> SourceOf(const TraceFlags& flags) {
  if (flags.source.empty()) return std::nullopt;
  const auto source = IpAddress::Parse(flags.source);
  if (source) return source;
  return absl::InvalidArgumentError(
      absl::StrCat("--source ", flags.source, ": not an address"));
}

// The hosts by the way to them, each address once.
class Ways {
 public:
  struct Entry {
    Way way;
    std::vector<IpAddress> addresses;
  };

  TracePlace Add(const Way& way, const IpAddress& address) {
    auto at = std::find_if(entries_.begin(), entries_.end(),
                           [&](const Entry& e) { return e.way == way; });
    if (at == entries_.end()) at = entries_.insert(at, {way, {}});
    auto& known = at->addresses;
    auto place = std::find(known.begin(), known.end(), address);
    if (place == known.end()) place = known.insert(place, address);
    return {static_cast<size_t>(at - entries_.begin()),
            static_cast<size_t>(place - known.begin())};
  }

  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
};

}  // namespace

absl::StatusOr<std::vector<TraceHost>> LookUpHosts(const TraceFlags& flags) {
  if (flags.ipv4 && flags.ipv6) {
    return absl::InvalidArgumentError("-4 and -6: only one of them");
  }
  std::vector<TraceHost> hosts;
  for (const std::string& word : flags.hosts) {
    FATHOM_ASSIGN_OR_RETURN(const IpAddress address, AddressOf(word, flags));
    hosts.push_back({word, address});
  }
  return hosts;
}

absl::StatusOr<TracePlan> PlanTraces(const std::vector<TraceHost>& hosts,
                                     const TraceFlags& flags,
                                     const TraceRunOptions& options) {
  FATHOM_ASSIGN_OR_RETURN(const auto source, SourceOf(flags));
  TracePlan plan;
  Ways ways;
  for (const TraceHost& host : hosts) {
    FATHOM_ASSIGN_OR_RETURN(
        const Way way, WayTo(host.address, flags.backend, flags.interface));
    plan.places.push_back(ways.Add(way, host.address));
  }
  for (const Ways::Entry& entry : ways.entries()) {
    TraceGroup group;
    TraceRunOptions chosen = options;
    const BackendOptions backend = {.device = flags.interface,
                                    .source = source,
                                    .toward = entry.addresses.front()};
    auto opened = OpenBackend(flags.backend, backend, chosen);
    if (absl::IsPermissionDenied(opened.status()) && flags.protocol.empty() &&
        options.trace.flows == 1) {
      plan.remark = absl::StrCat(std::string(opened.status().message()),
                                 "; asking by UDP now");
      chosen.protocol = "udp";
      opened = OpenBackend(flags.backend, backend, chosen);
    }
    FATHOM_ASSIGN_OR_RETURN(group.backend, std::move(opened));
    FATHOM_ASSIGN_OR_RETURN(
        group.run, TraceRun::Make(*group.backend, entry.addresses, chosen));
    plan.groups.push_back(std::move(group));
  }
  return plan;
}

}  // namespace fathom
