#ifndef FATHOM_TESTS_LAB_TESTING_H_
#define FATHOM_TESTS_LAB_TESTING_H_

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <set>
#include <vector>

#include "src/base/hash.h"
#include "src/lab/network.h"
#include "src/lab/scenario.h"
#include "src/lab/truth.h"
#include "tests/lab_packets.h"

namespace fathom::lab {

// Nothing is lost, silent, limited, unrouted, filtered, looping or spoiled.
inline Scenario Clean() {
  Scenario scenario = *ReadScenario(FATHOM_SCENARIOS "/clean.lab");
  scenario.space = {*Prefix::Parse("4.4.0.0/16")};
  scenario.tunnels = 0;
  return scenario;
}

inline constexpr Instant kStart{std::chrono::seconds(1'767'225'600)};
inline constexpr Instant kEnd = kStart + std::chrono::hours(24);

using Packet = std::vector<std::byte>;

// Keeps what it is told.
class Recorder final : public Observer {
 public:
  struct Record {
    Packet probe;
    Fate fate;
    uint32_t responder;
    Packet reply;
    Instant due;
    uint8_t copies;
  };

  void Observe(const Observation& seen) override {
    records.push_back({Packet(seen.probe.begin(), seen.probe.end()), seen.fate,
                       seen.responder,
                       Packet(seen.reply.begin(), seen.reply.end()), seen.due,
                       seen.copies});
  }

  std::vector<Record> records;
};

// Hears all replies that are due until `until`.
inline void Drain(Network& network, Instant until,
                  const std::function<void(const RxFrame&)>& hear) {
  std::array<RxFrame, 64> frames;
  while (const size_t count = network.Receive(until, frames)) {
    for (size_t i = 0; i < count; ++i) hear(frames[i]);
  }
}

// The reply to one probe, sent into a network of its own; empty if none came.
inline Packet Ask(const Scenario& scenario, const Packet& probe) {
  Network network(scenario);
  network.Send(kStart, probe);
  Packet reply;
  Drain(network, kEnd, [&](const RxFrame& frame) {
    EXPECT_TRUE(reply.empty());
    reply.assign(frame.bytes.begin(), frame.bytes.end());
  });
  return reply;
}

// A /16 with as much in it as there is room for.
inline Scenario Dense() {
  Scenario scenario = *ReadScenario(FATHOM_SCENARIOS "/wire.lab");
  scenario.space = {*Prefix::Parse("4.4.0.0/16")};
  return scenario;
}

// Any probe, most of them good.
inline Packet RandomProbe(std::mt19937_64& random, uint32_t first,
                          uint32_t size) {
  Echo echo = {.target = first + static_cast<uint32_t>(random() % size),
               .ttl = static_cast<uint8_t>(1 + random() % 32),
               .id = static_cast<uint16_t>(random()),
               .sequence = static_cast<uint16_t>(random()),
               .payload = random() % 60};
  switch (random() % 40) {
    case 0:
      echo.damage = 1;
      break;
    case 1:
      echo.options = 4 * (random() % 11);
      break;
    case 2:
      echo.protocol = 17;
      break;
    case 3:
      echo.type = 0;
      break;
    case 4:
      echo.target = static_cast<uint32_t>(random());
      break;
    case 5:
      echo.ttl = 255;
      break;
    case 6:
      echo.payload = 1400;
      break;
    case 7:
    case 8:
      return MakeSegment(echo.target, echo.ttl, 17, 0);
    case 9:
    case 10:
      return MakeSegment(echo.target, echo.ttl, 6, random() & 255);
    default:
      break;
  }
  Packet packet = Make(echo);
  switch (random() % 60) {
    case 0:
      packet.resize(random() % packet.size());
      break;
    case 1:
      packet[random() % 20] ^= std::byte(1 + random() % 255);
      break;
    case 2:
      packet.resize(packet.size() + 7);
      break;
    default:
      break;
  }
  return packet;
}

inline Scenario Lively() {
  Scenario scenario = *ReadScenario(FATHOM_SCENARIOS "/small.lab");
  scenario.loss = 0.05;
  return scenario;
}

// Targets spread over the whole space: three in each /24.
inline std::vector<uint32_t> Targets(const Scenario& scenario) {
  std::vector<uint32_t> targets;
  VisitSlash24s(scenario, [&](const Prefix& prefix) {
    for (const uint32_t octet : {1, 100, 200}) {
      targets.push_back(prefix.first().v4() + octet);
    }
  });
  return targets;
}

inline FlowKeys Flow(uint32_t target, uint64_t flow) {
  FlowKeys keys = AddressKeys(kSource, target);
  keys.flow = Derive(flow, target);
  return keys;
}

using LinkSet = std::set<TrueLink>;

inline LinkSet LinksOf(const Truth& truth, uint32_t target,
                       const FlowKeys& keys, Sight sight) {
  LinkSet links;
  truth.VisitLinks(target, keys, sight,
                   [&](const TrueLink& link) { links.insert(link); });
  return links;
}

}  // namespace fathom::lab

#endif  // FATHOM_TESTS_LAB_TESTING_H_
