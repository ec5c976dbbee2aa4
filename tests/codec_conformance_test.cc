// What every probe protocol promises, run over all that are registered.

#include <gtest/gtest.h>

#include <random>

#include "fathom/probe_codec.h"
#include "fathom/registry.h"
#include "tests/decoded.h"
#include "tests/router_reply.h"

namespace fathom {
namespace {

constexpr uint16_t kFlows = 300;
constexpr size_t kLinkSize = 14;
const Instant kStart{std::chrono::seconds(1'767'225'600)};

// Lengths of quoted transport: the least, around the payload, all of it.
constexpr size_t kQuotes[] = {8, 9, 12, 14, 17, 18, 20, 28, 548};

class CodecConformance : public testing::TestWithParam<CodecModule> {
 protected:
  std::unique_ptr<ProbeCodec> Make(uint64_t key, std::string contact = "") {
    static constexpr std::array<std::byte, kLinkSize> kLink{std::byte{2}};
    auto codec = GetParam().make({.key = {key, ~key},
                                  .source = *IpAddress::Parse("10.9.8.7"),
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

  Probe RandomProbe() {
    return {IpAddress::V4(static_cast<uint32_t>(random_())),
            Ttl(static_cast<uint8_t>(1 + random_() % kMaxTtl.value())),
            FlowId(static_cast<uint16_t>(random_() % kFlows))};
  }

  std::mt19937_64 random_{20261123};
};

TEST_P(CodecConformance, RecoversEveryTtlAndFlowFromEveryQuote) {
  const auto codec = Make(1, "odd contact");
  for (uint8_t ttl = 1; ttl <= kMaxTtl.value(); ++ttl) {
    for (uint16_t flow = 0; flow < kFlows; ++flow) {
      Probe probe = RandomProbe();
      probe.ttl = Ttl(ttl);
      probe.flow = FlowId(flow);
      const Bytes packet = Encode(*codec, probe);
      for (const size_t quote : kQuotes) {
        const Decoded decoded =
            Decode(*codec, RouterReply(packet, {.quoted_transport = quote}));
        ASSERT_TRUE(decoded);
        ASSERT_EQ(decoded->probe, probe);
      }
    }
  }
}

TEST_P(CodecConformance, RecoversEveryProofOfOneTarget) {
  // All 65,534 checksums occur among this many targets many times over.
  const auto codec = Make(2);
  for (int i = 0; i < 300'000; ++i) {
    const Probe probe = RandomProbe();
    const Decoded decoded = Decode(*codec, RouterReply(Encode(*codec, probe)));
    ASSERT_TRUE(decoded) << i;
    ASSERT_EQ(decoded->probe, probe);
  }
}

TEST_P(CodecConformance, WritesTrueChecksums) {
  for (const char* contact : {"", "a", "https://example.org/why"}) {
    const auto codec = Make(3, contact);
    for (int i = 0; i < 20'000; ++i) {
      const Bytes packet =
          Encode(*codec, RandomProbe(), kStart + Nanos(i * 77'777));
      ASSERT_EQ(OnesSum(std::span(packet).first(sizeof(Ipv4Header))), 0xffff);
      ASSERT_EQ(CoveredSum(packet), 0xffff);
    }
  }
}

TEST_P(CodecConformance, KeepsWhatBalancersHashPerTargetAndFlow) {
  const auto codec = Make(4);
  for (int i = 0; i < 1000; ++i) {
    Probe probe = RandomProbe();
    const Bytes first = Encode(*codec, probe);
    probe.ttl = RandomProbe().ttl;
    const Bytes second =
        Encode(*codec, probe, kStart + std::chrono::seconds(i * 7));
    const auto a = Load<Ipv4Header>(first), b = Load<Ipv4Header>(second);
    EXPECT_EQ(a.tos, b.tos);
    EXPECT_EQ(uint16_t{a.total_length}, uint16_t{b.total_length});
    // Type, code, checksum and id; or ports and length.
    EXPECT_TRUE(std::equal(first.begin() + 20, first.begin() + 26,
                           second.begin() + 20));
  }
}

TEST_P(CodecConformance, GivesEachFlowItsOwnPath) {
  const auto codec = Make(5);
  Probe probe = RandomProbe();
  std::vector<uint32_t> hashed;  // Type, code and checksum; or ports.
  for (uint16_t flow = 0; flow < kFlows; ++flow) {
    probe.flow = FlowId(flow);
    const Bytes packet = Encode(*codec, probe);
    hashed.push_back(Load<Be32>(std::span(packet).subspan(20)));
  }
  std::sort(hashed.begin(), hashed.end());
  EXPECT_EQ(std::unique(hashed.begin(), hashed.end()), hashed.end());
}

TEST_P(CodecConformance, MeasuresTheRoundTrip) {
  const auto codec = Make(6);
  for (int i = 0; i < 20'000; ++i) {
    // Sent at any time within days, so that every clock wraps.
    const Instant sent = kStart + Nanos(random_() % 300'000'000'000'000);
    const Nanos rtt(random_() % 50'000'000'000);
    const Bytes packet = Encode(*codec, RandomProbe(), sent);
    // Of a bare quote the IP id tells, unless it happens to be zero.
    const Decoded brief = Decode(*codec, RouterReply(packet), sent + rtt);
    ASSERT_TRUE(brief);
    if (Load<Ipv4Header>(packet).id != 0) {
      ASSERT_GE(brief->rtt, rtt);
      ASSERT_LE(brief->rtt, rtt + std::chrono::microseconds(100));
    }
    const Decoded full = Decode(
        *codec, RouterReply(packet, {.quoted_transport = 100}), sent + rtt);
    ASSERT_TRUE(full);
    ASSERT_LE(full->rtt, rtt + std::chrono::microseconds(1));
    ASSERT_GE(full->rtt, rtt - std::chrono::microseconds(1));
  }
}

TEST_P(CodecConformance, TellsKindsOfReplyApart) {
  const auto codec = Make(7);
  const Probe probe = RandomProbe();
  const uint32_t target = probe.target.v4();
  const Bytes packet = Encode(*codec, probe);

  EXPECT_EQ(Decode(*codec, RouterReply(packet))->kind, ReplyKind::kHop);
  EXPECT_EQ(Decode(*codec, HostAnswer(packet, target))->kind,
            ReplyKind::kDestination);
  const Decoded alias = Decode(*codec, HostAnswer(packet, 0x0a000001));
  EXPECT_EQ(alias->kind, ReplyKind::kAlias);
  EXPECT_EQ(alias->probe, probe);
  EXPECT_EQ(alias->responder, IpAddress::V4(0x0a000001));
  const bool echo = Load<Ipv4Header>(packet).protocol == kProtocolIcmp;
  for (uint8_t code = 0; code <= 15; ++code) {
    const RouterOptions refusal{.type = kIcmpUnreachable, .code = code};
    // Only the host that was asked knows of its ports and protocols.
    const bool hosts = !echo && (code == kIcmpPortUnreachable ||
                                 code == kIcmpProtocolUnreachable);
    EXPECT_EQ(Decode(*codec, RouterReply(packet, refusal))->kind,
              hosts ? ReplyKind::kAlias : ReplyKind::kUnreachable);
    EXPECT_EQ(Decode(*codec, RouterReply(packet, refusal))->icmp_code, code);
    const RouterOptions host{
        .router = target, .type = kIcmpUnreachable, .code = code};
    EXPECT_EQ(Decode(*codec, RouterReply(packet, host))->kind,
              ReplyKind::kDestination);
  }
}

TEST_P(CodecConformance, ReadsThroughOptionsAndPaddedQuotes) {
  const auto codec = Make(8);
  for (size_t outer = 0; outer <= 40; outer += 4) {
    for (size_t quoted = 0; quoted <= 40; quoted += 4) {
      for (const size_t pad : {0, 128}) {
        const Probe probe = RandomProbe();
        const Decoded decoded =
            Decode(*codec,
                   RouterReply(Encode(*codec, probe), {.ttl = 77,
                                                       .outer_options = outer,
                                                       .quoted_options = quoted,
                                                       .quoted_ttl = 3,
                                                       .rfc4884_pad = pad}));
        ASSERT_TRUE(decoded);
        EXPECT_EQ(decoded->probe, probe);
        EXPECT_EQ(decoded->quoted_ttl, Ttl(3));
        EXPECT_EQ(decoded->arrival_ttl, Ttl(77));
      }
    }
  }
}

TEST_P(CodecConformance, SurvivesEveryTruncation) {
  const auto codec = Make(9, "contact");
  const Bytes packet = Encode(*codec, RandomProbe());
  for (const Bytes& whole :
       {RouterReply(packet, {.quoted_transport = 64, .quoted_options = 8}),
        RouterReply(packet, {.rfc4884_pad = 128}),
        HostAnswer(packet, 0x0a000001)}) {
    for (size_t size = 0; size < whole.size(); ++size) {
      // On the heap at its exact size, so that a sanitizer sees any overrun.
      const Bytes cut(whole.begin(), whole.begin() + size);
      EXPECT_FALSE(Decode(*codec, cut)) << size;
    }
  }
}

TEST_P(CodecConformance, SurvivesTruncationByTheRouter) {
  // Here the lengths and sums are those of the shorter packet.
  const auto codec = Make(10, "contact");
  const Probe probe = RandomProbe();
  const Bytes packet = Encode(*codec, probe);
  const Bytes whole = RouterReply(packet, {.quoted_transport = 64});
  for (size_t size = sizeof(Ipv4Header) + sizeof(IcmpHeader);
       size < whole.size(); ++size) {
    Bytes cut(whole.begin(), whole.begin() + size);
    FixIcmp(std::span(cut).subspan(sizeof(Ipv4Header)));
    FixIpv4(cut);
    const Decoded decoded = Decode(*codec, cut);
    const bool enough = size >= sizeof(Ipv4Header) + sizeof(IcmpHeader) + 28;
    ASSERT_EQ(static_cast<bool>(decoded), enough) << size;
    if (enough) {
      EXPECT_EQ(decoded->probe, probe);
    } else {
      EXPECT_EQ(decoded.verdict(), Verdict::kMalformed);
    }
  }
}

TEST_P(CodecConformance, NoticesEveryFlippedBit) {
  const auto codec = Make(11);
  const Probe probe = RandomProbe();
  const Bytes whole = RouterReply(Encode(*codec, probe));
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    Bytes flipped = whole;
    flipped[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(Decode(*codec, flipped)) << bit;
  }
}

TEST_P(CodecConformance, IgnoresAnotherScansReplies) {
  const auto ours = Make(12), theirs = Make(13);
  int taken = 0, rewritten = 0;
  constexpr int kCount = 100'000;
  for (int i = 0; i < kCount; ++i) {
    const Bytes packet = Encode(*theirs, RandomProbe());
    for (const Bytes& reply :
         {RouterReply(packet), RouterReply(packet, {.quoted_transport = 99}),
          HostAnswer(packet, 0x0a000001)}) {
      const Decoded decoded = Decode(*ours, reply);
      taken += static_cast<bool>(decoded);
      rewritten += decoded.verdict() == Verdict::kRewritten;
    }
  }
  // Chance: 300 flows of 65,534 under one id in 65,536, three times each; where
  // there is no id, a clock that is plausible one time in a hundred.
  const bool proven =
      Load<Ipv4Header>(Encode(*ours, RandomProbe())).protocol == kProtocolIcmp;
  EXPECT_LE(taken, proven ? 5 : 40);
  // A clock that starts elsewhere is rarely plausible.
  EXPECT_LE(rewritten, kCount / 20);
}

TEST_P(CodecConformance, CountsRewrittenDestinationsApart) {
  const auto codec = Make(14);
  int taken = 0;
  bool proven = true;
  for (int i = 0; i < 20'000; ++i) {
    const Probe probe = RandomProbe();
    Bytes packet = Encode(*codec, probe);
    proven = Load<Ipv4Header>(packet).protocol == kProtocolIcmp;
    auto header = Load<Ipv4Header>(packet);
    header.destination = static_cast<uint32_t>(random_());
    Store(header, packet);
    for (const size_t quote : kQuotes) {
      const Decoded decoded =
          Decode(*codec, RouterReply(packet, {.quoted_transport = quote}));
      taken += static_cast<bool>(decoded);
      if (decoded) continue;
      ASSERT_EQ(decoded.verdict(), Verdict::kRewritten) << quote;
    }
  }
  // Chance: 300 flows of 64,512 where nothing more is quoted than ports.
  EXPECT_LE(taken, proven ? 9 : 9 + 20'000 * 5 * 300 / 64'512 * 5 / 4);
}

TEST_P(CodecConformance, TakesNoNoise) {
  const auto codec = Make(15);
  for (int i = 0; i < 200'000; ++i) {
    Bytes noise(random_() % 120);
    for (std::byte& byte : noise) byte = static_cast<std::byte>(random_());
    // Half of it looks like ICMP over IPv4, with true sums.
    if (i % 2 == 0 && noise.size() >= 36) {
      noise[0] = std::byte{0x45};
      noise[6] = noise[7] = std::byte{0};
      noise[9] = std::byte{kProtocolIcmp};
      noise[20] = std::byte{i % 4 == 0 ? kIcmpTimeExceeded : kIcmpEchoReply};
      FixIcmp(std::span(noise).subspan(20));
      FixIpv4(noise);
    }
    ASSERT_FALSE(Decode(*codec, noise));
  }
}

TEST_P(CodecConformance, CutsEthernetPadding) {
  const auto codec = Make(16);
  const Probe probe = RandomProbe();
  Bytes padded = RouterReply(Encode(*codec, probe));
  padded.resize(padded.size() + 18, std::byte{0xff});
  EXPECT_EQ(Decode(*codec, padded)->probe, probe);
}

TEST_P(CodecConformance, TakesOnlyFlowsAndTtlsInUse) {
  const auto wide = Make(17);
  const auto narrow = *GetParam().make({.key = {17, ~uint64_t{17}},
                                        .source = *IpAddress::Parse("10.9.8.7"),
                                        .flows = 2,
                                        .min_ttl = Ttl(3),
                                        .max_ttl = Ttl(8)});
  for (int i = 0; i < 20'000; ++i) {
    const Probe probe = RandomProbe();
    const bool used =
        probe.flow < FlowId(2) && Ttl(3) <= probe.ttl && probe.ttl <= Ttl(8);
    const Bytes packet = Encode(*wide, probe);
    ASSERT_EQ(static_cast<bool>(Decode(*narrow, RouterReply(packet))), used);
    ASSERT_EQ(static_cast<bool>(Decode(*narrow, HostAnswer(packet, 1))), used);
  }
}

TEST_P(CodecConformance, RefusesOptionsThatCannotWork) {
  const CodecOptions good{.source = IpAddress::V4(1)};
  EXPECT_TRUE(GetParam().make(good).ok());
  for (const auto& spoil : std::vector<void (*)(CodecOptions&)>{
           [](CodecOptions& o) { o.min_ttl = Ttl(0); },
           [](CodecOptions& o) { o.max_ttl = Ttl(64); },
           [](CodecOptions& o) { o.min_ttl = Ttl(33); },
           [](CodecOptions& o) { o.flows = 0; },
           [](CodecOptions& o) { o.flows = 65535; },
           [](CodecOptions& o) { o.contact.assign(kMaxContact + 1, 'x'); }}) {
    CodecOptions bad = good;
    spoil(bad);
    EXPECT_FALSE(GetParam().make(bad).ok());
  }
}

INSTANTIATE_TEST_SUITE_P(Codecs, CodecConformance,
                         testing::ValuesIn(Register<CodecModule>::All()),
                         [](const auto& info) {
                           return std::string(info.param.name);
                         });

}  // namespace
}  // namespace fathom
