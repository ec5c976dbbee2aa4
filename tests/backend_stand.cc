#include "tests/backend_stand.h"

#include <string>
#include <string_view>

#include "absl/strings/match.h"
#include "fathom/registry.h"
#include "src/net/xdp_verdict.h"

namespace fathom {
namespace {

// The lab as it is by default.
BackendOptions InProcess(size_t ring_frames) {
  BackendOptions options;
  options.ring_frames = ring_frames;
  return options;
}

// The same interface through DPDK.
BackendOptions OnVethByDpdk(size_t ring_frames) {
  BackendOptions options = OnVeth(ring_frames);
  options.device = "net_af_packet0,iface=veth0";
  return options;
}

// A backend that is not in this table fails the suite: add a line for it.
constexpr Stand kStands[] = {
    {.name = "dpdk",
     .on_wire = true,
     .options = &OnVethByDpdk,
     .any_link = false,
     .finds_device = false,
     .shares_by_turns = false},
    {.name = "io_uring", .on_wire = true, .options = &OnVeth},
    {.name = "simulated", .on_wire = false, .options = &InProcess},
    {.name = "xdp", .on_wire = true, .options = &OnVeth},
    {.name = "xdp_live",
     .on_wire = true,
     .options = &OnVeth,
     .with_peer = "xdp"},
};

}  // namespace

const Stand* FindStand(std::string_view name) {
  for (const Stand& stand : kStands) {
    if (name == stand.name) return &stand;
  }
  return nullptr;
}

BackendOptions OnVeth(size_t ring_frames) {
  BackendOptions options;
  options.device = "veth0";
  options.gateway = kFar;
  options.gateway_mac = "02:00:00:00:00:01";
  options.toward = kTarget;
  options.ring_frames = ring_frames;
  return options;
}

BackendOptions OverIpv6(BackendOptions options) {
  options.gateway = kFar6;
  options.toward = kTarget6;
  return options;
}

void BackendTest::SetUpWire() {
  auto netns = Netns::Make();
  if (absl::IsPermissionDenied(netns.status())) {
    GTEST_SKIP() << netns.status();
  }
  ASSERT_TRUE(netns.ok()) << netns.status();
  netns_.emplace(*std::move(netns));
  ASSERT_TRUE(
      netns_->AddVeth("veth0", "10.0.0.2/24", "peer0", "10.0.0.1/24").ok());
  ASSERT_TRUE(netns_->Ip("link set veth0 address 02:00:00:00:00:02").ok());
  ASSERT_TRUE(netns_->FarIp("link set peer0 address 02:00:00:00:00:01").ok());
  if (absl::StartsWith(stand_->name, "xdp")) {
    static const absl::Status tried =
        GetParam().open(stand_->options(64)).status();
    if (absl::IsPermissionDenied(tried)) GTEST_SKIP() << tried;
  }
  if (stand_->with_peer == nullptr) return;
  absl::Status status;
  netns_->OnFarSide(
      [&] { status = AttachXdpVerdict("peer0", XdpVerdict::kPass); });
  ASSERT_TRUE(status.ok()) << status;
}

void BackendTest::Send(const std::vector<Bytes>& frames, size_t batch) {
  for (size_t sent = 0; sent < frames.size();) {
    const auto lent = tx().Lend(std::min(batch, frames.size() - sent));
    for (TxFrame& frame : lent) {
      const Bytes& bytes = frames[sent++];
      ASSERT_LE(bytes.size(), frame.room.size());
      std::copy(bytes.begin(), bytes.end(), frame.room.begin());
      frame.length = bytes.size();
    }
    ASSERT_TRUE(tx().Send(lent.size()).ok());
  }
  ASSERT_TRUE(tx().Drain(kLong).ok());
}

std::vector<BackendModule> Backends() {
  std::vector<BackendModule> modules = Register<BackendModule>::All();
  const size_t registered = modules.size();
  for (const Stand& stand : kStands) {
    for (size_t i = 0; stand.with_peer != nullptr && i < registered; ++i) {
      if (modules[i].name != std::string_view(stand.with_peer)) continue;
      modules.push_back({stand.name, modules[i].help, modules[i].open});
    }
  }
  return modules;
}

std::vector<BackendModule> BackendsOnWire() {
  std::vector<BackendModule> modules;
  for (const BackendModule& module : Backends()) {
    const Stand* const stand = FindStand(module.name);
    if (stand != nullptr && stand->on_wire) modules.push_back(module);
  }
  return modules;
}

std::vector<BackendModule> BackendsOnAnyLink() {
  std::vector<BackendModule> modules = BackendsOnWire();
  std::erase_if(modules, [](const BackendModule& module) {
    return !FindStand(module.name)->any_link;
  });
  return modules;
}

std::string NameOfBackend(const testing::TestParamInfo<BackendModule>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(All, BackendTest, testing::ValuesIn(Backends()),
                         NameOfBackend);

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WireBackendTest);
INSTANTIATE_TEST_SUITE_P(All, WireBackendTest,
                         testing::ValuesIn(BackendsOnWire()), NameOfBackend);

}  // namespace fathom
