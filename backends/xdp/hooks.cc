#include "backends/xdp/hooks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp_programs_object.h>  // Made by scripts/compile_bpf.

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backends/xdp/link_watch.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/net/link_socket.h"

namespace fathom {
namespace {

// BPF_TCX_EGRESS, of Linux 6.6; Debian's headers are older.
constexpr auto kEgress = static_cast<bpf_attach_type>(47);

// All rings together.
constexpr size_t kMaxRingMemory = size_t{256} << 20;

// Some cards reset as a program comes, and negotiate their speed anew.
constexpr auto kLinkPatience = std::chrono::seconds(10);
constexpr auto kLinkStep = std::chrono::milliseconds(20);

// One for each lane on each processor.
size_t RingsFor(size_t lanes) {
  return static_cast<size_t>(std::max(libbpf_num_possible_cpus(), 1)) * lanes;
}

// The address as in packets.
std::array<uint32_t, 4> WordsOf(const IpAddress& address) {
  if (address.family() == Family::kIpv4) {
    return std::bit_cast<std::array<uint32_t, 4>>(
        std::array{Be32(address.v4()), Be32(), Be32(), Be32()});
  }
  return std::bit_cast<std::array<uint32_t, 4>>(
      std::array{Be64(address.high()), Be64(address.low())});
}

XdpRules RulesOf(const XdpHooks::Options& options) {
  XdpRules rules = {
      .mac = {},
      .address = WordsOf(options.address),
      .ipv6 = options.address.family() == Family::kIpv6 ? 1U : 0U,
      .tcp = options.tcp ? 1U : 0U,
      .link_header = static_cast<uint32_t>(LinkHeaderSize(options.interface)),
      .lanes = static_cast<uint32_t>(options.lanes),
      .ring_mask = static_cast<uint32_t>(options.ring_bytes - 1),
      .unused = 0};
  std::copy(options.interface.mac.begin(), options.interface.mac.end(),
            rules.mac.begin());
  return rules;
}

// What to grant, where the kernel says that something is missing.
absl::Status Explain(const absl::Status& status) {
  if (!absl::IsPermissionDenied(status)) return status;
  return absl::PermissionDeniedError(absl::StrCat(
      status.message(),
      "; the xdp backend needs CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF and "
      "CAP_PERFMON: run as root or setcap "
      "cap_net_raw,cap_net_admin,cap_bpf,cap_perfmon+ep"));
}

absl::Status AwaitLink(int index) {
  const auto deadline = std::chrono::steady_clock::now() + kLinkPatience;
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const Interface interface, FindInterface(index));
    absl::Status usable = CheckUsable(interface);
    if (usable.ok() || std::chrono::steady_clock::now() > deadline) {
      return usable;
    }
    std::this_thread::sleep_for(kLinkStep);
  }
}

}  // namespace

absl::StatusOr<XdpHooks> XdpHooks::Attach(const Options& options) {
  Options fitting = options;
  while (fitting.ring_bytes * RingsFor(options.lanes) > kMaxRingMemory) {
    fitting.ring_bytes /= 2;
  }
  FATHOM_ASSIGN_OR_RETURN(auto object,
                          BpfObject::Open(kXdpProgramsObject, "fathom"));
  const XdpRules rules = RulesOf(fitting);
  FATHOM_RETURN_IF_ERROR(object.SetConstants(
      ".rodata.rules", std::as_bytes(std::span(&rules, 1))));
  FATHOM_RETURN_IF_ERROR(object.Resize(
      "rings", RingSize(static_cast<uint32_t>(fitting.ring_bytes)),
      static_cast<uint32_t>(RingsFor(options.lanes))));
  FATHOM_RETURN_IF_ERROR(object.Resize("lanes", sizeof(XdpLane),
                                       static_cast<uint32_t>(options.lanes)));
  FATHOM_RETURN_IF_ERROR(Explain(object.Load()));
  XdpHooks hooks(fitting, std::move(object));
  FATHOM_RETURN_IF_ERROR(hooks.ShareMemory(options.lanes));
  FATHOM_RETURN_IF_ERROR(Explain(hooks.Place()));
  FATHOM_RETURN_IF_ERROR(AwaitLink(options.interface.index));
  return hooks;
}

XdpHooks::XdpHooks(const Options& options, BpfObject object)
    : interface_(options.interface),
      object_(std::move(object)),
      rings_(RingsFor(options.lanes)),
      ring_bytes_(options.ring_bytes),
      program_(object_.program("on_frame")) {}

absl::Status XdpHooks::ShareMemory(size_t lanes) {
  const auto ring = RingSize(static_cast<uint32_t>(ring_bytes_));
  FATHOM_ASSIGN_OR_RETURN(ring_memory_,
                          object_.Share("rings", size_t{ring} * rings_));
  FATHOM_ASSIGN_OR_RETURN(lane_memory_,
                          object_.Share("lanes", sizeof(XdpLane) * lanes));
  FATHOM_ASSIGN_OR_RETURN(
      host_ids_, object_.Share("host_ids", sizeof(uint64_t) * kEchoIds));
  return absl::OkStatus();
}

absl::Status XdpHooks::Place() {
  WatchHost();
  // Without it frames that the driver refuses are not known of.
  transmitted_ = UniqueFd(bpf_raw_tracepoint_open(
      "xdp_devmap_xmit", object_.program("on_transmitted")));
  auto attachment = AttachXdp(program_, interface_.index);
  if (attachment.ok()) {
    attachment_ = *std::move(attachment);
    return absl::OkStatus();
  }
  return absl::Status(
      attachment.status().code(),
      absl::StrCat("interface ", interface_.name, ": ",
                   absl::string_view(attachment.status().message())));
}

// Before Linux 6.6 there is no place that would be left as it was found.
void XdpHooks::WatchHost() {
  leaving_ = UniqueFd(bpf_link_create(object_.program("on_leaving"),
                                      interface_.index, kEgress, nullptr));
  if (leaving_.valid()) return;
  std::memset(host_ids_.bytes().data(), 0xff, host_ids_.bytes().size());
}

XdpRing& XdpHooks::ring(size_t index) const {
  const auto size = RingSize(static_cast<uint32_t>(ring_bytes_));
  return *reinterpret_cast<XdpRing*>(ring_memory_.bytes().data() +
                                     index * size);
}

XdpLane& XdpHooks::lane(size_t index) const {
  return *reinterpret_cast<XdpLane*>(lane_memory_.bytes().data() +
                                     index * sizeof(XdpLane));
}

absl::Status XdpHooks::CheckAttached() const {
  if (IsAttached(attachment_)) return absl::OkStatus();
  FATHOM_RETURN_IF_ERROR(CheckPresent(interface_));
  return absl::UnavailableError(absl::StrCat("interface ", interface_.name,
                                             ": the XDP program was detached"));
}

}  // namespace fathom
