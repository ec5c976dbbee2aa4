// What every probe protocol promises, run over all that are registered.

#include "tests/codec_testing.h"

namespace fathom {
namespace {

// Lengths of quoted transport: the least, around the payload, all of it.
constexpr size_t kQuotes[] = {8,  9,  12, 14, 17, 18, 20,
                              21, 28, 29, 30, 31, 548};

using CodecConformance = CodecTest;

TEST_P(CodecConformance, RecoversEveryTtlAndFlowFromEveryQuote) {
  const auto codec = Make(1, Contact("odd contact"));
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
        ASSERT_EQ(decoded->changes, 0);
        ASSERT_EQ(decoded->quoted_tos, 0);
        ASSERT_TRUE(decoded->extensions.bytes.empty());
      }
    }
  }
}

TEST_P(CodecConformance, RecoversEveryProofOfOneTarget) {
  // All 65,534 checksums occur among this many targets many times over.
  const auto codec = Make(2);
  for (int i = 0; i < 200'000; ++i) {
    const Probe probe = RandomProbe();
    const Decoded decoded = Decode(*codec, RouterReply(Encode(*codec, probe)));
    ASSERT_TRUE(decoded) << i;
    ASSERT_EQ(decoded->probe, probe);
  }
}

TEST_P(CodecConformance, WritesTrueChecksums) {
  for (const char* contact : {"", "a", "https://example.org/why"}) {
    const auto codec = Make(3, Contact(contact));
    for (int i = 0; i < 20'000; ++i) {
      const Bytes packet =
          Encode(*codec, RandomProbe(), kStart + Nanos(i * 77'777));
      if (!V6()) {
        ASSERT_EQ(OnesSum(std::span(packet).first(sizeof(Ipv4Header))), 0xffff);
      }
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
    // Version, service and length; in IPv6 flow label and length.
    EXPECT_TRUE(std::equal(first.begin(), first.begin() + 4, second.begin()));
    const size_t from = TransportStart(first);
    // Type, code, checksum and id; or ports and length.
    EXPECT_TRUE(std::equal(first.begin() + from,
                           first.begin() + from + (IsTcp(first) ? 4 : 6),
                           second.begin() + from));
  }
}

TEST_P(CodecConformance, GivesEachFlowItsOwnPath) {
  const auto codec = Make(5);
  Probe probe = RandomProbe();
  std::vector<uint32_t> hashed;  // Type, code and checksum; or ports.
  std::vector<uint32_t> labels;
  for (uint16_t flow = 0; flow < kFlows; ++flow) {
    probe.flow = FlowId(flow);
    const Bytes packet = Encode(*codec, probe);
    const std::span transport =
        std::span(packet).subspan(TransportStart(packet));
    hashed.push_back(Load<Be32>(transport));
    labels.push_back(Load<Be32>(packet));
  }
  std::sort(hashed.begin(), hashed.end());
  EXPECT_EQ(std::unique(hashed.begin(), hashed.end()), hashed.end());
  if (!V6()) return;
  std::sort(labels.begin(), labels.end());
  EXPECT_EQ(std::unique(labels.begin(), labels.end()), labels.end());
  EXPECT_EQ(labels.front() >> 20, 0x600U);
  EXPECT_EQ(labels.back() >> 20, 0x600U);
}

TEST_P(CodecConformance, MeasuresTheRoundTrip) {
  const auto codec = Make(6);
  for (int i = 0; i < 20'000; ++i) {
    // Sent at any time within days, so that every clock wraps.
    const Instant sent = kStart + Nanos(random_() % 300'000'000'000'000);
    const Nanos rtt(random_() % 50'000'000'000);
    const Bytes packet = Encode(*codec, RandomProbe(), sent);
    // Of a bare quote the number of a segment tells, or the IP id, of which two
    // times share one.
    const Decoded brief = Decode(*codec, RouterReply(packet), sent + rtt);
    ASSERT_TRUE(brief);
    ASSERT_EQ(brief->changes, 0);
    if (V6() && !IsTcp(packet)) {
      ASSERT_EQ(brief->rtt, kUnknownRtt);
    } else {
      ASSERT_GE(brief->rtt, rtt);
      ASSERT_LE(brief->rtt, rtt + std::chrono::microseconds(200));
    }
    const Decoded full = Decode(
        *codec, RouterReply(packet, {.quoted_transport = 100}), sent + rtt);
    ASSERT_TRUE(full);
    ASSERT_EQ(full->changes, 0);
    ASSERT_LE(full->rtt,
              rtt + std::chrono::microseconds(IsTcp(packet) ? 100 : 1));
    ASSERT_GE(full->rtt, rtt - std::chrono::microseconds(1));
  }
}

TEST_P(CodecConformance, SurvivesEveryTruncation) {
  const auto codec = Make(9, Contact("contact"));
  const Bytes packet = Encode(*codec, RandomProbe());
  for (const Bytes& whole :
       {RouterReply(packet, {.quoted_transport = 64, .quoted_options = 8}),
        RouterReply(packet, {.rfc4884_pad = 128, .objects = Bytes(4)}),
        HostAnswer(packet, DestinationOf(packet))}) {
    for (size_t size = 0; size < whole.size(); ++size) {
      // On the heap at its exact size, so that a sanitizer sees any overrun.
      const Bytes cut(whole.begin(), whole.begin() + size);
      EXPECT_FALSE(Decode(*codec, cut)) << size;
    }
  }
}

TEST_P(CodecConformance, SurvivesTruncationByTheRouter) {
  // Here the lengths and sums are those of the shorter packet.
  const auto codec = Make(10, Contact("contact"));
  const Probe probe = RandomProbe();
  const Bytes packet = Encode(*codec, probe);
  const Bytes whole = RouterReply(packet, {.quoted_transport = 64});
  const size_t quote = TransportStart(whole) + sizeof(IcmpHeader);
  for (size_t size = quote; size < whole.size(); ++size) {
    Bytes cut(whole.begin(), whole.begin() + size);
    FixIp(cut);
    FixTransport(cut);
    const Decoded decoded = Decode(*codec, cut);
    const bool enough = size >= quote + TransportStart(packet) + 8;
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
  const Bytes packet = Encode(*codec, probe);
  for (const Bytes& whole :
       {RouterReply(packet), HostAnswer(packet, probe.target)}) {
    for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
      // No sum covers what IPv6 says of service, flow and hop limit.
      if (V6() && (bit / 8 < 4 || bit / 8 == 7)) continue;
      Bytes flipped = whole;
      flipped[bit / 8] ^= std::byte{1} << (bit % 8);
      EXPECT_FALSE(Decode(*codec, flipped)) << bit;
    }
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
          HostAnswer(packet, DestinationOf(packet))}) {
      const Decoded decoded = Decode(*ours, reply);
      taken += static_cast<bool>(decoded);
      rewritten += decoded.verdict() == Verdict::kRewrittenAddress ||
                   decoded.verdict() == Verdict::kRewrittenPort;
    }
  }
  // Chance: 300 flows of 65,534 under one id in 65,536, three times each; where
  // there is no id, a clock that is plausible one time in a hundred.
  EXPECT_LE(taken, Echo() ? 5 : 40);
  // A clock that starts elsewhere is rarely plausible.
  EXPECT_LE(rewritten, kCount / 20);
}

TEST_P(CodecConformance, TakesNoNoise) {
  const auto codec = Make(15);
  for (int i = 0; i < 200'000; ++i) {
    Bytes noise(random_() % 160);
    for (std::byte& byte : noise) byte = static_cast<std::byte>(random_());
    // Half of it looks like an answer, with true sums.
    if (i % 2 == 0 && noise.size() >= sizeof(TcpHeader)) {
      const bool tcp = i % 6 == 0;
      const uint8_t icmp = V6() ? kProtocolIcmpv6 : kProtocolIcmp;
      const int types[] = {11, 0, 3, 129};
      noise[0] = static_cast<std::byte>(tcp ? 0 : types[i / 2 % 4]);
      if (!tcp) noise[1] = std::byte{0};
      noise = IpAround({.source = RandomTarget(),
                        .destination = Source(),
                        .protocol = tcp ? kProtocolTcp : icmp},
                       noise);
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
  const auto narrow = *GetParam().module.make({.key = {17, ~uint64_t{17}},
                                               .source = Source(),
                                               .flows = 2,
                                               .min_ttl = Ttl(3),
                                               .max_ttl = Ttl(8)});
  for (int i = 0; i < 20'000; ++i) {
    const Probe probe = RandomProbe();
    const bool used =
        probe.flow < FlowId(2) && Ttl(3) <= probe.ttl && probe.ttl <= Ttl(8);
    const Bytes packet = Encode(*wide, probe);
    ASSERT_EQ(static_cast<bool>(Decode(*narrow, RouterReply(packet))), used);
    const Bytes answer = HostAnswer(packet, probe.target);
    ASSERT_EQ(static_cast<bool>(Decode(*narrow, answer)), used);
  }
}

TEST_P(CodecConformance, RefusesOptionsThatCannotWork) {
  const CodecOptions good{.source = Source()};
  EXPECT_TRUE(GetParam().module.make(good).ok());
  for (const auto& spoil : std::vector<void (*)(CodecOptions&)>{
           [](CodecOptions& o) { o.min_ttl = Ttl(0); },
           [](CodecOptions& o) { o.max_ttl = Ttl(64); },
           [](CodecOptions& o) { o.min_ttl = Ttl(33); },
           [](CodecOptions& o) { o.flows = 0; },
           [](CodecOptions& o) { o.flows = 65535; },
           [](CodecOptions& o) { o.contact.assign(kMaxContact + 1, 'x'); }}) {
    CodecOptions bad = good;
    spoil(bad);
    EXPECT_FALSE(GetParam().module.make(bad).ok());
  }
  CodecOptions open = good;
  open.contact = "https://example.org";
  EXPECT_EQ(GetParam().module.make(open).ok(), !Tcp());
}

TEST_P(CodecConformance, LeavesTheOtherFamilyAlone) {
  const auto codec = Make(18);
  const bool v6 = V6();
  for (const CodecCase& other : AllCodecCases()) {
    if ((other.family == Family::kIpv6) == v6) continue;
    const IpAddress source =
        *IpAddress::Parse(v6 ? "10.9.8.7" : "2001:db8::9:8:7");
    const auto theirs =
        *other.module.make({.key = {18, ~uint64_t{18}}, .source = source});
    Bytes room(kMaxProbeSize);
    std::array<TxFrame, 1> frames = {TxFrame{room}};
    const Probe probe{SomeRouter(!v6), Ttl(5), FlowId(0)};
    theirs->Encode(kStart, {&probe, 1}, frames);
    room.resize(frames[0].length);
    EXPECT_EQ(Decode(*codec, RouterReply(room)).verdict(), Verdict::kOther);
    EXPECT_EQ(Decode(*codec, HostAnswer(room, probe.target)).verdict(),
              Verdict::kOther);
  }
}

INSTANTIATE_TEST_SUITE_P(Codecs, CodecConformance,
                         testing::ValuesIn(AllCodecCases()), NameOf);

}  // namespace
}  // namespace fathom
