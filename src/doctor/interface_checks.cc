// The interface: whether it works, and whether its settings suit a scan.

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "src/doctor/ethtool.h"
#include "src/doctor/files.h"
#include "src/doctor/finding.h"
#include "src/net/netlink.h"

namespace fathom::doctor {
namespace {

std::optional<Finding> LookAtLink(const Place& place) {
  if (!place.interface) {
    return Finding{.grade = Grade::kWrong,
                   .is = place.no_interface,
                   .advice = "name one that there is: --interface DEV",
                   .command = "ip -br link"};
  }
  const Interface& interface = *place.interface;
  if (!interface.up) {
    return Finding{
        .grade = Grade::kWrong,
        .is = absl::StrCat(interface.name, " is down"),
        .advice = "nothing can be sent",
        .command = absl::StrCat("ip link set ", interface.name, " up")};
  }
  if (!interface.running) {
    return Finding{.grade = Grade::kWrong,
                   .is = absl::StrCat(interface.name, " has no carrier"),
                   .advice =
                       "nothing can be sent; look at the cable, or at "
                       "the other end of a virtual one"};
  }
  return Finding{
      .is = absl::StrCat(interface.name, " is up, MTU ", interface.mtu)};
}

std::optional<Finding> LookAtAddress(const Place& place) {
  if (!place.interface) return std::nullopt;
  std::string addresses;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const auto address = FindGlobalAddress(*place.interface, family);
    if (!address.ok()) return std::nullopt;
    if (!*address) continue;
    absl::StrAppend(&addresses, addresses.empty() ? "" : ", ",
                    (*address)->ToString());
  }
  if (!addresses.empty()) return Finding{.is = addresses};
  return Finding{
      .grade = Grade::kBetter,
      .is = absl::StrCat(place.interface->name, " has no global address"),
      .advice =
          "answers must find their way here: --source ADDRESS "
          "of a scan names one that is routed to it"};
}

// Drivers that run XDP programs themselves, as of Linux 6.18.
constexpr std::array<std::string_view, 39> kNative = {"am65-cpsw-nuss",
                                                      "atlantic",
                                                      "bnxt_en",
                                                      "bonding",
                                                      "cpsw",
                                                      "dpaa2-eth",
                                                      "dpaa_eth",
                                                      "ena",
                                                      "enetc",
                                                      "fbnic",
                                                      "fec",
                                                      "funeth",
                                                      "gve",
                                                      "hv_netvsc",
                                                      "i40e",
                                                      "ice",
                                                      "idpf",
                                                      "igb",
                                                      "igc",
                                                      "ionic",
                                                      "ixgbe",
                                                      "ixgbevf",
                                                      "lan966x",
                                                      "mana",
                                                      "mlx4_en",
                                                      "mlx5_core",
                                                      "mtk_eth",
                                                      "mvneta",
                                                      "mvpp2",
                                                      "netdevsim",
                                                      "nfp",
                                                      "octeontx2",
                                                      "qede",
                                                      "sfc",
                                                      "stmmac",
                                                      "tun",
                                                      "veth",
                                                      "virtio_net",
                                                      "vmxnet3"};

std::optional<Finding> LookAtDriver(const Place& place) {
  if (!place.interface) return std::nullopt;
  const std::string driver =
      DriverOf(*place.interface).value_or(place.interface->driver);
  if (driver.empty()) return std::nullopt;
  const bool native =
      std::find(kNative.begin(), kNative.end(), driver) != kNative.end();
  return Finding{
      .is = absl::StrCat(driver, native ? ", runs XDP programs itself"
                                        : ", XDP programs run in the stack")};
}

struct Program {
  uint8_t attached = XDP_ATTACHED_NONE;  // XDP_ATTACHED_*
  uint32_t id = 0;
};

std::optional<Program> FindProgram(const Interface& interface) {
  auto netlink = NetlinkSocket::Open();
  if (!netlink.ok()) return std::nullopt;
  ifinfomsg header = {};
  header.ifi_index = interface.index;
  const auto answers = netlink->Ask(NetlinkRequest(RTM_GETLINK, 0, header));
  if (!answers.ok() || answers->empty()) return std::nullopt;
  const auto xdp = answers->front().Find(sizeof header, IFLA_XDP);
  if (!xdp) return std::nullopt;
  return Program{
      .attached = AsInteger<uint8_t>(FindAttribute(*xdp, IFLA_XDP_ATTACHED))
                      .value_or(0),
      .id = AsInteger<uint32_t>(FindAttribute(*xdp, IFLA_XDP_PROG_ID))
                .value_or(0)};
}

std::optional<Finding> LookAtXdp(const Place& place) {
  if (!place.interface) return std::nullopt;
  const auto program = FindProgram(*place.interface);
  if (!program) return std::nullopt;
  if (program->attached == XDP_ATTACHED_NONE) {
    return Finding{.is = "no program is attached"};
  }
  const bool in_stack = program->attached == XDP_ATTACHED_SKB;
  return Finding{
      .grade = Grade::kBetter,
      .is = absl::StrCat("program ", program->id, " is attached",
                         in_stack ? ", in the stack" : ""),
      .advice =
          "it sees replies first and may drop them, and the xdp backend "
          "cannot stand beside it; take it away if nobody needs it",
      .command = absl::StrCat("ip link set ", place.interface->name,
                              in_stack ? " xdpgeneric off" : " xdp off")};
}

long Processors() { return std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)); }

std::optional<Finding> LookAtQueues(const Place& place) {
  if (!place.interface) return std::nullopt;
  const auto queues = QueuesOf(*place.interface);
  if (!queues || queues->now == 0) return std::nullopt;
  Finding found = {.is = absl::StrCat(queues->now, " of ", queues->most,
                                      " receive queues, ", Processors(),
                                      " processors")};
  const auto useful =
      std::min(queues->most, static_cast<uint32_t>(Processors()));
  if (queues->now < useful) {
    found.grade = Grade::kBetter;
    found.advice = "a queue for each processor shares the work of receiving";
    found.command = absl::StrCat(
        "ethtool -L ", place.interface->name,
        DriverOf(*place.interface) == "veth" ? " rx " : " combined ", useful);
  }
  return found;
}

std::optional<Finding> LookAtRings(const Place& place) {
  if (!place.interface) return std::nullopt;
  const auto buffers = ReceiveBuffersOf(*place.interface);
  if (!buffers) return std::nullopt;
  Finding found = {.is = absl::StrCat(buffers->now, " of ", buffers->most,
                                      " receive buffers a queue")};
  if (buffers->now < buffers->most) {
    found.grade = Grade::kBetter;
    found.advice = "more of them hold bursts of replies";
    found.command = absl::StrCat("ethtool -G ", place.interface->name, " rx ",
                                 buffers->most);
  }
  return found;
}

std::optional<Finding> LookAtOffloads(const Place& place) {
  if (!place.interface) return std::nullopt;
  const auto merges = MergesPackets(*place.interface);
  if (!merges) return std::nullopt;
  if (!*merges) return Finding{.is = "received packets stay as they are"};
  return Finding{.grade = Grade::kBetter,
                 .is = "the card merges received packets (LRO)",
                 .advice = "that helps no ICMP, and keeps XDP programs out",
                 .command = absl::StrCat("ethtool -K ", place.interface->name,
                                         " lro off")};
}

// A veth end receives by NAPI only with a program or GRO; else the other end's
// sender delivers, and there is nothing to move to a thread.
bool HasNapi(const Interface& interface) {
  if (interface.driver != "veth") return true;
  const auto program = FindProgram(interface);
  return (program && program->attached != XDP_ATTACHED_NONE) ||
         CollectsPackets(interface).value_or(false);
}

std::optional<Finding> LookAtThreadedNapi(const Place& place) {
  if (!place.interface) return std::nullopt;
  const auto directory = SysDirectory(*place.interface);
  if (!directory) return std::nullopt;
  const auto threaded = ReadNumber(*directory + "/threaded");
  if (!threaded) return std::nullopt;
  if (*threaded != 0) return Finding{.is = "receives in a thread of its own"};
  if (!HasNapi(*place.interface)) {
    return Finding{.is = "no NAPI here that could have a thread"};
  }
  if (Processors() < 2)
    return Finding{.is = "off; one processor gains nothing"};
  return Finding{
      .grade = Grade::kBetter,
      .is = "receives in interrupts, on whatever processor they hit",
      .advice =
          "a thread can be moved away from the sender; up to half more "
          "at full speed",
      .command = absl::StrCat("echo 1 > ", *directory, "/threaded")};
}

constexpr std::array<Check, 8> kChecks = {{
    {"link", &LookAtLink},
    {"address", &LookAtAddress},
    {"driver", &LookAtDriver},
    {"xdp", &LookAtXdp},
    {"queues", &LookAtQueues},
    {"rings", &LookAtRings},
    {"offloads", &LookAtOffloads},
    {"threaded_napi", &LookAtThreadedNapi},
}};

}  // namespace

std::span<const Check> InterfaceChecks() { return kChecks; }

}  // namespace fathom::doctor
