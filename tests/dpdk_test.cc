// What the dpdk backend does beyond the conformance suite: ports that only DPDK
// knows, several lanes, and finding its way without a kernel.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fathom/packet_io.h"
#include "fathom/registry.h"
#include "src/base/bytes.h"
#include "src/codec/headers.h"
#include "src/net/neighbor.h"
#include "tests/netns.h"
#include "tests/temporary_directory.h"
#include "tests/wire_end.h"

namespace fathom {
namespace {

constexpr IpAddress kHere = IpAddress::V4(0x0a000002);   // 10.0.0.2
constexpr IpAddress kThere = IpAddress::V4(0x0a000001);  // 10.0.0.1
constexpr Nanos kLong = std::chrono::seconds(10);

absl::StatusOr<std::unique_ptr<Backend>> Open(const BackendOptions& options) {
  return Register<BackendModule>::Find("dpdk")->open(options);
}

BackendOptions Options(const std::string& device, size_t lanes = 1) {
  BackendOptions options;
  options.device = device;
  options.source = kHere;
  options.gateway = kThere;
  options.gateway_mac = "02:00:00:00:00:01";
  options.lanes = lanes;
  return options;
}

// The MAC that a backend sends from, and so is reached at.
MacAddress MacOf(const Backend& backend) {
  const auto header = Load<EthernetHeader>(backend.link_header());
  MacAddress mac;
  std::copy(std::begin(header.source), std::end(header.source), mac.begin());
  return mac;
}

// Writes an answer to `to`, with `number` in it, sent to the gateway.
void Fill(TxFrame& frame, const Backend& from, IpAddress to, uint32_t number) {
  const Bytes bytes =
      Concat(from.link_header(),
             IcmpPacket(from.source(), to, kIcmpTimeExceeded, number));
  std::copy(bytes.begin(), bytes.end(), frame.room.begin());
  frame.length = bytes.size();
}

// Sends answers numbered from `first`, as many as are lent at once and at most
// `want`; returns how many.
size_t SendAnswers(TxQueue& tx, const Backend& from, IpAddress to,
                   uint32_t first, size_t want) {
  const auto lent = tx.Lend(want);
  for (TxFrame& frame : lent) Fill(frame, from, to, first++);
  EXPECT_TRUE(tx.Send(lent.size()).ok());
  return lent.size();
}

// Adds the numbers of what has come in.
void Hear(RxQueue& rx, Nanos patience, std::vector<uint32_t>& numbers) {
  const auto frames = rx.Receive(patience);
  ASSERT_TRUE(frames.ok()) << frames.status();
  for (const RxFrame& frame : *frames) {
    numbers.push_back(NumberOf(frame.bytes));
  }
}

std::vector<uint32_t> UpTo(size_t count) {
  std::vector<uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

// net_ring0, its own neighbour: what a lane sends it receives.
absl::StatusOr<std::unique_ptr<Backend>> OpenRing(size_t lanes) {
  BackendOptions options = Options("net_ring0", lanes);
  auto backend = Open(options);
  if (!backend.ok()) return backend.status();
  options.gateway_mac = MacToString(MacOf(**backend));
  backend->reset();  // There is one of that name.
  return Open(options);
}

// What is sent into a ring comes out of it, in order, whatever the batches; and
// a full ring shows as fewer frames lent.
TEST(DpdkRing, ReceivesWhatItSendsInOrderOnEachLane) {
  constexpr size_t kLanes = 2;
  constexpr size_t kCount = 50'000;
  auto backend = OpenRing(kLanes);
  ASSERT_TRUE(backend.ok()) << backend.status();
  ASSERT_EQ((*backend)->lanes(), kLanes);
  std::mt19937 random(7);
  bool was_full = false;
  std::vector<uint32_t> sent(kLanes, 0);
  std::vector<std::vector<uint32_t>> heard(kLanes);
  while (heard[0].size() < kCount || heard[1].size() < kCount) {
    const size_t lane = random() % kLanes;
    const auto left = kCount - sent[lane];
    const size_t want = std::min<size_t>(left, 1 + random() % 700);
    if (want != 0) {
      const size_t count =
          SendAnswers((*backend)->tx(lane), **backend, kHere, sent[lane], want);
      was_full = was_full || count == 0;
      sent[lane] += static_cast<uint32_t>(count);
    }
    if (random() % 3 == 0) Hear((*backend)->rx(lane), Nanos(0), heard[lane]);
    if (HasFatalFailure()) return;
    if (sent[lane] == kCount) {
      ASSERT_TRUE((*backend)->tx(lane).Send(0).ok());
    }
  }
  EXPECT_TRUE(was_full);
  for (const auto& numbers : heard) EXPECT_EQ(numbers, UpTo(kCount));
}

TEST(DpdkRing, DrainsOnceSomebodyReads) {
  auto backend = OpenRing(1);
  ASSERT_TRUE(backend.ok()) << backend.status();
  uint32_t sent = 0;
  while (const size_t count =
             SendAnswers((*backend)->tx(0), **backend, kHere, sent, 100)) {
    sent += static_cast<uint32_t>(count);
  }
  EXPECT_TRUE(absl::IsDeadlineExceeded((*backend)->tx(0).Drain(Nanos(1))));
  std::vector<uint32_t> heard;
  Hear((*backend)->rx(0), Nanos(0), heard);
  EXPECT_TRUE((*backend)->tx(0).Drain(kLong).ok());
  while (heard.size() < sent) Hear((*backend)->rx(0), kLong, heard);
  EXPECT_EQ(heard, UpTo(sent));
}

TEST(Dpdk, OpensManyTimesInOneProcess) {
  for (int i = 0; i < 50; ++i) {
    const auto backend = Open(Options(i % 2 == 0 ? "net_ring0" : "net_null0"));
    ASSERT_TRUE(backend.ok()) << backend.status();
  }
}

TEST(Dpdk, LeavesTheProcessorsOfTheCallerAlone) {
  cpu_set_t before;
  cpu_set_t after;
  pthread_getaffinity_np(pthread_self(), sizeof before, &before);
  ASSERT_TRUE(Open(Options("net_null0")).ok());
  pthread_getaffinity_np(pthread_self(), sizeof after, &after);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

TEST(Dpdk, SaysWhatMustBeGiven) {
  BackendOptions options = Options("net_null0");
  options.source.reset();
  EXPECT_EQ(Open(options).status().message(),
            "dpdk: the kernel knows nothing of net_null0; give the source "
            "address (--source)");
  options = Options("net_null0");
  options.gateway.reset();
  options.gateway_mac.clear();
  EXPECT_EQ(Open(options).status().message(),
            "dpdk: the kernel knows nothing of net_null0; give the gateway "
            "(--gateway) or its MAC (--gateway-mac)");
  options.gateway_mac = "02:00";
  EXPECT_TRUE(absl::IsInvalidArgument(Open(options).status()));
  EXPECT_EQ(Open(Options("net_af_packet0")).status().message(),
            "dpdk: net_af_packet0 is of which interface? "
            "net_af_packet0,iface=eth0");
}

TEST(Dpdk, SaysHowManyLanesThereAre) {
  EXPECT_EQ(Open(Options("net_ring0", 17)).status().message(),
            "dpdk: net_ring0 has queues for 16 lanes, not 17");
  EXPECT_EQ(Open(Options("net_ring0", 65)).status().message(),
            "dpdk: has 1 to 64 lanes, not 65");
}

TEST(Dpdk, SaysWhichDeviceIsNotThere) {
  for (const char* device : {"net_nosuch0", "0000:7f:1f.7"}) {
    const absl::Status status = Open(Options(device)).status();
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_NE(status.message().find(device), std::string::npos) << status;
  }
}

// The two ends of a memif are in two processes, as they are in the field; this
// is the other one. It sends back what it receives, and ends when nobody is
// there.
// It stands in the directory that has the socket by which they meet.
constexpr char kSocket[] = "memif";

BackendOptions MemifEnd(bool server, const std::string& socket, size_t lanes) {
  BackendOptions options =
      Options(absl::StrCat("net_memif0,role=", server ? "server" : "client",
                           ",mac=02:00:00:00:00:0", server ? 1 : 2,
                           ",socket-abstract=no,socket=", socket),
              lanes);
  if (!server) return options;
  options.source = kThere;
  options.gateway = kHere;
  options.gateway_mac = "02:00:00:00:00:02";
  return options;
}

// Sends the packets back on a lane, in order.
void SendBack(Backend& backend, size_t lane, std::vector<uint32_t> numbers) {
  TxQueue& tx = backend.tx(lane);
  for (auto next = numbers.begin(); next != numbers.end();) {
    const auto lent = tx.Lend(static_cast<size_t>(numbers.end() - next));
    for (TxFrame& frame : lent) Fill(frame, backend, kHere, *next++);
    if (!tx.Send(lent.size()).ok()) return;
  }
}

TEST(DISABLED_DpdkPeer, SendsBackWhatItReceives) {
  const auto backend =
      Open(MemifEnd(true, std::filesystem::current_path() / kSocket, 2));
  ASSERT_TRUE(backend.ok()) << backend.status();
  for (size_t lane = 0;; lane = 1 - lane) {
    const auto frames =
        (*backend)->rx(lane).Receive(std::chrono::microseconds(10));
    if (!frames.ok()) return;
    std::vector<uint32_t> numbers;
    for (const RxFrame& frame : *frames) {
      numbers.push_back(NumberOf(frame.bytes));
    }
    SendBack(**backend, lane, std::move(numbers));
  }
}

class DpdkMemif : public testing::Test {
 protected:
  void SetUp() override {
    peer_ = fork();
    ASSERT_NE(peer_, -1);
    if (peer_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (chdir(directory_.Path("").c_str()) != 0) _exit(1);
    execl("/proc/self/exe", "dpdk_test", "--gtest_also_run_disabled_tests",
          "--gtest_filter=DISABLED_DpdkPeer*", "--gtest_brief=1", nullptr);
    _exit(1);
  }

  void TearDown() override { EndPeer(); }

  void EndPeer() {
    if (peer_ <= 0) return;
    kill(peer_, SIGKILL);
    waitpid(peer_, nullptr, 0);
    peer_ = -1;
  }

  TemporaryDirectory directory_;
  const std::string socket_ = directory_.Path(kSocket);
  pid_t peer_ = -1;
};

TEST_F(DpdkMemif, CarriesBothWaysInOrderOnEachLane) {
  constexpr size_t kLanes = 2;
  constexpr uint32_t kCount = 50'000;
  const auto backend = Open(MemifEnd(false, socket_, kLanes));
  ASSERT_TRUE(backend.ok()) << backend.status();
  for (size_t lane = 0; lane < kLanes; ++lane) {
    std::vector<uint32_t> heard;
    for (uint32_t sent = 0; heard.size() < kCount;) {
      // No more under way than the rings of both ways hold.
      const size_t room = 1000 - std::min<size_t>(1000, sent - heard.size());
      const size_t want = std::min<size_t>(room, kCount - sent);
      sent += static_cast<uint32_t>(
          SendAnswers((*backend)->tx(lane), **backend, kThere, sent, want));
      Hear((*backend)->rx(lane), Nanos(0), heard);
      ASSERT_FALSE(HasFatalFailure());
    }
    EXPECT_EQ(heard, UpTo(kCount));
  }
}

TEST_F(DpdkMemif, SaysThatThePeerIsGone) {
  const auto backend = Open(MemifEnd(false, socket_, 2));
  ASSERT_TRUE(backend.ok()) << backend.status();
  EndPeer();
  // The driver is not asked to send as the peer goes: it does not bear that.
  absl::Status status;
  while (status.ok()) status = (*backend)->tx(0).Send(0);
  EXPECT_EQ(status.message(), "net_memif0 has no link");
  const auto lent = (*backend)->tx(0).Lend(8);
  ASSERT_EQ(lent.size(), 8U);
  for (TxFrame& frame : lent) frame.length = 60;
  EXPECT_FALSE((*backend)->tx(0).Send(8).ok());
  EXPECT_EQ((*backend)->counters().tx_failed, 8U);
  EXPECT_EQ((*backend)->rx(0).Receive(kLong).status().message(),
            "net_memif0 has no link");
}

// The ends know each other's addresses only: one asks, the other answers.
TEST_F(DpdkMemif, FindsTheGatewayAndIsFoundByArp) {
  BackendOptions options = MemifEnd(false, socket_, 2);
  options.gateway_mac.clear();
  const auto backend = Open(options);
  ASSERT_TRUE(backend.ok()) << backend.status();
  EXPECT_EQ((*backend)->Describe(),
            "net_memif0, 10.0.0.2, gateway 10.0.0.1 at 02:00:00:00:00:01");
}

// Replies are shared by all lanes and each is heard by one.
TEST(DpdkAfPacket, SharesRepliesAmongLanes) {
  constexpr uint32_t kReplies = 2'000;
  auto netns = Netns::Make();
  if (absl::IsPermissionDenied(netns.status())) {
    GTEST_SKIP() << netns.status();
  }
  ASSERT_TRUE(
      netns->AddVeth("veth0", "10.0.0.2/24", "peer0", "10.0.0.1/24").ok());
  ASSERT_TRUE(netns->Ip("link set veth0 address 02:00:00:00:00:02").ok());
  FarEnd far(*netns, "peer0");
  const auto backend =
      Open(Options("net_af_packet0,iface=veth0,framecnt=4096", 2));
  ASSERT_TRUE(backend.ok()) << backend.status();
  std::vector<Bytes> replies;
  for (uint32_t i = 0; i < kReplies; ++i) {
    const EthernetHeader header = {
        {2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 1}, kEtherTypeIpv4};
    replies.push_back(Concat(std::as_bytes(std::span(&header, 1)),
                             IcmpPacket(IpAddress::V4(0x0b000000 + i), kHere,
                                        kIcmpTimeExceeded, i)));
  }
  far.Send(replies);
  std::vector<uint32_t> numbers;
  for (size_t lane = 0; lane < 2; ++lane) {
    const size_t before = numbers.size();
    size_t last = before + 1;
    while (last != numbers.size()) {
      last = numbers.size();
      Hear((*backend)->rx(lane), std::chrono::milliseconds(100), numbers);
    }
    EXPECT_GT(numbers.size() - before, kReplies / 4) << "lane " << lane;
  }
  std::sort(numbers.begin(), numbers.end());
  EXPECT_EQ(numbers, UpTo(kReplies));
}

}  // namespace
}  // namespace fathom
