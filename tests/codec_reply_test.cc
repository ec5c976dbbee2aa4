// What every probe protocol reads out of replies, over both families: kinds,
// what was changed on the way, and extensions.

#include <gtest/gtest.h>

#include <vector>

#include "src/net/icmp_extensions.h"
#include "tests/codec_testing.h"

namespace fathom {
namespace {

class CodecReply : public CodecTest {
 protected:
  // Codes of unreachable that only the host that was asked sends.
  static bool IsHostsCode(uint8_t code) {
    return V6() ? code == 4 : code == 2 || code == 3;
  }
};

TEST_P(CodecReply, TellsKindsApart) {
  const auto codec = Make(7);
  const Probe probe = RandomProbe();
  const Bytes packet = Encode(*codec, probe);
  EXPECT_EQ(Decode(*codec, RouterReply(packet))->kind, ReplyKind::kHop);
  const Decoded host = Decode(*codec, HostAnswer(packet, probe.target));
  ASSERT_TRUE(host);
  EXPECT_EQ(host->kind, ReplyKind::kDestination);
  EXPECT_EQ(host->probe, probe);
  EXPECT_EQ(host->responder, probe.target);
  EXPECT_EQ(host->tcp_flags != 0, Tcp());
  const Decoded alias = Decode(*codec, HostAnswer(packet, Stranger()));
  // Of a segment nothing but its source tells whom it is from.
  ASSERT_EQ(static_cast<bool>(alias), !Tcp());
  if (alias) {
    EXPECT_EQ(alias->kind, ReplyKind::kAlias);
    EXPECT_EQ(alias->probe, probe);
    EXPECT_EQ(alias->responder, Stranger());
  }
  for (uint8_t code = 0; code <= 15; ++code) {
    RouterOptions refusal{.type = ErrorType::kUnreachable, .code = code};
    const Decoded router = Decode(*codec, RouterReply(packet, refusal));
    EXPECT_EQ(router->kind, IsHostsCode(code) && !Echo()
                                ? ReplyKind::kAlias
                                : ReplyKind::kUnreachable)
        << int{code};
    EXPECT_EQ(router->icmp_code, code);
    refusal.router = probe.target;
    EXPECT_EQ(Decode(*codec, RouterReply(packet, refusal))->kind,
              ReplyKind::kDestination);
  }
}

TEST_P(CodecReply, KnowsAnOpenPortFromAClosedOne) {
  if (!Tcp()) return;
  const auto codec = Make(8);
  const Probe probe = RandomProbe();
  const Bytes packet = Encode(*codec, probe);
  const bool syn =
      (Load<TcpHeader>(std::span(packet).subspan(TransportStart(packet)))
           .flags &
       kTcpSyn) != 0;
  for (const bool open : {false, true}) {
    const Decoded answer =
        Decode(*codec, TcpAnswer(packet, probe.target, open));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->probe, probe);
    EXPECT_EQ(answer->tcp_flags, !syn   ? kTcpReset
                                 : open ? kTcpSyn | kTcpAck
                                        : kTcpReset | kTcpAck);
    EXPECT_EQ(answer->icmp_type, 0);
    EXPECT_EQ(answer->quoted_ttl, Ttl());
  }
}

TEST_P(CodecReply, SynsAndNoOthersStateASegmentSize) {
  if (!Tcp()) return;
  const auto codec = Make(20);
  const Bytes packet = Encode(*codec, RandomProbe());
  const auto segment = std::span(packet).subspan(TransportStart(packet));
  const auto header = Load<TcpHeader>(segment);
  const bool syn = header.flags == kTcpSyn;
  const size_t size = syn ? 24 : 20;
  EXPECT_EQ(segment.size(), size);
  EXPECT_EQ(header.data_offset, size / 4 << 4);
  if (syn) {
    EXPECT_EQ(Load<Be32>(segment.subspan(20)),
              0x0204'0000U + (V6() ? 1440 : 1460));
  }
}

TEST_P(CodecReply, ReadsThroughOptionsAndPaddedQuotes) {
  const auto codec = Make(9);
  for (size_t outer = 0; outer <= 40; outer += 8) {
    for (size_t quoted = 0; quoted <= 40; quoted += 8) {
      for (const size_t pad : {0, 128}) {
        const Probe probe = RandomProbe();
        const Decoded decoded =
            Decode(*codec,
                   RouterReply(Encode(*codec, probe), {.ttl = 77,
                                                       .outer_options = outer,
                                                       .quoted_options = quoted,
                                                       .quoted_ttl = 3,
                                                       .quoted_tos = 0x2c,
                                                       .rfc4884_pad = pad}));
        ASSERT_TRUE(decoded) << outer << ' ' << quoted << ' ' << pad;
        EXPECT_EQ(decoded->probe, probe);
        EXPECT_EQ(decoded->quoted_ttl, Ttl(3));
        EXPECT_EQ(decoded->quoted_tos, 0x2c);
        EXPECT_EQ(decoded->arrival_ttl, Ttl(77));
        EXPECT_TRUE(decoded->extensions.bytes.empty());
      }
    }
  }
}

TEST_P(CodecReply, ReadsThroughAnAuthenticationHeaderInTheQuote) {
  if (!V6()) return;
  const auto codec = Make(21);
  for (size_t size = 8; size <= 40; size += 8) {
    const Probe probe = RandomProbe();
    Bytes reply = RouterReply(Encode(*codec, probe), {.quoted_options = size});
    const size_t quote = sizeof(Ipv6Header) + sizeof(IcmpHeader);
    reply[quote + offsetof(Ipv6Header, next_header)] = std::byte{51};
    // RFC 4302, 2.2: in words of 32 bits, less two.
    reply[quote + sizeof(Ipv6Header) + 1] =
        static_cast<std::byte>(size / 4 - 2);
    FixTransport(reply);
    const Decoded decoded = Decode(*codec, reply);
    ASSERT_TRUE(decoded) << size;
    EXPECT_EQ(decoded->probe, probe);
    // One that ends elsewhere is not read through.
    reply[quote + sizeof(Ipv6Header) + 1] = std::byte{255};
    FixTransport(reply);
    EXPECT_FALSE(Decode(*codec, reply));
  }
}

TEST_P(CodecReply, TakesAParameterProblemForWhatItSays) {
  if (!V6()) return;
  const auto codec = Make(22);
  const Probe probe = RandomProbe();
  for (uint8_t code = 0; code <= 3; ++code) {
    for (const bool host : {false, true}) {
      RouterOptions options{.code = code};
      if (host) options.router = probe.target;
      Bytes reply = RouterReply(Encode(*codec, probe), options);
      reply[sizeof(Ipv6Header)] = std::byte{4};
      // Where the header is that the node does not know.
      reply[sizeof(Ipv6Header) + 7] = std::byte{6};
      FixTransport(reply);
      const Decoded decoded = Decode(*codec, reply);
      ASSERT_TRUE(decoded) << int{code};
      EXPECT_EQ(decoded->probe, probe);
      EXPECT_EQ(decoded->icmp_type, 4);
      EXPECT_EQ(decoded->icmp_code, code);
      EXPECT_EQ(decoded->kind, host        ? ReplyKind::kDestination
                               : code == 1 ? ReplyKind::kAlias
                                           : ReplyKind::kUnreachable);
    }
  }
}

Bytes Object(uint8_t object_class, uint8_t type, const std::vector<int>& rest) {
  Bytes object = {std::byte{0}, static_cast<std::byte>(4 + rest.size()),
                  static_cast<std::byte>(object_class),
                  static_cast<std::byte>(type)};
  for (const int byte : rest) object.push_back(static_cast<std::byte>(byte));
  return object;
}

// Stacks of labels, an interface, and what nobody knows, in all orders.
std::vector<Bytes> SomeObjects() {
  const Bytes labels =
      Object(1, 1, {0x05, 0xdc, 0xf0, 1, 0x49, 0x30, 0x0b, 254});
  const Bytes interface = Object(2, 1, {0, 0, 5, 220});
  const Bytes unknown = Object(200, 9, {1, 2, 3, 4});
  std::vector<Bytes> all = {{}};
  for (const auto& order :
       std::vector<std::vector<Bytes>>{{labels},
                                       {unknown},
                                       {labels, interface, unknown},
                                       {unknown, interface, labels},
                                       {labels, labels}}) {
    Bytes objects;
    for (const Bytes& object : order) {
      objects.insert(objects.end(), object.begin(), object.end());
    }
    all.push_back(objects);
  }
  return all;
}

TEST_P(CodecReply, BringsBackExtensionsInEveryForm) {
  const auto codec = Make(10);
  for (const Bytes& objects : SomeObjects()) {
    for (const ExtensionForm form :
         {ExtensionForm::kStated, ExtensionForm::kUnstated}) {
      for (const size_t quote : {8, 28, 120}) {
        for (const bool summed : {true, false}) {
          const Probe probe = RandomProbe();
          const Bytes reply =
              RouterReply(Encode(*codec, probe), {.quoted_transport = quote,
                                                  .rfc4884_pad = 128,
                                                  .form = form,
                                                  .objects = objects,
                                                  .extension_summed = summed});
          const Decoded decoded = Decode(*codec, reply);
          ASSERT_TRUE(decoded);
          EXPECT_EQ(decoded->probe, probe);
          // A sum of 0 is none. Where nothing is stated and nothing summed,
          // zeros would do as well.
          EXPECT_EQ(decoded->extensions, LentBytes{objects})
              << SpellExtensions(objects) << ' ' << quote << ' ' << summed;
        }
      }
    }
  }
}

TEST_P(CodecReply, TakesNoExtensionsThatAreDamaged) {
  const auto codec = Make(11);
  const Bytes objects = Object(1, 1, {0x05, 0xdc, 0xf1, 1});
  for (const ExtensionForm form :
       {ExtensionForm::kStated, ExtensionForm::kUnstated}) {
    Bytes reply =
        RouterReply(Encode(*codec, RandomProbe()),
                    {.rfc4884_pad = 128, .form = form, .objects = objects});
    const size_t icmp = TransportStart(reply);
    const uint8_t protocol = ProtocolOf(reply);
    for (size_t i = reply.size() - objects.size(); i < reply.size(); ++i) {
      reply[i] ^= std::byte{1};
      FixTransport(reply, icmp, protocol);
      const Decoded decoded = Decode(*codec, reply);
      ASSERT_TRUE(decoded);
      EXPECT_TRUE(decoded->extensions.bytes.empty()) << i;
      reply[i] ^= std::byte{1};
    }
  }
}

TEST_P(CodecReply, TellsOfAChangedLength) {
  const auto codec = Make(12);
  const Bytes packet = Encode(*codec, RandomProbe());
  EXPECT_EQ(Decode(*codec, RouterReply(packet))->changes, 0);
  Bytes changed = packet;
  const size_t at = V6() ? 4 : 2;
  Store(Be16(Load<Be16>(std::span(packet).subspan(at)) + 4),
        std::span(changed).subspan(at));
  const Decoded decoded = Decode(*codec, RouterReply(changed));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->changes, kChangedLength);
}

TEST_P(CodecReply, TellsOfAChangedId) {
  if (V6()) return;
  const auto codec = Make(13);
  for (int i = 0; i < 1000; ++i) {
    // At any time, and so with any id.
    const Instant now = kStart + Nanos(random_() % 300'000'000'000'000);
    const Instant arrival = now + Nanos(random_() % 900'000'000);
    const Bytes packet = Encode(*codec, RandomProbe(), now);
    const RouterOptions full{.quoted_transport = 64};
    EXPECT_EQ(Decode(*codec, RouterReply(packet, full), arrival)->changes, 0);
    Bytes changed = packet;
    Store(Be16(Load<Be16>(std::span(packet).subspan(4)) ^ 0x4321),
          std::span(changed).subspan(4));
    const Decoded decoded = Decode(*codec, RouterReply(changed, full), arrival);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->changes, kChangedId);
    // The time is that of the payload, or of the sequence number.
    EXPECT_LE(decoded->rtt - (arrival - now), std::chrono::microseconds(100));
    EXPECT_GE(decoded->rtt - (arrival - now), -std::chrono::microseconds(1));
  }
}

TEST_P(CodecReply, CountsRewrittenDestinationsApart) {
  const auto codec = Make(14);
  int taken = 0, apart = 0, all = 0;
  for (int i = 0; i < 5'000; ++i) {
    Bytes packet = Encode(*codec, RandomProbe());
    SetDestination(RandomTarget(), packet);
    for (const size_t quote : {8, 12, 64}) {
      const Decoded decoded =
          Decode(*codec, RouterReply(packet, {.quoted_transport = quote}));
      ++all;
      taken += static_cast<bool>(decoded);
      apart += decoded.verdict() == Verdict::kRewrittenAddress;
    }
  }
  // Chance: 300 flows of 64,512 where nothing but ports and a clock proves.
  EXPECT_LE(taken, Echo() ? 2 : all * 300 / 64'512 * 2 + 10);
  // Whitened by the target, what a segment says cannot be read without it.
  if (!Tcp()) {
    EXPECT_GT(apart, all * 95 / 100);
  }
}

TEST_P(CodecReply, CountsRewrittenPortsApart) {
  const auto codec = Make(15);
  int taken = 0, apart = 0, all = 0;
  for (int i = 0; i < 5'000; ++i) {
    Bytes packet = Encode(*codec, RandomProbe());
    // The id of echo requests; the source port of others, as by NAT.
    const size_t at = TransportStart(packet) + (Echo() ? 4 : 0);
    const uint16_t before = Load<Be16>(std::span(packet).subspan(at));
    Store(Be16(static_cast<uint16_t>(before ^ (0x8000 | random_() % 0x7fff))),
          std::span(packet).subspan(at));
    const Decoded decoded =
        Decode(*codec, RouterReply(packet, {.quoted_transport = 64}));
    ++all;
    taken += static_cast<bool>(decoded);
    apart += decoded.verdict() == Verdict::kRewrittenPort;
  }
  EXPECT_LE(taken, all * 300 / 64'512 * 2 + 10);
  // Ports below those that probes have cannot be told from anybody's.
  EXPECT_GT(apart, all * 9 / 10);
}

INSTANTIATE_TEST_SUITE_P(Codecs, CodecReply, testing::ValuesIn(AllCodecCases()),
                         NameOf);

}  // namespace
}  // namespace fathom
