#include "tools/trace_hosts.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/annotate/resolver.h"
#include "src/base/status_macros.h"
#include "src/net/neighbor.h"
#include "src/trace/socket_backend.h"

namespace fathom {
namespace {

// Addresses that nobody answers from, and that probes must not go to.
bool IsOneHost(const IpAddress& address) {
  if (address.family() == Family::kIpv6) {
    return address.high() >> 56 != 0xff &&
           (address.high() != 0 || address.low() != 0);
  }
  const uint32_t number = address.v4();
  return number != 0 && number >> 28 != 0xe && number != 0xffff'ffff;
}

absl::Status CheckAddress(const IpAddress& address, const TraceFlags& flags) {
  const bool v4 = address.family() == Family::kIpv4;
  if ((flags.ipv4 && !v4) || (flags.ipv6 && v4)) {
    return absl::InvalidArgumentError(absl::StrCat(
        address.ToString(), ": is IPv", v4 ? 4 : 6, ", not IPv", v4 ? 6 : 4));
  }
  if (!IsOneHost(address)) {
    return absl::InvalidArgumentError(
        absl::StrCat(address.ToString(), ": not the address of one host"));
  }
  return absl::OkStatus();
}

// Names are asked of the name server that the user gave, or of the system's.
class LookUp {
 public:
  explicit LookUp(const TraceFlags& flags) : flags_(flags) {
    if (flags.ipv4) family_ = Family::kIpv4;
    if (flags.ipv6) family_ = Family::kIpv6;
  }

  absl::StatusOr<IpAddress> AddressOf(const std::string& word) {
    if (const auto literal = IpAddress::Parse(word)) {
      FATHOM_RETURN_IF_ERROR(CheckAddress(*literal, flags_));
      return *literal;
    }
    if (!resolver_) {
      ResolverOptions options;
      if (!flags_.resolver.empty() && flags_.resolver != "system") {
        options.servers = {flags_.resolver};
      }
      FATHOM_ASSIGN_OR_RETURN(resolver_, Resolver::Make(options));
    }
    FATHOM_ASSIGN_OR_RETURN(const auto addresses,
                            resolver_->Addresses(word, family_, kPatience));
    return addresses.front();
  }

 private:
  static constexpr Nanos kPatience = std::chrono::seconds(10);

  const TraceFlags& flags_;
  std::optional<Family> family_;
  std::unique_ptr<Resolver> resolver_;
};

// A few rounds; a small ring is made quickly.
constexpr size_t kRingFrames = 256;

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
  const std::string& protocol = options.protocol;
  if (protocol.starts_with("icmp")) return SocketKind::kPing;
  const bool udp = protocol.starts_with("udp");
  if (!udp && protocol != "tcp-syn") {
    return absl::PermissionDeniedError(absl::StrCat(
        "--protocol ", protocol, ": needs raw packets; allow them by: ",
        Grant(), ", or use --protocol icmp or tcp-syn"));
  }
  if (options.trace.flows > 1) {
    return absl::PermissionDeniedError(absl::StrCat(
        "--flows with --protocol ", protocol,
        ": ports tell hops apart where raw packets are not allowed; allow them "
        "by: ",
        Grant(), ", or use --protocol icmp"));
  }
  return udp ? SocketKind::kUdp : SocketKind::kTcp;
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
  LookUp look_up(flags);
  for (const std::string& word : flags.hosts) {
    FATHOM_ASSIGN_OR_RETURN(const IpAddress address, look_up.AddressOf(word));
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
                                    .toward = entry.addresses.front(),
                                    .ring_frames = kRingFrames};
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
