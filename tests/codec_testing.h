#ifndef FATHOM_TESTS_CODEC_TESTING_H_
#define FATHOM_TESTS_CODEC_TESTING_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "fathom/probe_codec.h"
#include "fathom/registry.h"
#include "tests/decoded.h"
#include "tests/router_reply.h"

namespace fathom {

// Every probe protocol over every family, for tests of what all promise.

struct CodecCase {
  CodecModule module;
  Family family;
};

inline std::vector<CodecCase> AllCodecCases() {
  std::vector<CodecCase> cases;
  for (const CodecModule& module : Register<CodecModule>::All()) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      cases.push_back({module, family});
    }
  }
  return cases;
}

inline std::string NameOf(const testing::TestParamInfo<CodecCase>& info) {
  std::string name = info.param.module.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name + (info.param.family == Family::kIpv4 ? "_ipv4" : "_ipv6");
}

class CodecTest : public testing::TestWithParam<CodecCase> {
 protected:
  static constexpr uint16_t kFlows = 300;
  static constexpr size_t kLinkSize = 14;
  static constexpr Instant kStart{std::chrono::seconds(1'767'225'600)};

  static bool V6() { return GetParam().family == Family::kIpv6; }
  static IpAddress Source() {
    return *IpAddress::Parse(V6() ? "2001:db8::9:8:7" : "10.9.8.7");
  }
  static IpAddress Stranger() {
    return *IpAddress::Parse(V6() ? "2001:db8:5::1" : "10.0.0.1");
  }

  static std::unique_ptr<ProbeCodec> Make(uint64_t key,
                                          std::string contact = "") {
    static constexpr std::array<std::byte, kLinkSize> kLink{std::byte{2}};
    auto codec = GetParam().module.make({.key = {key, ~key},
                                         .source = Source(),
                                         .link_header = kLink,
                                         .flows = kFlows,
                                         .max_ttl = kMaxTtl,
                                         .contact = std::move(contact)});
    EXPECT_TRUE(codec.ok()) << codec.status();
    return *std::move(codec);
  }

  static Bytes Encode(const ProbeCodec& codec, const Probe& probe,
                      Instant now = kStart) {
    Bytes room(kMaxProbeSize);
    std::array<TxFrame, 1> frames = {TxFrame{room}};
    codec.Encode(now, {&probe, 1}, frames);
    EXPECT_EQ(frames[0].length, codec.probe_size());
    room.resize(frames[0].length);
    EXPECT_EQ(room[0], std::byte{2});
    room.erase(room.begin(), room.begin() + kLinkSize);
    return room;
  }

  static Decoded Decode(const ProbeCodec& codec, const Bytes& packet,
                        Instant arrival = kStart + Nanos(1'000'000)) {
    return {codec, {packet, arrival}};
  }

  IpAddress RandomTarget() {
    if (!V6()) return IpAddress::V4(static_cast<uint32_t>(random_()));
    return IpAddress::V6(random_() | uint64_t{1} << 61, random_());
  }

  Probe RandomProbe() {
    return {RandomTarget(),
            Ttl(static_cast<uint8_t>(1 + random_() % kMaxTtl.value())),
            FlowId(static_cast<uint16_t>(random_() % kFlows))};
  }

  // What the protocol is, by a packet of its own.
  Bytes Sample() { return Encode(*Make(0), RandomProbe()); }
  bool Tcp() { return IsTcp(Sample()); }
  bool Udp() { return IsUdp(Sample()); }
  bool Echo() { return !Tcp() && !Udp(); }
  // The bytes of transport that hold target and time, besides the mark.
  size_t StampEnd() { return 8 + (V6() ? 22 : 10); }
  std::string Contact(std::string text) { return Tcp() ? "" : text; }

  std::mt19937_64 random_{20261123};
};

}  // namespace fathom

#endif  // FATHOM_TESTS_CODEC_TESTING_H_
