#include "tools/trace_hosts.h"

#include <linux/if_packet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/base/unique_fd.h"
#include "src/net/neighbor.h"

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
  std::optional<IpAddress> source;
  if (!flags.source.empty()) {
    source = IpAddress::Parse(flags.source);
    if (!source) {
      return absl::InvalidArgumentError(
          absl::StrCat("--source ", flags.source, ": not an address"));
    }
  }
  const std::string backend =
      flags.backend.empty() ? "io_uring" : flags.backend;
  const auto module = Register<BackendModule>::Find(backend);
  if (!module.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--backend ", std::string(module.status().message())));
  }
  std::map<Way, std::vector<IpAddress>> ways;
  TracePlan plan;
  std::vector<Way> way_of;
  for (const TraceHost& host : hosts) {
    FATHOM_ASSIGN_OR_RETURN(const Way way,
                            WayTo(host.address, backend, flags.interface));
    auto& addresses = ways[way];
    if (std::find(addresses.begin(), addresses.end(), host.address) ==
        addresses.end()) {
      addresses.push_back(host.address);
    }
    way_of.push_back(way);
  }
  std::map<Way, size_t> group_of;
  for (const auto& [way, addresses] : ways) {
    group_of[way] = plan.groups.size();
    TraceGroup group;
    FATHOM_ASSIGN_OR_RETURN(group.backend,
                            module->open({.device = flags.interface,
                                          .source = source,
                                          .toward = addresses.front()}));
    FATHOM_ASSIGN_OR_RETURN(group.run,
                            TraceRun::Make(*group.backend, addresses, options));
    plan.groups.push_back(std::move(group));
  }
  for (size_t i = 0; i < hosts.size(); ++i) {
    const auto& addresses = ways[way_of[i]];
    const auto at =
        std::find(addresses.begin(), addresses.end(), hosts[i].address);
    plan.places.push_back(
        {group_of[way_of[i]], static_cast<size_t>(at - addresses.begin())});
  }
  return plan;
}

}  // namespace fathom
