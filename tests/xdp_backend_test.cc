// What the xdp backend promises beyond the suites for all: to its interface, to
// the host behind it, and about frames that the kernel uses again.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "src/base/checksum.h"
#include "src/base/unique_fd.h"
#include "src/lab/scenario.h"
#include "src/lab/xdp/program.h"
#include "src/net/link_socket.h"
#include "src/net/xdp_verdict.h"
#include "tests/backend_stand.h"

namespace fathom {
namespace {

std::vector<BackendModule> XdpBackends() {
  std::vector<BackendModule> modules;
  for (const BackendModule& module : BackendsOnWire()) {
    if (absl::StartsWith(module.name, "xdp")) modules.push_back(module);
  }
  return modules;
}

class XdpBackendTest : public WireBackendTest {
 protected:
  bool HasProgram() const {
    return netns_->Run("ip link show veth0 | grep -q prog/xdp").ok();
  }

  // The packet that a socket of the near end hears next; empty if none does in
  // ten seconds.
  static Bytes Hear(const UniqueFd& socket) {
    pollfd wait = {socket.get(), POLLIN, 0};
    if (poll(&wait, 1, 10'000) != 1) return {};
    Bytes packet(2048);
    const ssize_t length = recv(socket.get(), packet.data(), packet.size(), 0);
    packet.resize(length < 0 ? 0 : static_cast<size_t>(length));
    return packet;
  }

  // What the host's own ping uses: hears all ICMP that comes to the stack.
  static UniqueFd IcmpSocket() {
    UniqueFd fd(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
    EXPECT_TRUE(fd.valid());
    return fd;
  }

  // Has the host ask the far end for an echo.
  static void Ping(const UniqueFd& fd, uint16_t id) {
    IcmpHeader request = {};
    request.type = kIcmpEchoRequest;
    request.id = id;
    request.checksum = InternetChecksum(std::as_bytes(std::span(&request, 1)));
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(kFar.v4());
    ASSERT_EQ(sendto(fd.get(), &request, sizeof request, 0,
                     reinterpret_cast<sockaddr*>(&to), sizeof to),
              static_cast<ssize_t>(sizeof request));
  }

  // The echo id of an ICMP packet.
  static uint16_t IdOf(const Bytes& packet) {
    if (packet.size() < sizeof(Ipv4Header) + sizeof(IcmpHeader)) return 0;
    return Load<IcmpHeader>(std::span(packet).subspan(sizeof(Ipv4Header))).id;
  }

  // An error about an echo request of ours with this id.
  static Bytes ErrorAbout(uint16_t id, uint32_t number) {
    Bytes packet = IcmpPacket(kFar, kNear, kIcmpTimeExceeded, number);
    const size_t at = 2 * sizeof(Ipv4Header) + sizeof(IcmpHeader);
    auto quoted = Load<IcmpHeader>(std::span(packet).subspan(at));
    quoted.id = id;
    Store(quoted, std::span(packet).subspan(at));
    auto icmp = Load<IcmpHeader>(std::span(packet).subspan(sizeof(Ipv4Header)));
    icmp.checksum = 0;
    Store(icmp, std::span(packet).subspan(sizeof(Ipv4Header)));
    icmp.checksum =
        InternetChecksum(std::span(packet).subspan(sizeof(Ipv4Header)));
    Store(icmp, std::span(packet).subspan(sizeof(Ipv4Header)));
    return packet;
  }
};

INSTANTIATE_TEST_SUITE_P(All, XdpBackendTest, testing::ValuesIn(XdpBackends()),
                         NameOfBackend);

TEST_P(XdpBackendTest, LeavesTheInterfaceAsFound) {
  ASSERT_FALSE(HasProgram());
  Open();
  EXPECT_TRUE(HasProgram());
  backend_.reset();
  EXPECT_FALSE(HasProgram());
}

TEST_P(XdpBackendTest, LeavesTheInterfaceAsFoundWhenKilled) {
  const pid_t child = fork();
  if (child == 0) {
    const auto opened = GetParam().open(OnVeth(64));
    if (!opened.ok() || !HasProgram()) _exit(1);
    raise(SIGKILL);
  }
  int result = 0;
  ASSERT_EQ(waitpid(child, &result, 0), child);
  EXPECT_TRUE(WIFSIGNALED(result));
  EXPECT_FALSE(HasProgram());
}

TEST_P(XdpBackendTest, RefusesAnInterfaceThatIsTaken) {
  Open(64);
  const auto second = GetParam().open(OnVeth(64));
  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
  EXPECT_TRUE(absl::StrContains(second.status().message(), "veth0"));
  backend_.reset();
  ASSERT_TRUE(AttachXdpVerdict("veth0", XdpVerdict::kPass).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(GetParam().open(OnVeth(64)).status()));
  EXPECT_TRUE(HasProgram());
  ASSERT_TRUE(DetachXdp("veth0").ok());
  Open(64);
}

TEST_P(XdpBackendTest, SaysThatItsProgramWasTakenAway) {
  Open();
  ASSERT_TRUE(ReceiveUntilLost().ok());
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/self/fd")) {
    const std::string name = entry.path().filename();
    std::ifstream file("/proc/self/fdinfo/" + name);
    const std::string about(std::istreambuf_iterator<char>(file), {});
    if (!absl::StrContains(about, "link_type:\txdp")) continue;
    ASSERT_EQ(bpf_link_detach(std::stoi(name)), 0);
  }
  ASSERT_FALSE(HasProgram());
  absl::Status status;
  while (status.ok()) status = rx().Receive(kLong).status();
  EXPECT_EQ(status.message(), "interface veth0: the XDP program was detached");
}

// The answers to the host's own requests come to it; those to probes do not.
TEST_P(XdpBackendTest, PassesToTheStackTheAnswersToItsOwnRequests) {
  Open();
  const UniqueFd host = IcmpSocket();
  const Bytes probe = IcmpPacket(kNear, kFar, kIcmpEchoRequest, 5);
  for (uint16_t id = 100; id < 120; ++id) {
    Send({Concat(backend_->link_header(), probe)}, 1);
    auto frames = rx().Receive(kLong);
    ASSERT_TRUE(frames.ok() && frames->size() == 1);
    far_->Send({Inbound(ErrorAbout(7, 1))});
    frames = rx().Receive(kLong);
    ASSERT_TRUE(frames.ok() && frames->size() == 1);
    Ping(host, id);
    ASSERT_EQ(IdOf(Hear(host)), id);
    // It is heard here too, since a probe may have the same id.
    frames = rx().Receive(kLong);
    ASSERT_TRUE(frames.ok() && frames->size() == 1);
  }
}

TEST_P(XdpBackendTest, PassesToTheStackTheErrorsAboutItsOwnRequests) {
  Open();
  const UniqueFd host = IcmpSocket();
  Ping(host, 321);
  ASSERT_EQ(IdOf(Hear(host)), 321);
  far_->Send({Inbound(ErrorAbout(320, 1)), Inbound(ErrorAbout(321, 2))});
  EXPECT_EQ(NumberOf(Hear(host)), 2U);
}

// Whatever is not an answer comes to the stack as it came in.
TEST_P(XdpBackendTest, LeavesAllElseUntouched) {
  Open();
  UniqueFd host(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  const auto interface = FindInterface("veth0");
  ASSERT_TRUE(interface.ok());
  ASSERT_TRUE(BindTo(host, *interface, ETH_P_ALL).ok());
  const Bytes good = IcmpPacket(kFar, kNear, kIcmpTimeExceeded, 1);
  std::vector<Bytes> frames;
  const auto with = [&good](size_t at, uint8_t value) {
    Bytes packet = good;
    packet[at] = std::byte(value);
    return Inbound(packet);
  };
  constexpr size_t kQuote = sizeof(Ipv4Header) + sizeof(IcmpHeader);
  frames.push_back(with(offsetof(Ipv4Header, protocol), 17));
  frames.push_back(with(offsetof(Ipv4Header, flags_fragment), 0x20));
  frames.push_back(with(offsetof(Ipv4Header, flags_fragment) + 1, 1));
  frames.push_back(with(offsetof(Ipv4Header, destination) + 3, 9));
  frames.push_back(with(kQuote + offsetof(Ipv4Header, protocol), 47));
  frames.push_back(with(kQuote + offsetof(Ipv4Header, source) + 3, 9));
  frames.push_back(with(kQuote + sizeof(Ipv4Header), kIcmpEchoReply));
  frames.push_back(Inbound(Bytes(good.begin(), good.begin() + kQuote + 20)));
  frames.push_back(Inbound(IcmpPacket(kFar, kNear, kIcmpEchoRequest, 2)));
  frames.push_back(Inbound(Bytes(1000, std::byte{0x77}), kExperimental));
  frames.push_back(Inbound(good, 0x86dd));
  // An error about a datagram or a segment may be the host's or ours, and goes
  // to both; and so does what TCP answers.
  const std::vector<Bytes> shared = {
      with(kQuote + offsetof(Ipv4Header, protocol), 17),
      with(kQuote + offsetof(Ipv4Header, protocol), 6),
      Inbound(PacketAround(kFar, kNear, kProtocolTcp,
                           TcpSegment(80, 40'000, kTcpReset)))};
  frames.insert(frames.end(), shared.begin(), shared.end());
  for (const Bytes& frame : frames) {
    far_->Send({frame});
    Bytes heard;
    sockaddr_ll from = {};
    do {  // Not what the host says, nor who it asks for.
      socklen_t size = sizeof from;
      heard.resize(2048);
      pollfd wait = {host.get(), POLLIN, 0};
      ASSERT_EQ(poll(&wait, 1, 10'000), 1);
      const ssize_t length =
          recvfrom(host.get(), heard.data(), heard.size(), 0,
                   reinterpret_cast<sockaddr*>(&from), &size);
      ASSERT_GT(length, 0);
      heard.resize(static_cast<size_t>(length));
    } while (from.sll_pkttype == PACKET_OUTGOING ||
             from.sll_protocol == htons(ETH_P_ARP));
    EXPECT_EQ(heard, frame);
  }
  const auto lent = rx().Receive(kLong);
  ASSERT_TRUE(lent.ok() && lent->size() == shared.size());
  for (size_t i = 0; i < shared.size(); ++i) {
    const auto bytes = (*lent)[i].bytes;
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(),
                           shared[i].begin() + sizeof(EthernetHeader),
                           shared[i].end()));
  }
}

// A peer that is served by a thread of its own falls behind, and then its queue
// is full. What it had no room for is sent again, and nothing twice.
TEST_P(XdpBackendTest, SendsEachFrameOnceToASlowPeer) {
  // Where it is not to be had the peer is only never slow.
  (void)netns_->FarRun(
      "unshare -m sh -c 'mount -t sysfs none /sys && "
      "echo 1 >/sys/class/net/peer0/threaded' 2>/dev/null");
  constexpr uint32_t kCount = 10'000;  // Of a page each, for the socket.
  Open();
  uint32_t sent = 0;
  while (sent < kCount) {
    const auto lent = tx().Lend(std::min<size_t>(kCount - sent, 1024));
    for (TxFrame& frame : lent) {
      const Bytes bytes = Inbound(
          IcmpPacket(kNear, kTarget, kIcmpEchoRequest, sent++), kExperimental);
      std::copy(bytes.begin(), bytes.end(), frame.room.begin());
      std::fill_n(frame.room.begin(), 6, std::byte{0xff});
      frame.length = bytes.size();
    }
    ASSERT_TRUE(tx().Send(lent.size()).ok());
  }
  ASSERT_TRUE(tx().Drain(kLong).ok());
  const uint64_t failed = backend_->counters().tx_failed;
  std::vector<uint32_t> seen(kCount, 0);
  for (uint32_t i = 0; i < kCount - failed; ++i) {
    const auto frame = far_->Hear(kExperimental);
    ASSERT_TRUE(frame.has_value()) << i;
    const uint32_t number =
        NumberOf(std::span(*frame).subspan(sizeof(EthernetHeader)));
    ASSERT_LT(number, kCount);
    ASSERT_EQ(++seen[number], 1U) << number;
  }
  if (GetParam().name == std::string("xdp_live")) {
    EXPECT_EQ(failed, 0U);
  }
}

// The kernel uses its frames again as they come back, with whatever the other
// end wrote into them and before them.
TEST_P(XdpBackendTest, HearsAnAnswerToEachProbeOfALargeBatch) {
  constexpr uint32_t kCount = 1000;
  const auto scenario =
      lab::ReadScenario(std::string(FATHOM_SCENARIOS) + "/clean.lab");
  ASSERT_TRUE(scenario.ok()) << scenario.status();
  auto responder =
      lab::XdpProgram::Load(*scenario, {.mac = {2, 0, 0, 0, 0, 1}});
  ASSERT_TRUE(responder.ok()) << responder.status();
  absl::Status attached;
  netns_->OnFarSide([&] {
    (void)DetachXdp("peer0");
    const auto interface = FindInterface("peer0");
    attached = responder->Attach(interface->index).status();
  });
  ASSERT_TRUE(attached.ok()) << attached;
  Open();
  const auto lent = tx().Lend(kCount);
  ASSERT_EQ(lent.size(), kCount);
  for (uint32_t i = 0; i < kCount; ++i) {
    // With a TTL of 9 there is a router for each, or it is the target.
    const Bytes frame =
        Concat(backend_->link_header(),
               IcmpPacket(kNear, IpAddress::V4(0x0a000001 + (i << 8)),
                          kIcmpEchoRequest, i));
    std::copy(frame.begin(), frame.end(), lent[i].room.begin());
    lent[i].room[sizeof(EthernetHeader) + offsetof(Ipv4Header, ttl)] =
        std::byte{1};
    const auto ip = lent[i].room.subspan(sizeof(EthernetHeader));
    auto header = Load<Ipv4Header>(ip);
    header.checksum = 0;
    header.checksum = InternetChecksum(std::as_bytes(std::span(&header, 1)));
    Store(header, ip);
    lent[i].length = frame.size();
  }
  ASSERT_TRUE(tx().Send(kCount).ok());
  ASSERT_TRUE(tx().Drain(kLong).ok());
  size_t heard = 0;
  while (heard < kCount) {
    const auto frames = rx().Receive(kLong);
    ASSERT_TRUE(frames.ok() && !frames->empty()) << heard;
    heard += frames->size();
  }
  EXPECT_EQ(heard, kCount);
}

TEST_P(XdpBackendTest, GivesEachReplyToOneLane) {
  constexpr uint32_t kCount = 3000;
  BackendOptions options = OnVeth(2048);
  options.lanes = 2;
  Open(options);
  ASSERT_EQ(backend_->lanes(), 2U);
  far_->Send(Replies(kCount));
  std::vector<uint32_t> seen(kCount, 0);
  for (size_t lane = 0; lane < 2; ++lane) {
    while (true) {
      const auto frames = backend_->rx(lane).Receive(Nanos(0));
      ASSERT_TRUE(frames.ok()) << frames.status();
      if (frames->empty()) break;
      for (const RxFrame& frame : *frames) ++seen.at(NumberOf(frame.bytes));
    }
    const Bytes frame = Inbound(Bytes(50, std::byte(lane)), kExperimental);
    const auto lent = backend_->tx(lane).Lend(100);
    ASSERT_EQ(lent.size(), 100U);
    for (TxFrame& room : lent) {
      std::copy(frame.begin(), frame.end(), room.room.begin());
      room.length = frame.size();
    }
    ASSERT_TRUE(backend_->tx(lane).Send(100).ok());
    for (int i = 0; i < 100; ++i) {
      ASSERT_EQ(far_->Hear(kExperimental), frame);
    }
  }
  EXPECT_EQ(seen, std::vector<uint32_t>(kCount, 1));
}

}  // namespace
}  // namespace fathom
