// How backends on a Linux interface are opened, on which interfaces, and how
// they end.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "src/base/unique_fd.h"
#include "src/codec/headers.h"
#include "tests/backend_stand.h"

namespace fathom {
namespace {

TEST_P(WireBackendTest, SaysThatTheLinkIsDown) {
  Open();
  ASSERT_TRUE(ReceiveUntilLost().ok());
  ASSERT_TRUE(netns_->Ip("link set veth0 down").ok());
  EXPECT_EQ(SendUntilLost().message(), "interface veth0 is down");
  EXPECT_EQ(ReceiveUntilLost().message(), "interface veth0 is down");
  // And says it again.
  EXPECT_FALSE(tx().Send(0).ok());
  EXPECT_FALSE(tx().Drain(kLong).ok());
  EXPECT_FALSE(rx().Receive(Nanos(0)).ok());
}

TEST_P(WireBackendTest, SaysThatTheCarrierIsLost) {
  Open();
  ASSERT_TRUE(netns_->FarIp("link set peer0 down").ok());
  EXPECT_EQ(SendUntilLost().message(), "interface veth0 has no carrier");
  EXPECT_GT(backend_->counters().tx_failed, 0U);
}

TEST_P(WireBackendTest, SaysThatTheInterfaceWasRemoved) {
  Open();
  ASSERT_TRUE(ReceiveUntilLost().ok());
  ASSERT_TRUE(netns_->Ip("link del veth0").ok());
  EXPECT_EQ(SendUntilLost().message(), "interface veth0 was removed");
  EXPECT_FALSE(ReceiveUntilLost().ok());
}

TEST_P(WireBackendTest, LendsWhatCameBeforeTheLinkWentDown) {
  Open();
  ASSERT_TRUE(ReceiveUntilLost().ok());
  far_->Send(Replies(100));
  ASSERT_TRUE(netns_->Ip("link set veth0 down").ok());
  size_t count = 0;
  absl::Status status;
  while (status.ok()) {
    const auto frames = rx().Receive(kLong);
    status = frames.status();
    if (frames.ok()) count += frames->size();
  }
  EXPECT_EQ(count, 100U);
}

TEST_P(WireBackendTest, RefusesWhatItCannotOpen) {
  BackendOptions options = stand_->options(64);
  for (const size_t lanes : {size_t{0}, size_t{1} << 20}) {
    options.lanes = lanes;
    EXPECT_TRUE(absl::IsInvalidArgument(GetParam().open(options).status()));
  }
  options = stand_->options(64);
  absl::StrReplaceAll({{"veth0", "veth9"}}, &options.device);
  EXPECT_EQ(GetParam().open(options).status().message(),
            "interface veth9: no such device");
  options = stand_->options(size_t{1} << 40);
  EXPECT_TRUE(absl::IsInvalidArgument(GetParam().open(options).status()));
}

// Without addresses given, and a device only where it must be: by route and
// neighbour cache.
TEST_P(WireBackendTest, FindsItsWayByTheRoute) {
  ASSERT_TRUE(netns_->Ip("route add default via 10.0.0.1").ok());
  BackendOptions options = stand_->options(64);
  if (stand_->finds_device) options.device.clear();
  options.gateway.reset();
  options.gateway_mac.clear();
  Open(options);
  EXPECT_EQ(backend_->Describe(),
            "veth0, 10.0.0.2, gateway 10.0.0.1 at 02:00:00:00:00:01");
}

// Capabilities belong to the thread, so that the others keep theirs.
TEST_P(WireBackendTest, SaysWhatToGrant) {
  absl::Status status;
  std::jthread([&] {
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> none = {};
    ASSERT_EQ(syscall(SYS_capset, &header, none.data()), 0);
    status = GetParam().open(stand_->options(64)).status();
  }).join();
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "CAP_NET_RAW")) << status;
}

class TunBackendTest : public WireBackendTest {
 protected:
  void SetUp() override {
    WireBackendTest::SetUp();
    if (!netns_) return;
    tun_ = UniqueFd(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    if (!tun_.valid()) GTEST_SKIP() << "no /dev/net/tun";
    ifreq request = {};
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    strcpy(request.ifr_name, "tun0");
    ASSERT_EQ(ioctl(tun_.get(), TUNSETIFF, &request), 0);
    ASSERT_TRUE(netns_->Ip("link set tun0 addrgenmode none").ok());
    // Holds what a test sends before it is read.
    ASSERT_TRUE(netns_->Ip("link set tun0 txqueuelen 10000").ok());
    ASSERT_TRUE(netns_->Ip("link set tun0 up").ok());
    ASSERT_TRUE(netns_->Ip("addr add 10.2.0.2/24 dev tun0").ok());
  }

  void OpenTun(size_t ring_frames) {
    BackendOptions options;
    options.toward = IpAddress::V4(0x0a020001);
    options.ring_frames = ring_frames;
    Open(options);
  }

  // The next packet that left; empty if none does in ten seconds.
  Bytes Read() {
    pollfd wait = {tun_.get(), POLLIN, 0};
    if (poll(&wait, 1, 10'000) != 1) return {};
    Bytes packet(2048);
    const ssize_t length = read(tun_.get(), packet.data(), packet.size());
    packet.resize(length < 0 ? 0 : static_cast<size_t>(length));
    return packet;
  }

  UniqueFd tun_;
};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TunBackendTest);
INSTANTIATE_TEST_SUITE_P(All, TunBackendTest,
                         testing::ValuesIn(BackendsOnAnyLink()), NameOfBackend);

TEST_P(TunBackendTest, WorksWithoutLinkHeader) {
  OpenTun(64);
  EXPECT_TRUE(backend_->link_header().empty());
  EXPECT_EQ(backend_->Describe(), "tun0, 10.2.0.2");

  const Bytes probe =
      IcmpPacket(backend_->source(), kTarget, kIcmpEchoRequest, 5);
  Send({probe}, 1);
  EXPECT_EQ(Read(), probe);

  const Bytes answer =
      IcmpPacket(kTarget, backend_->source(), kIcmpTimeExceeded, 6);
  ASSERT_EQ(write(tun_.get(), answer.data(), answer.size()),
            static_cast<ssize_t>(answer.size()));
  const auto frames = rx().Receive(kLong);
  ASSERT_TRUE(frames.ok() && frames->size() == 1);
  EXPECT_EQ(Bytes(frames->front().bytes.begin(), frames->front().bytes.end()),
            answer);
}

// The device takes 16,000 packets a second, and what waits for it fills the
// socket's buffer, so sends stay under way in the kernel. Then fewer frames are
// lent, and none is lost or sent twice, not even if the queue moves to another
// thread in between.
TEST_P(TunBackendTest, SendsEachFrameOnceOverASlowDevice) {
  ASSERT_TRUE(netns_
                  ->Run("tc qdisc add dev tun0 root "
                        "tbf rate 8mbit burst 2k limit 10m")
                  .ok());
  constexpr uint32_t kCount = 3000;
  OpenTun(64);
  uint32_t sent = 0;
  bool was_full = false;
  const auto send_until = [&](uint32_t end) {
    while (sent < end) {
      const auto lent = tx().Lend(std::min<size_t>(end - sent, 64));
      was_full = was_full || lent.empty();
      for (TxFrame& frame : lent) {
        const Bytes probe =
            IcmpPacket(backend_->source(), kTarget, kIcmpEchoRequest, sent++);
        std::copy(probe.begin(), probe.end(), frame.room.begin());
        frame.length = probe.size();
      }
      const absl::Status status = tx().Send(lent.size());
      ASSERT_TRUE(status.ok()) << status;
    }
  };
  for (const uint32_t end : {800U, 1500U, 2200U, kCount}) {
    std::jthread([&] { send_until(end); }).join();
  }
  EXPECT_TRUE(absl::IsDeadlineExceeded(tx().Drain(Nanos(1))));
  EXPECT_TRUE(tx().Drain(kLong).ok());
  EXPECT_TRUE(was_full);
  EXPECT_EQ(backend_->counters().tx_failed, 0U);
  std::vector<uint32_t> seen(kCount, 0);
  for (uint32_t i = 0; i < kCount; ++i) {
    const uint32_t number = NumberOf(Read());
    ASSERT_LT(number, kCount) << i;
    ++seen[number];
  }
  EXPECT_EQ(seen, std::vector<uint32_t>(kCount, 1));
}

TEST_P(WireBackendTest, WorksOnLoopback) {
  if (!stand_->any_link) return;
  // The kernel takes packets between its own addresses for forged, unless
  // told otherwise.
  for (const char* permit : {"route_localnet", "accept_local"}) {
    std::ofstream("/proc/sys/net/ipv4/conf/lo/" + std::string(permit)) << "1";
  }
  BackendOptions options;
  options.toward = IpAddress::V4(0x7f000001);
  Open(options);
  const IpAddress self = backend_->source();
  Send({Concat(backend_->link_header(),
               IcmpPacket(self, options.toward, kIcmpEchoRequest, 8))},
       1);
  const auto frames = rx().Receive(kLong);
  ASSERT_TRUE(frames.ok() && frames->size() == 1);
  EXPECT_EQ(NumberOf(frames->front().bytes), 8U);
}

}  // namespace
}  // namespace fathom
