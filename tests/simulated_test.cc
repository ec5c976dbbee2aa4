#include "backends/simulated.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "fathom/registry.h"
#include "src/base/hash.h"
#include "tests/lab_testing.h"

namespace fathom {
namespace {

using lab::Make;

constexpr Nanos kMillisecond{1'000'000};

BackendOptions WithDevice(const std::string& device) {
  BackendOptions options;
  options.device = device;
  return options;
}

BackendOptions WithSource(const IpAddress& source) {
  BackendOptions options;
  options.source = source;
  return options;
}

BackendOptions WithLanes(size_t lanes) {
  BackendOptions options;
  options.lanes = lanes;
  return options;
}

BackendOptions WithRing(size_t frames) {
  BackendOptions options;
  options.ring_frames = frames;
  return options;
}

std::unique_ptr<Backend> Open(const lab::Scenario& scenario,
                              const BackendOptions& options = {}) {
  auto backend = OpenSimulated(scenario, options, nullptr);
  EXPECT_TRUE(backend.ok()) << backend.status();
  return *std::move(backend);
}

uint64_t Counter(const Backend& backend, const std::string& name) {
  for (const auto& [key, value] : backend.counters().own) {
    if (key == name) return value;
  }
  ADD_FAILURE() << "no counter " << name;
  return 0;
}

// Writes a probe into each lent frame and sends them; returns how many.
size_t SendBatch(Backend& backend, size_t want, std::mt19937_64& random) {
  const auto frames = backend.tx(0).Lend(want);
  for (TxFrame& frame : frames) {
    EXPECT_GE(frame.room.size(), kMaxProbeSize);
    const auto packet =
        Make({.target = 0x04040000 + static_cast<uint32_t>(random() & 0xffff),
              .ttl = static_cast<uint8_t>(1 + random() % 30),
              .sequence = static_cast<uint16_t>(random())});
    std::copy(packet.begin(), packet.end(), frame.room.begin());
    frame.length = packet.size();
  }
  EXPECT_TRUE(backend.tx(0).Send(frames.size()).ok());
  return frames.size();
}

TEST(Simulated, IsRegistered) {
  const auto module = Register<BackendModule>::Find("simulated");
  ASSERT_TRUE(module.ok());
  const auto built_in = module->open({});
  ASSERT_TRUE(built_in.ok()) << built_in.status();
  EXPECT_EQ((*built_in)->source().ToString(), "198.18.0.1");
  EXPECT_TRUE((*built_in)->one_thread());
  EXPECT_EQ((*built_in)->lanes(), 1U);
  EXPECT_TRUE((*built_in)->link_header().empty());
  const auto small = module->open(WithDevice(FATHOM_SCENARIOS "/small.lab"));
  ASSERT_TRUE(small.ok()) << small.status();
  EXPECT_NE((*small)->Describe().find("small.lab"), std::string::npos);
}

TEST(Simulated, RefusesWhatItCannotDo) {
  const auto module = *Register<BackendModule>::Find("simulated");
  EXPECT_EQ(module.open(WithDevice("/no/such.lab")).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(module.open(WithLanes(2)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(module.open(WithRing(0)).status().code(),
            absl::StatusCode::kInvalidArgument);
  lab::Scenario bad;
  bad.space.clear();
  EXPECT_FALSE(OpenSimulated(bad, {}, nullptr).ok());
}

TEST(Simulated, SendsFromTheFamilyOfTheTargets) {
  const auto module = *Register<BackendModule>::Find("simulated");
  for (const char* toward : {"198.18.0.9", "fd00::c6:1200:0:0:0:9"}) {
    BackendOptions options = WithDevice(FATHOM_SCENARIOS "/small.lab");
    options.toward = *IpAddress::Parse(toward);
    const auto backend = module.open(options);
    ASSERT_TRUE(backend.ok()) << backend.status();
    EXPECT_EQ((*backend)->source().family(), options.toward.family());
  }
  const auto given = module.open(WithSource(IpAddress::V6(1, 2)));
  EXPECT_EQ((*given)->source(), IpAddress::V6(1, 2));
}

TEST(Simulated, TimeMovesOnlyInReceive) {
  const auto backend = Open(lab::Clean());
  std::mt19937_64 random(1);
  const Instant start = backend->Now();
  EXPECT_EQ(start, kSimulationStart);
  SendBatch(*backend, 100, random);
  ASSERT_TRUE(backend->tx(0).Drain(kMillisecond).ok());
  EXPECT_EQ(backend->Now(), start);
  // Nothing is due yet, and there is no patience.
  EXPECT_TRUE(backend->rx(0).Receive(Nanos(0))->empty());
  EXPECT_TRUE(backend->rx(0).Receive(Nanos(-5))->empty());
  EXPECT_EQ(backend->Now(), start);
  // The clock stops at the first reply.
  const auto frames = backend->rx(0).Receive(std::chrono::seconds(10));
  ASSERT_FALSE(frames->empty());
  EXPECT_EQ(backend->Now(), frames->front().arrival);
}

TEST(Simulated, ASilentWaitTakesAllItsPatience) {
  const auto backend = Open(lab::Clean());
  for (int i = 1; i <= 5; ++i) {
    EXPECT_TRUE(backend->rx(0).Receive(3 * kMillisecond)->empty());
    EXPECT_EQ(backend->Now(), kSimulationStart + i * 3 * kMillisecond);
  }
}

TEST(Simulated, RepliesComeInOrderAndAllOfThem) {
  const auto backend = Open(lab::Clean(), WithRing(64));
  std::mt19937_64 random(2);
  Instant last = backend->Now();
  uint64_t sent = 0;
  uint64_t heard = 0;
  const auto receive = [&](Nanos patience) {
    const Instant before = backend->Now();
    const auto frames = backend->rx(0).Receive(patience);
    ASSERT_TRUE(frames.ok());
    ASSERT_LE(frames->size(), 64U);
    ASSERT_GE(backend->Now(), before);
    ASSERT_LE(backend->Now(), before + patience);
    for (const RxFrame& frame : *frames) {
      ASSERT_GE(frame.arrival, last);
      ASSERT_LE(frame.arrival, backend->Now());
      ASSERT_EQ(lab::Read(frame.bytes).error, "");
      last = frame.arrival;
    }
    heard += frames->size();
  };
  for (int i = 0; i < 3000; ++i) {
    sent += SendBatch(*backend, random() % 64, random);
    receive(Nanos(random() % 200'000));
  }
  // Every wait brings a reply, or ends after the longest round trip.
  const Nanos longest = lab::MaxRoundTrip(lab::Clean());
  for (uint64_t before = ~uint64_t{0}; heard != before;) {
    before = heard;
    receive(longest);
  }
  EXPECT_EQ(Counter(*backend, "probes"), sent);
  EXPECT_EQ(
      Counter(*backend, "time_exceeded") + Counter(*backend, "echo_reply"),
      heard);
  EXPECT_EQ(Counter(*backend, "malformed"), 0U);
  EXPECT_EQ(Counter(*backend, "wrong_checksums"), 0U);
}

TEST(Simulated, AFullRingLendsFewerFrames) {
  lab::Scenario scenario = lab::Clean();
  scenario.line_gap_ns = 1000;
  const auto backend = Open(scenario, WithRing(32));
  std::mt19937_64 random(3);
  EXPECT_EQ(SendBatch(*backend, 20, random), 20U);
  EXPECT_EQ(SendBatch(*backend, 20, random), 12U);
  EXPECT_EQ(SendBatch(*backend, 20, random), 0U);
  ASSERT_TRUE(backend->rx(0).Receive(Nanos(5000)).ok());
  EXPECT_EQ(SendBatch(*backend, 20, random), 5U);
  // Frames lent and not sent cost nothing.
  ASSERT_TRUE(backend->rx(0).Receive(Nanos(1'000'000)).ok());
  EXPECT_FALSE(backend->tx(0).Lend(8).empty());
  ASSERT_TRUE(backend->tx(0).Send(0).ok());
  EXPECT_EQ(backend->tx(0).Lend(100).size(), 32U);
}

TEST(Simulated, FramesMayBeSentInPart) {
  const auto backend = Open(lab::Clean());
  const auto frames = backend->tx(0).Lend(4);
  for (TxFrame& frame : frames) {
    const auto packet = Make({.target = 0x04040001});
    std::copy(packet.begin(), packet.end(), frame.room.begin());
    frame.length = packet.size();
  }
  ASSERT_TRUE(backend->tx(0).Send(2).ok());
  EXPECT_EQ(Counter(*backend, "probes"), 2U);
}

// A digest of a reply and of when it came, after those before it.
uint64_t Digest(uint64_t sum, const RxFrame& frame) {
  sum = Mix(sum +
            static_cast<uint64_t>(frame.arrival.time_since_epoch().count()));
  for (const std::byte byte : frame.bytes) {
    sum = Mix(sum + std::to_integer<uint64_t>(byte));
  }
  return sum;
}

TEST(Simulated, TheSameScanGivesTheSameBytes) {
  const auto digest = [](uint64_t seed) {
    const auto backend =
        Open(*lab::ReadScenario(FATHOM_SCENARIOS "/small.lab"));
    std::mt19937_64 random(seed);
    uint64_t sum = 0;
    for (int i = 0; i < 2000; ++i) {
      SendBatch(*backend, 16, random);
      const auto frames = backend->rx(0).Receive(kMillisecond);
      for (const RxFrame& frame : *frames) sum = Digest(sum, frame);
    }
    return sum;
  };
  EXPECT_EQ(digest(1), digest(1));
  EXPECT_NE(digest(1), digest(2));
}

TEST(Simulated, SendsFromTheAddressItIsGiven) {
  const auto backend =
      Open(lab::Clean(), WithSource(IpAddress::V4(0xc6120009)));
  EXPECT_EQ(backend->source().ToString(), "198.18.0.9");
}

}  // namespace
}  // namespace fathom
