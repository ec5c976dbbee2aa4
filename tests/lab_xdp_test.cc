#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "src/codec/headers.h"
#include "src/lab/model.h"
#include "src/lab/xdp/program.h"
#include "src/lab/xdp/responder.h"
#include "tests/lab_testing.h"

// The responder in the kernel, tried out frame by frame without an interface.

namespace fathom::lab {
namespace {

constexpr MacAddress kOurs = {2, 0, 0xc6, 0x12, 0, 2};
constexpr MacAddress kTheirs = {2, 0, 0xc6, 0x12, 0, 1};

Packet Framed(const MacAddress& to, const MacAddress& from,
              std::span<const std::byte> packet,
              uint16_t type = kEtherTypeIpv4) {
  EthernetHeader header = {.destination = {}, .source = {}, .type = type};
  std::memcpy(header.destination, to.data(), to.size());
  std::memcpy(header.source, from.data(), from.size());
  Packet frame(sizeof header + packet.size());
  std::memcpy(frame.data(), &header, sizeof header);
  std::copy(packet.begin(), packet.end(), frame.begin() + sizeof header);
  return frame;
}

Packet ToUs(std::span<const std::byte> packet) {
  return Framed(kOurs, kTheirs, packet);
}

// Skips where the kernel lets us load no program, and says why.
#define LOAD_OR_SKIP(program, scenario)                               \
  auto program##_or =                                                 \
      XdpProgram::Load(scenario, {.mac = kOurs, .repeatable = true}); \
  if (absl::IsPermissionDenied(program##_or.status())) {              \
    GTEST_SKIP() << "no BPF here: " << program##_or.status();         \
  }                                                                   \
  ASSERT_TRUE(program##_or.ok()) << program##_or.status();            \
  const XdpProgram program = *std::move(program##_or)

// What user space answers. It is always time 0, so that chance does not depend
// on it, as it does not in the program.
class Twin {
 public:
  explicit Twin(const Scenario& scenario) : network_(scenario, &recorder_) {}

  const Recorder::Record& Ask(const Packet& probe) {
    recorder_.records.clear();
    network_.Send(Instant(Nanos(0)), probe);
    return recorder_.records[0];
  }

 private:
  Recorder recorder_;
  Network network_;
};

// Delays are not played in the kernel. Tokens are those of a moment here, and
// have a test of their own; so have mishaps.
Scenario Comparable(const std::string& name) {
  Scenario scenario = *ReadScenario(FATHOM_SCENARIOS "/" + name);
  scenario.late_replies = scenario.duplicated_replies = 0;
  scenario.truncated_replies = scenario.forged_replies = 0;
  scenario.garbage_replies = 0;
  for (LimitClass& limit : scenario.limits) limit.share = 0;
  // At once or never: the age of the lab in a test is what the clock says.
  if (scenario.route_changes > 0) {
    scenario.route_changes = 0.5;
    scenario.route_change_s = {0, 0};
  }
  return scenario;
}

// An address of the space, all being as likely.
uint32_t SomeTarget(const Scenario& scenario, std::mt19937_64& random) {
  const Prefix& prefix = scenario.space[random() % scenario.space.size()];
  const uint64_t first = prefix.first().v4();
  const uint64_t size = prefix.last().v4() - first + 1;
  return static_cast<uint32_t>(first + random() % size);
}

// Compares what the program makes of `probe` with what user space says.
void ExpectEqual(const XdpProgram& program, const Packet& probe,
                 const Recorder::Record& expected) {
  const auto outcome = program.Try(ToUs(probe));
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  if (HasReply(expected.fate)) {
    ASSERT_EQ(outcome->action, uint32_t{XDP_TX});
    ASSERT_EQ(outcome->frame, Framed(kTheirs, kOurs, expected.reply));
  } else {
    ASSERT_EQ(outcome->action, uint32_t{XDP_DROP});
  }
}

class XdpAnswers : public testing::TestWithParam<std::string> {};

TEST_P(XdpAnswers, EqualThoseOfTheNetworkToTheByte) {
  constexpr uint64_t kProbes = 20'000;
  Scenario scenario = Comparable(GetParam());
  scenario.loss = 0.03;
  LOAD_OR_SKIP(program, scenario);
  Twin twin(scenario);
  std::mt19937_64 random(20);
  std::array<uint64_t, kFates> fates{};
  for (uint64_t i = 0; i < kProbes; ++i) {
    const Packet probe =
        RandomProbe(random, SomeTarget(scenario, random) & ~0xffU, 256);
    const Recorder::Record& expected = twin.Ask(probe);
    const auto fate = static_cast<size_t>(expected.fate);
    ++fates[fate];
    SCOPED_TRACE(absl::StrCat("probe ", i, ", ", kFateNames[fate]));
    ASSERT_NO_FATAL_FAILURE(ExpectEqual(program, probe, expected));
  }
  const auto report = program.Read();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->network.fates, fates);
  EXPECT_EQ(report->load.probes, kProbes);
  EXPECT_EQ(report->mishaps, 0U);
  EXPECT_EQ(report->stuck, 0U);
}

INSTANTIATE_TEST_SUITE_P(Scenarios, XdpAnswers,
                         testing::Values("clean.lab", "diamonds.lab",
                                         "hostile.lab", "internet.lab",
                                         "rate-limited.lab", "small.lab",
                                         "wire.lab"),
                         [](const auto& info) {
                           std::string name = info.param;
                           name.resize(name.find('.'));
                           std::erase(name, '-');
                           return name;
                         });

// Every way in which answers differ from each other, often.
TEST(XdpProgram, AnswersEveryOddityAsTheNetworkDoes) {
  Scenario scenario = Comparable("wire.lab");
  scenario.loss = 0;
  scenario.rewritten_targets = scenario.rewritten_flows = 0.2;
  scenario.rewritten_ids = scenario.odd_quoted_ttls = 0.2;
  scenario.long_quotes = scenario.full_quotes = 0.4;
  scenario.tunnel_kinds = {1, 1, 1, 1};
  scenario.odd_labels = scenario.per_packet = 0.5;
  scenario.net_unreachable = scenario.prohibited = 0.5;
  scenario.prohibited_net = scenario.prohibited_host = 0.3;
  scenario.hosts = scenario.udp_hosts = scenario.tcp_hosts = 0.7;
  scenario.open_ports = scenario.host_unreachable = 0.5;
  LOAD_OR_SKIP(program, scenario);
  Twin twin(scenario);
  std::mt19937_64 random(21);
  std::array<uint64_t, kFates> fates{};
  for (int i = 0; i < 40'000; ++i) {
    Echo echo = {.target = SomeTarget(scenario, random),
                 .ttl = static_cast<uint8_t>(1 + random() % 40),
                 .id = static_cast<uint16_t>(random()),
                 .sequence = static_cast<uint16_t>(random()),
                 .tos = static_cast<uint8_t>(random()),
                 .source = static_cast<uint32_t>(random()),
                 .payload = random() % (i % 8 == 0 ? 1'433 : 130),
                 .options = i % 5 == 0 ? 4 * (random() % 11) : 0};
    Packet probe = Make(echo);
    if (i % 3 == 1) {
      probe = MakeSegment(echo.target, echo.ttl, i % 2 == 0 ? 6 : 17,
                          static_cast<uint8_t>(random()), random() % 20 == 0);
    }
    if (random() % 4 == 0) probe.resize(probe.size() + random() % 30);
    const Recorder::Record& expected = twin.Ask(probe);
    ++fates[static_cast<size_t>(expected.fate)];
    SCOPED_TRACE(absl::StrCat("probe ", i));
    ASSERT_NO_FATAL_FAILURE(ExpectEqual(program, probe, expected));
  }
  // What needs a mishap or a token is not here.
  for (size_t i = 0; i < kFates; ++i) {
    const auto fate = static_cast<Fate>(i);
    const bool absent = fate == Fate::kTruncated ||
                        fate == Fate::kRateLimited ||
                        fate == Fate::kLostForward ||
                        fate == Fate::kLostReturn || fate == Fate::kNotAProbe;
    EXPECT_EQ(fates[i] == 0, absent) << kFateNames[i];
  }
}

// Frames as short and as odd as they get; the twin is asked about what is to
// us.
TEST(XdpProgram, AnswersDamagedFramesAsTheNetworkDoes) {
  const Scenario scenario = Comparable("small.lab");
  LOAD_OR_SKIP(program, scenario);
  Twin twin(scenario);
  std::mt19937_64 random(22);
  for (int i = 0; i < 20'000; ++i) {
    Packet probe = RandomProbe(random, SomeTarget(scenario, random), 1);
    for (uint64_t j = random() % 3; j > 0 && !probe.empty(); --j) {
      probe[random() % probe.size()] = std::byte(random());
    }
    if (i % 2 == 0) probe.resize(random() % (probe.size() + 1));
    // The kernel tries out no shorter ones.
    if (probe.empty()) continue;
    // Damage to the header only shows where its sum is right.
    if (i % 3 == 0 && probe.size() >= 20) {
      Put(probe, 10, 0);
      const size_t length = (Byte(probe, 0) & 15U) * 4;
      Put(probe, 10,
          ~Sum(std::span(probe).first(std::min(length, probe.size()))));
    }
    SCOPED_TRACE(absl::StrCat("probe ", i));
    ASSERT_NO_FATAL_FAILURE(ExpectEqual(program, probe, twin.Ask(probe)));
  }
}

TEST(XdpProgram, LeavesMishapsToUserSpaceInTheirShare) {
  Scenario scenario = Clean();
  scenario.duplicated_replies = scenario.forged_replies = 0.1;
  LOAD_OR_SKIP(program, scenario);
  std::mt19937_64 random(23);
  const Model model(scenario);
  uint64_t mishaps = 0;
  for (int i = 0; i < 5'000; ++i) {
    const Packet probe = Make({.target = SomeTarget(scenario, random),
                               .ttl = 2,
                               .sequence = static_cast<uint16_t>(random())});
    const bool struck =
        model.mischief().Strikes(ReadProbe(probe)->Identity(Instant(Nanos(0))));
    mishaps += struck ? 1 : 0;
    const auto outcome = program.Try(ToUs(probe));
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    ASSERT_EQ(outcome->action, struck ? uint32_t{XDP_PASS} : uint32_t{XDP_TX});
    if (struck) {
      ASSERT_EQ(outcome->frame, ToUs(probe));
    }
  }
  EXPECT_NEAR(static_cast<double>(mishaps), 1'000, 150);
  EXPECT_EQ(program.Read()->mishaps, mishaps);
  EXPECT_EQ(program.Read()->network.probes(), 5'000 - mishaps);
}

TEST(XdpProgram, GivesEveryRouterItsTokens) {
  Scenario scenario = Clean();
  scenario.limits = {};
  scenario.space = {*Prefix::Parse("4.0.0.0/8")};
  // One an hour: none comes back during a test.
  scenario.limits[0] = {.share = 1, .rate = {0.0003, 0.0003}, .burst = {1, 9}};
  LOAD_OR_SKIP(program, scenario);
  const Behaviour behaviour(scenario);
  std::mt19937_64 random(24);
  std::map<uint32_t, uint32_t> taken;
  for (int i = 0; i < 30'000; ++i) {
    const Packet probe = Make({.target = SomeTarget(scenario, random),
                               .ttl = static_cast<uint8_t>(1 + i % 12),
                               .sequence = static_cast<uint16_t>(random())});
    const auto outcome = program.Try(ToUs(probe));
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    if (outcome->action != XDP_TX) continue;
    const auto packet = std::span(outcome->frame).subspan(14);
    if (Byte(packet, 20) == 11) ++taken[Address(packet, 12)];
  }
  EXPECT_GT(program.Read()->network.of(Fate::kRateLimited), 5'000U);
  EXPECT_GT(taken.size(), 500U);
  uint64_t spent = 0;
  for (const auto& [router, tokens] : taken) {
    ASSERT_LE(tokens, behaviour.Router(router).burst);
    spent += tokens == behaviour.Router(router).burst ? 1 : 0;
  }
  EXPECT_GT(spent, 100U);
}

TEST(XdpProgram, GivesTokensBackInTime) {
  Scenario scenario = Clean();
  scenario.limits = {};
  scenario.limits[0] = {.share = 1, .rate = {1e6, 1e6}, .burst = {1, 1}};
  LOAD_OR_SKIP(program, scenario);
  const Packet probe = Make({.target = 0x04040101, .ttl = 1});
  // Each try takes longer than a microsecond, and so gets the next token.
  for (int i = 0; i < 100; ++i) {
    const auto outcome = program.Try(ToUs(probe));
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    ASSERT_EQ(outcome->action, uint32_t{XDP_TX});
  }
}

TEST(XdpProgram, LeavesWhatIsNotIpv4ToUsAlone) {
  LOAD_OR_SKIP(program, Clean());
  const Packet probe = Make({.target = 0x04040101});
  const MacAddress everyone = {255, 255, 255, 255, 255, 255};
  const std::vector<Packet> frames = {
      Framed(kOurs, kTheirs, probe, 0x0806), Framed(everyone, kTheirs, probe),
      Framed(kOurs, kTheirs, probe, 0x86dd), Framed(kTheirs, kOurs, probe)};
  for (const Packet& frame : frames) {
    const auto outcome = program.Try(frame);
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_EQ(outcome->action, uint32_t{XDP_PASS});
    EXPECT_EQ(outcome->frame, frame);
  }
  EXPECT_EQ(program.Read()->foreign, frames.size());
  EXPECT_EQ(program.Read()->network.probes(), 0U);
}

// A kernel that sends over a veth leaves the sum to be completed.
TEST(XdpProgram, CompletesSumsThatTheSenderLeftOpen) {
  Scenario scenario = Clean();
  scenario.full_quotes = 1;
  LOAD_OR_SKIP(program, scenario);
  for (const uint8_t protocol : {uint8_t{6}, uint8_t{17}}) {
    for (const uint8_t ttl : {uint8_t{1}, uint8_t{60}}) {
      const Packet whole = MakeSegment(0x04040101, ttl, protocol, 2);
      Packet open = whole;
      const Packet pseudo = {open[12],     open[13],
                             open[14],     open[15],
                             open[16],     open[17],
                             open[18],     open[19],
                             std::byte(0), std::byte(protocol),
                             std::byte(0), std::byte(open.size() - 20)};
      Put(open, protocol == 6 ? 36 : 26, Sum(pseudo));
      const auto outcome = program.Try(ToUs(open));
      const auto expected = program.Try(ToUs(whole));
      ASSERT_TRUE(outcome.ok() && expected.ok());
      EXPECT_EQ(outcome->action, expected->action);
      if (ttl == 1) {  // The quote has the completed sum.
        const auto quote = std::span(outcome->frame).subspan(42);
        EXPECT_EQ(Word(quote, protocol == 6 ? 36 : 26),
                  Word(whole, protocol == 6 ? 36 : 26));
      }
    }
  }
  EXPECT_EQ(program.Read()->network.of(Fate::kBadChecksum), 0U);
  EXPECT_EQ(program.Read()->network.wrong_checksums, 0U);
}

TEST(Residue, IsMishapsOnly) {
  const Scenario scenario = *ReadScenario(FATHOM_SCENARIOS "/hostile.lab");
  const Mischief before(scenario);
  const Mischief after(Residue(scenario));
  std::array<double, 5> all{};
  std::array<double, 5> left{};
  const auto add = [](const Mishap& mishap, std::array<double, 5>& kinds) {
    kinds[0] += mishap.late > Nanos(0) ? 1 : 0;
    kinds[1] += mishap.duplicated ? 1 : 0;
    kinds[2] += mishap.truncated ? 1 : 0;
    kinds[3] += mishap.forged ? 1 : 0;
    kinds[4] += mishap.garbage ? 1 : 0;
  };
  double struck = 0;
  for (uint64_t i = 0; i < 1'000'000; ++i) {
    add(before.Of(Mix(i)), all);
    add(after.Of(Mix(i)), left);
    struck += before.Strikes(Mix(i)) ? 1 : 0;
  }
  ASSERT_GT(struck, 1'000);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(all[i] / struck, left[i] / 1e6, 0.02) << i;
  }
}

}  // namespace
}  // namespace fathom::lab
