#ifndef FATHOM_TESTS_BACKEND_STAND_H_
#define FATHOM_TESTS_BACKEND_STAND_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fathom/packet_io.h"
#include "src/base/bytes.h"
#include "src/codec/headers.h"
#include "tests/netns.h"
#include "tests/wire_end.h"

namespace fathom {

// Where backends are put to the test: each as the table in backend_stand.cc
// says, those on a Linux interface at the near end of a veth pair whose far end
// is a plain packet socket.

inline constexpr IpAddress kNear = IpAddress::V4(0x0a000002);    // 10.0.0.2
inline constexpr IpAddress kFar = IpAddress::V4(0x0a000001);     // 10.0.0.1
inline constexpr IpAddress kTarget = IpAddress::V4(0xc6120001);  // 198.18.0.1

// The same ends, and a target, over IPv6.
inline constexpr IpAddress kNear6 =
    IpAddress::V6(0xfd00'0000'0000'0000, 2);  // fd00::2
inline constexpr IpAddress kFar6 =
    IpAddress::V6(0xfd00'0000'0000'0000, 1);  // fd00::1
inline constexpr IpAddress kTarget6 =
    IpAddress::V6(0xfd00'0000'0000'0001, 1);  // fd00:0:0:1::1

// Long enough that a wait which needs it is a failure.
inline constexpr Nanos kLong = std::chrono::seconds(10);

// How the suite stands up a backend.
//
// `on_wire`: it works on the near end of the veth pair, and must pass the
// suite of those that do. `options`: what it is opened with. `with_peer`: not
// null for one more stand of the backend of this name, where the far end takes
// what a driver's program sends, as real cards do. The rest says where a
// backend promises less, and so which cases are not for it.
struct Stand {
  const char* name;
  bool on_wire;
  BackendOptions (*options)(size_t ring_frames);
  const char* with_peer = nullptr;
  bool any_link = true;      // Works on tun and loopback, too.
  bool finds_device = true;  // Without one given, by the route.
  // Lanes share packets by turns, not by a hash of their addresses.
  bool shares_by_turns = true;
};

// How to stand up the backend of this name; null if the table lacks it.
const Stand* FindStand(std::string_view name);

// All backends, each under the name of its stand; those on a Linux interface;
// and their names for parameterised tests.
std::vector<BackendModule> Backends();
std::vector<BackendModule> BackendsOnWire();
std::vector<BackendModule> BackendsOnAnyLink();
std::string NameOfBackend(const testing::TestParamInfo<BackendModule>& info);

// veth0 of the near end, with everything given.
BackendOptions OnVeth(size_t ring_frames);

// Options over IPv4 made such over IPv6.
BackendOptions OverIpv6(BackendOptions options);

// The suite for all backends.
class BackendTest : public testing::TestWithParam<BackendModule> {
 protected:
  void SetUp() override {
    stand_ = FindStand(GetParam().name);
    ASSERT_NE(stand_, nullptr)
        << "backend " << GetParam().name << " is not in the table kStands";
    if (stand_->on_wire) SetUpWire();
  }

  void SetUpWire();

  void Open(size_t ring_frames = 2048) { Open(stand_->options(ring_frames)); }

  void Open(const BackendOptions& options) {
    ASSERT_TRUE(!netns_ || netns_->IsIsolated());
    backend_.reset();
    auto opened = GetParam().open(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    backend_ = *std::move(opened);
  }

  TxQueue& tx() { return backend_->tx(0); }
  RxQueue& rx() { return backend_->rx(0); }

  // Sends frames with all pressure obeyed.
  void Send(const std::vector<Bytes>& frames, size_t batch);

  const Stand* stand_ = nullptr;
  std::optional<Netns> netns_;
  std::unique_ptr<Backend> backend_;
};

// The suite for those on a Linux interface.
class WireBackendTest : public BackendTest {
 protected:
  void SetUp() override {
    BackendTest::SetUp();
    if (!netns_) return;  // Skipped, or failed.
    far_.emplace(*netns_, "peer0");
  }

  // A frame from the far end with this packet in it.
  static Bytes Inbound(const Bytes& packet, uint16_t type = kEtherTypeIpv4) {
    EthernetHeader header = {{2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 1}, type};
    return Concat(std::as_bytes(std::span(&header, 1)), packet);
  }

  static Bytes Reply(uint32_t number, uint8_t type = kIcmpTimeExceeded) {
    return Inbound(IcmpPacket(kFar, kNear, type, number));
  }

  static std::vector<Bytes> Replies(uint32_t count) {
    std::vector<Bytes> replies;
    replies.reserve(count);
    for (uint32_t i = 0; i < count; ++i) replies.push_back(Reply(i));
    return replies;
  }

  // The numbers of the packets that come in, until there are `count` in all,
  // with those that the backend says it lost.
  std::vector<uint32_t> ReceiveNumbers(uint64_t count) {
    std::vector<uint32_t> numbers;
    while (numbers.size() + backend_->counters().rx_dropped < count) {
      const auto frames = rx().Receive(kLong);
      EXPECT_TRUE(frames.ok()) << frames.status();
      if (!frames.ok() || frames->empty()) break;
      for (const RxFrame& frame : *frames) {
        numbers.push_back(NumberOf(frame.bytes));
      }
    }
    return numbers;
  }

  // Sends until the backend says why it cannot any more.
  absl::Status SendUntilLost() {
    for (int i = 0; i < 10'000; ++i) {
      const auto lent = tx().Lend(16);
      for (TxFrame& frame : lent) frame.length = 60;
      if (auto status = tx().Send(lent.size()); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status ReceiveUntilLost() {
    for (int i = 0; i < 10'000; ++i) {
      const auto frames = rx().Receive(Nanos(0));
      if (!frames.ok()) return frames.status();
    }
    return absl::OkStatus();
  }

  std::optional<FarEnd> far_;
};

}  // namespace fathom

#endif  // FATHOM_TESTS_BACKEND_STAND_H_
