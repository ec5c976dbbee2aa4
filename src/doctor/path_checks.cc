// What packets meet in the kernel between the driver and us.

#include <linux/capability.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include <array>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "src/doctor/ethtool.h"
#include "src/doctor/files.h"
#include "src/doctor/finding.h"
#include "src/net/netlink.h"

namespace fathom::doctor {
namespace {

// The kinds of an interface's queueing disciplines: its first that sends, and
// whether one can hold filters for what comes in.
struct Disciplines {
  std::string root;
  bool ingress = false;
};

std::optional<Disciplines> FindDisciplines(const Interface& interface) {
  auto netlink = NetlinkSocket::Open();
  if (!netlink.ok()) return std::nullopt;
  const auto answers =
      netlink->Ask(NetlinkRequest(RTM_GETQDISC, NLM_F_DUMP, tcmsg{}));
  if (!answers.ok()) return std::nullopt;
  Disciplines found;
  for (const NetlinkMessage& message : *answers) {
    const auto header = message.header<tcmsg>();
    if (!header || header->tcm_ifindex != interface.index) continue;
    const std::string kind = AsText(message.Find(sizeof(tcmsg), TCA_KIND));
    if (header->tcm_parent == TC_H_ROOT) found.root = kind;
    if (kind == "clsact" || kind == "ingress") found.ingress = true;
  }
  return found;
}

std::optional<Finding> LookAtFilters(const Place& place) {
  if (!place.interface) return std::nullopt;
  const auto found = FindDisciplines(*place.interface);
  if (!found) return std::nullopt;
  if (!found->ingress) {
    return Finding{.is =
                       "no tc filter stands before us; firewall and rp_filter "
                       "come after us"};
  }
  return Finding{
      .grade = Grade::kBetter,
      .is = absl::StrCat(place.interface->name, " has a place for tc filters"),
      .advice = "they see replies before we do; look whether they drop ICMP",
      .command = absl::StrCat("tc filter show dev ", place.interface->name,
                              " ingress")};
}

std::optional<Finding> LookAtQdisc(const Place& place) {
  if (!place.interface) return std::nullopt;
  const auto found = FindDisciplines(*place.interface);
  if (!found || found->root.empty()) return std::nullopt;
  // Tun and tap cannot be had without it.
  const bool used = place.interface->driver == "tun";
  Finding finding = {.is =
                         absl::StrCat(found->root, used ? "" : ", passed by")};
  if (used && (found->root == "netem" || found->root == "tbf")) {
    finding.grade = Grade::kBetter;
    finding.advice = "it delays or drops what is sent";
    finding.command =
        absl::StrCat("tc qdisc del dev ", place.interface->name, " root");
  }
  return finding;
}

std::optional<Finding> LookAtConntrack(const Place& place) {
  const auto count = ReadNumber("/proc/sys/net/netfilter/nf_conntrack_count");
  if (!count) return Finding{.is = "connections are not tracked"};
  return Finding{
      .grade = Grade::kBetter,
      .is = absl::StrCat("connections are tracked, ", *count, " now"),
      .advice =
          "probes go past it, but each reply is looked up in vain; a rule "
          "can spare that",
      .command = absl::StrCat("iptables -t raw -I PREROUTING -i ",
                              place.interface ? place.interface->name : "DEV",
                              " -p icmp -j CT --notrack")};
}

// Packets wait there where RPS hands them on, or a driver has no NAPI.
std::optional<Finding> LookAtBacklog(const Place&) {
  constexpr int64_t kEnough = 10'000;  // 50 ms at 200,000 a second.
  const auto backlog = ReadNumber("/proc/sys/net/core/netdev_max_backlog");
  if (!backlog) return std::nullopt;
  Finding found = {
      .is = absl::StrCat("net.core.netdev_max_backlog is ", *backlog)};
  if (*backlog < kEnough) {
    found.grade = Grade::kBetter;
    found.advice =
        "a burst of replies may overflow it where RPS is on, or in "
        "front of veth and tun";
    found.command = "sysctl -w net.core.netdev_max_backlog=30000";
  }
  return found;
}

// What waits to be sent in the device counts against the socket. Receiving
// needs no such: its ring is as large as we like.
std::optional<Finding> LookAtSendBuffer(const Place&) {
  constexpr int64_t kEnough = 2 << 20;  // For a ring of 2,048 frames.
  if (HasCapability("CapEff", CAP_NET_ADMIN)) {
    return Finding{.is = "as large as a scan wants them"};
  }
  const auto most = ReadNumber("/proc/sys/net/core/wmem_max");
  if (!most) return std::nullopt;
  Finding found = {.is = absl::StrCat("net.core.wmem_max is ", *most)};
  if (*most < kEnough) {
    found.grade = Grade::kBetter;
    found.advice = "without CAP_NET_ADMIN fewer frames can wait in the device";
    found.command = absl::StrCat("sysctl -w net.core.wmem_max=", kEnough);
  }
  return found;
}

// Whether any bit of a mask of processors is set.
bool AnyBit(const std::string& mask) {
  return mask.find_first_not_of("0,") != std::string::npos;
}

std::optional<Finding> LookAtRps(const Place& place) {
  if (!place.interface) return std::nullopt;
  const auto directory = SysDirectory(*place.interface);
  if (!directory) return std::nullopt;
  const std::string file = *directory + "/queues/rx-0/rps_cpus";
  const auto mask = ReadText(file);
  if (!mask) return std::nullopt;
  if (AnyBit(*mask)) {
    return Finding{.is = absl::StrCat("RPS hands packets on, mask ", *mask)};
  }
  const bool one_queue = access((*directory + "/queues/rx-1").c_str(), F_OK);
  const long processors = sysconf(_SC_NPROCESSORS_ONLN);
  if (!one_queue || processors < 4 || processors > 32) {
    return Finding{.is = "RPS is off"};
  }
  return Finding{
      .grade = Grade::kBetter,
      .is = "one receive queue, and RPS is off: one processor receives all",
      .advice = "RPS shares it with the others, if xdp is not used",
      .command = absl::StrCat(
          "echo ", absl::Hex((uint64_t{1} << processors) - 2), " > ", file)};
}

constexpr std::array<Check, 6> kChecks = {{
    {"filters", &LookAtFilters},
    {"qdisc", &LookAtQdisc},
    {"conntrack", &LookAtConntrack},
    {"backlog", &LookAtBacklog},
    {"send_buffers", &LookAtSendBuffer},
    {"rps", &LookAtRps},
}};

}  // namespace

std::span<const Check> PathChecks() { return kChecks; }

}  // namespace fathom::doctor
