// The lab on a wire, between the two sides of a pair of namespaces.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "src/lab/responder.h"
#include "src/lab/servable.h"
#include "tests/lab_packets.h"
#include "tests/netns.h"
#include "tests/wire_end.h"

namespace fathom::lab {
namespace {

constexpr uint16_t kIpv4 = 0x0800;
constexpr uint16_t kArp = 0x0806;
constexpr uint32_t kTarget = 0x0a000001;  // 10.0.0.1
constexpr MacAddress kScanner = {2, 0, 0, 0, 0, 0x51};

// Everything answers, at once, and quotes all it heard.
Scenario Plain() {
  auto read = ReadScenario(FATHOM_SCENARIOS "/clean.lab");
  EXPECT_TRUE(read.ok()) << read.status();
  Scenario scenario = read.ok() ? *std::move(read) : Scenario();
  scenario.hosts = 1;
  scenario.tunnels = scenario.long_quotes = 0;
  scenario.full_quotes = 1;
  scenario.delay_ms.fill({0, 0});
  scenario.host_delay_ms = {0, 0};
  scenario.jitter_ms = 0;
  return scenario;
}

Bytes EthernetFrame(const MacAddress& to, const MacAddress& from, uint16_t type,
                    std::span<const std::byte> packet) {
  Bytes frame;
  for (const uint8_t byte : to) frame.push_back(std::byte(byte));
  for (const uint8_t byte : from) frame.push_back(std::byte(byte));
  frame.push_back(std::byte(type >> 8));
  frame.push_back(std::byte(type & 0xff));
  return Concat(frame, packet);
}

// "lab0" on the near side, where the responder stands, and "scan0" on the far
// side, with the source's address.
class WireTest : public testing::Test {
 protected:
  void SetUp() override {
    auto netns = Netns::Make();
    if (absl::IsPermissionDenied(netns.status())) {
      GTEST_SKIP() << netns.status();
    }
    ASSERT_TRUE(netns.ok()) << netns.status();
    netns_.emplace(*std::move(netns));
    Must(netns_->AddVeth("lab0", "", "scan0", "198.18.0.1/30"));
    Must(netns_->FarIp("route add default via 198.18.0.2"));
    Must(netns_->CheckIsolated());
    const auto interface = FindInterface("lab0");
    ASSERT_TRUE(interface.ok()) << interface.status();
    interface_ = *interface;
  }

  static void Must(const absl::Status& status) {
    ASSERT_TRUE(status.ok()) << status;
  }

  void Open(const Scenario& scenario, const ResponderOptions& options) {
    auto responder = OpenSocketResponder(scenario, options);
    ASSERT_TRUE(responder.ok()) << responder.status();
    responder_ = *std::move(responder);
  }

  // Runs until Stop(), on what was opened, else on the plain scenario.
  void Start() {
    if (!responder_) {
      Open(Plain(), {.interface = interface_, .ring_frames = 4'096});
    }
    thread_ = std::jthread([this](const std::stop_token& stop) {
      status_ = responder_->Run(stop, std::chrono::minutes(5));
    });
  }

  ResponderReport Stop() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
    return responder_->Report();
  }

  Bytes Probe(const Echo& echo, std::optional<MacAddress> to = {}) {
    return EthernetFrame(to.value_or(interface_.mac), kScanner, kIpv4,
                         Make(echo));
  }

  std::optional<Netns> netns_;
  Interface interface_;
  std::unique_ptr<Responder> responder_;
  absl::Status status_;
  std::jthread thread_;
};

TEST_F(WireTest, AnswersProbesAtTheMacThatSentThem) {
  Start();
  FarEnd far(*netns_, "scan0");
  far.Send({Probe({.target = kTarget, .ttl = 1})});
  const auto heard = far.Hear(kIpv4);
  ASSERT_TRUE(heard);
  EXPECT_TRUE(
      std::equal(kScanner.begin(), kScanner.end(), heard->begin(),
                 [](uint8_t a, std::byte b) { return std::byte(a) == b; }));
  const auto reply = Read(std::span(*heard).subspan(14));
  EXPECT_EQ(reply.error, "");
  EXPECT_EQ(reply.type, 11);
  EXPECT_EQ(reply.destination, kSource);
  const auto report = Stop();
  EXPECT_EQ(report.load.probes, 1);
  EXPECT_EQ(report.replies, 1);
  EXPECT_EQ(report.network.of(Fate::kTimeExceeded), 1);
}

TEST_F(WireTest, LeavesAloneWhatIsNotForIt) {
  Start();
  FarEnd far(*netns_, "scan0");
  far.Send({Probe({.target = kTarget}, MacAddress{2, 0, 0, 0, 0, 9}),
            Probe({.target = kTarget}, MacAddress{1, 0, 0x5e, 0, 0, 1}),
            EthernetFrame(interface_.mac, kScanner, 0x86dd, Bytes(60)),
            // The only one that is answered, and last.
            Probe({.target = kTarget, .id = 99})});
  const auto heard = far.Hear(kIpv4);
  ASSERT_TRUE(heard);
  const auto reply = Read(std::span(*heard).subspan(14));
  ASSERT_EQ(reply.error, "");
  EXPECT_EQ(Word(reply.rest, 24), 99);
  const auto report = Stop();
  EXPECT_EQ(report.load.probes, 1);
  EXPECT_EQ(report.ignored, 3);
}

// The kernel leaves the checksum of what it sends itself to the network card,
// and a veth has none; a router would quote a finished one.
TEST_F(WireTest, QuotesFinishedChecksumsOfTheKernelsProbes) {
  Start();
  int got = -1;
  Bytes error(2'000);
  netns_->OnFarSide([&] {
    const UniqueFd listener(
        socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
    const UniqueFd sender(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const int ttl = 1;
    setsockopt(sender.get(), IPPROTO_IP, IP_TTL, &ttl, sizeof ttl);
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(33'434);
    to.sin_addr.s_addr = htonl(kTarget);
    const std::string text = "an odd number of bytes.";
    ASSERT_EQ(sendto(sender.get(), text.data(), text.size(), 0,
                     reinterpret_cast<sockaddr*>(&to), sizeof to),
              static_cast<ssize_t>(text.size()));
    pollfd wanted = {.fd = listener.get(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(poll(&wanted, 1, 10'000), 1);
    got = static_cast<int>(recv(listener.get(), error.data(), error.size(), 0));
  });
  ASSERT_GT(got, 56);
  const auto reply = Read(std::span(error).first(static_cast<size_t>(got)));
  ASSERT_EQ(reply.error, "");
  const auto udp = reply.rest.subspan(20);
  ASSERT_EQ(udp.size(), 8 + 23);
  Bytes summed = Concat(reply.rest.subspan(12, 8), udp);
  summed.resize(summed.size() + 5);
  Put(summed, summed.size() - 4, 17);
  Put(summed, summed.size() - 2, static_cast<uint32_t>(udp.size()));
  EXPECT_EQ(Sum(summed), 0xffff);
}

TEST_F(WireTest, GivesEveryAddressButTheScannersByArp) {
  Start();
  const auto ask = [&](uint32_t sender, uint32_t target) {
    Bytes arp(28);
    Put(arp, 0, 1);
    Put(arp, 2, kIpv4);
    Put(arp, 4, 0x0604);
    Put(arp, 6, 1);
    for (size_t i = 0; i < 6; ++i) arp[8 + i] = std::byte(kScanner[i]);
    Put(arp, 14, sender >> 16);
    Put(arp, 16, sender);
    Put(arp, 24, target >> 16);
    Put(arp, 26, target);
    return EthernetFrame({255, 255, 255, 255, 255, 255}, kScanner, kArp, arp);
  };
  constexpr uint32_t kOther = 0xc6120009;
  FarEnd far(*netns_, "scan0");
  far.Send({Probe({.target = kTarget, .source = kOther}),
            ask(kSource, kSource),  // Tells its own.
            ask(0, kTarget),        // Wants it for itself.
            ask(kOther, kSource),   // Belongs to the scanner,
            ask(kSource, kOther),   // and this too.
            ask(kSource, kTarget)});
  const auto heard = far.Hear(kArp);
  ASSERT_TRUE(heard);
  const auto arp = std::span(*heard).subspan(14);
  EXPECT_EQ(Word(arp, 6), 2);
  EXPECT_EQ(Address(arp, 14), kTarget);
  EXPECT_EQ(Address(arp, 24), kSource);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(Byte(arp, 8 + i), interface_.mac[i]);
    EXPECT_EQ(Byte(arp, 18 + i), kScanner[i]);
  }
  const auto report = Stop();
  EXPECT_EQ(report.arp_replies, 1);
  EXPECT_EQ(report.ignored, 4);
}

TEST_F(WireTest, CountsWhatFoundTheRingFull) {
  Open(Plain(), {.interface = interface_, .ring_frames = 512});
  FarEnd far(*netns_, "scan0");
  constexpr uint32_t kSent = 1'500;
  std::vector<Bytes> frames;
  for (uint32_t i = 0; i < kSent; ++i) {
    frames.push_back(Probe({.target = kTarget + 256 * i}));
  }
  far.Send(frames);
  // By then it has long read what waits.
  Must(responder_->Run({}, std::chrono::seconds(2)));
  const auto report = responder_->Report();
  EXPECT_EQ(report.load.probes, 512);
  EXPECT_EQ(report.kernel_drops, kSent - 512);
  EXPECT_EQ(report.network.probes(), report.load.probes);
}

// Memory is bounded by not reading; what waits in the ring is answered later.
TEST_F(WireTest, AnswersAllWithFewUnderWay) {
  Scenario scenario = Plain();
  scenario.delay_ms[0] = {1, 1};
  Open(scenario,
       {.interface = interface_, .ring_frames = 1'024, .max_under_way = 16});
  Start();
  FarEnd far(*netns_, "scan0");
  std::vector<Bytes> frames;
  for (uint32_t i = 0; i < 700; ++i) {
    frames.push_back(Probe({.target = kTarget + 256 * i, .ttl = 2}));
  }
  far.Send(frames);
  for (size_t i = 0; i < frames.size(); ++i) ASSERT_TRUE(far.Hear(kIpv4)) << i;
  const auto report = Stop();
  EXPECT_EQ(report.replies, frames.size());
  EXPECT_EQ(report.kernel_drops, 0);
}

TEST_F(WireTest, EndsWithWordsWhenTheInterfaceGoes) {
  for (const char* command : {"link set lab0 down", "link del lab0"}) {
    Must(netns_->Ip("link set lab0 up"));
    responder_.reset();
    Start();
    FarEnd far(*netns_, "scan0");
    far.Send({Probe({.target = kTarget})});
    ASSERT_TRUE(far.Hear(kIpv4));
    Must(netns_->Ip(command));
    thread_.join();
    EXPECT_EQ(status_.code(), absl::StatusCode::kUnavailable) << status_;
    EXPECT_NE(status_.message().find("lab0"), std::string::npos) << status_;
  }
}

TEST_F(WireTest, ServesVirtualInterfacesOnly) {
  EXPECT_TRUE(CheckServable(interface_).ok()) << CheckServable(interface_);
  // Not every kernel can make one.
  Interface dummy = interface_;
  dummy.driver = "dummy";
  EXPECT_TRUE(CheckServable(dummy).ok());
  Must(netns_->Ip("link add span type bridge"));
  Must(netns_->Ip("tuntap add tap7 mode tap"));
  const std::vector<std::pair<const char*, bool>> expected = {
      {"tap7", true}, {"span", false}, {"lo", false}};
  for (const auto& [name, servable] : expected) {
    const auto interface = FindInterface(name);
    ASSERT_TRUE(interface.ok()) << interface.status();
    EXPECT_EQ(CheckServable(*interface).ok(), servable) << name;
  }
}

TEST_F(WireTest, RefusesTheWayOut) {
  Must(netns_->AddVeth("other0", "10.8.0.1/24", "other1", ""));
  Must(netns_->Ip("address add 10.9.0.1/24 dev lab0"));
  for (const char* route :
       {"default via 10.9.0.2", "default dev lab0 table 77",
        "default nexthop via 10.8.0.2 nexthop via 10.9.0.2"}) {
    Must(netns_->Ip(std::string("route add ") + route));
    EXPECT_TRUE(absl::IsPermissionDenied(CheckServable(interface_))) << route;
    Must(netns_->Ip(std::string("route del ") + route));
    EXPECT_TRUE(CheckServable(interface_).ok()) << route;
  }
}

}  // namespace
}  // namespace fathom::lab
