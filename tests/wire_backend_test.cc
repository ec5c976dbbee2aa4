// What backends on a Linux interface send and receive.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "src/base/bytes.h"
#include "src/codec/headers.h"
#include "tests/backend_stand.h"

namespace fathom {
namespace {

std::vector<Bytes> RandomFrames(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Bytes> frames;
  for (size_t i = 0; i < count; ++i) {
    Bytes frame(sizeof(EthernetHeader) + 1 +
                random() % (kMaxProbeSize - sizeof(EthernetHeader)));
    for (std::byte& byte : frame) byte = std::byte(random());
    const EthernetHeader header = {
        {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, kExperimental};
    Store(header, frame);
    frames.push_back(std::move(frame));
  }
  return frames;
}

TEST_P(WireBackendTest, SendsByteForByteInOrder) {
  for (const size_t ring : {1, 7, 64, 2048}) {
    for (const size_t batch : {1, 5, 64, 300}) {
      Open(ring);
      const auto frames =
          RandomFrames(400, static_cast<uint32_t>(ring + batch));
      Send(frames, batch);
      for (const Bytes& frame : frames) {
        ASSERT_EQ(far_->Hear(kExperimental), frame) << ring << " " << batch;
      }
      EXPECT_EQ(backend_->counters().tx_failed, 0U);
    }
  }
}

TEST_P(WireBackendTest, NeverSendsWhatItLentAndDidNotGetBackToSend) {
  Open(64);
  const auto frames = RandomFrames(200, 3);
  std::mt19937 random(4);
  std::vector<Bytes> expected;
  for (size_t sent = 0; sent < frames.size();) {
    const auto lent = tx().Lend(std::min<size_t>(frames.size() - sent, 9));
    ASSERT_FALSE(lent.empty());
    const size_t keep = random() % (lent.size() + 1);
    for (size_t i = 0; i < lent.size(); ++i) {
      const Bytes& frame = frames[sent++];
      std::copy(frame.begin(), frame.end(), lent[i].room.begin());
      lent[i].length = frame.size();
      if (i < keep) expected.push_back(frame);
    }
    ASSERT_TRUE(tx().Send(keep).ok());
  }
  const auto last = RandomFrames(1, 5);
  Send(last, 1);
  expected.push_back(last.front());
  for (const Bytes& frame : expected) {
    ASSERT_EQ(far_->Hear(kExperimental), frame);
  }
}

// As any frame that cannot leave; those beside it do.
TEST_P(WireBackendTest, CountsWhatIsLongerThanTheMtu) {
  ASSERT_TRUE(netns_->Ip("link set veth0 mtu 100").ok());
  Open(64);
  std::vector<Bytes> frames = RandomFrames(60, 7);
  std::vector<Bytes> fitting;
  for (const Bytes& frame : frames) {
    if (frame.size() <= sizeof(EthernetHeader) + 100) fitting.push_back(frame);
  }
  ASSERT_LT(fitting.size(), frames.size());
  Send(frames, 30);
  for (const Bytes& frame : fitting) {
    ASSERT_EQ(far_->Hear(kExperimental), frame);
  }
  EXPECT_EQ(backend_->counters().tx_failed, frames.size() - fitting.size());
}

TEST_P(WireBackendTest, LinkHeaderLeadsToTheGateway) {
  Open();
  const EthernetHeader expected = {
      {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, kEtherTypeIpv4};
  ASSERT_EQ(backend_->link_header().size(), sizeof expected);
  EXPECT_EQ(
      std::memcmp(backend_->link_header().data(), &expected, sizeof expected),
      0);
  EXPECT_EQ(backend_->source(), kNear);
  EXPECT_EQ(backend_->Describe(),
            "veth0, 10.0.0.2, gateway 10.0.0.1 at 02:00:00:00:00:01");
}

// The far kernel answers, and no one else.
TEST_P(WireBackendTest, HearsARealEchoReply) {
  Open();
  const Bytes request = IcmpPacket(kNear, kFar, kIcmpEchoRequest, 77);
  Send({Concat(backend_->link_header(), request)}, 1);
  const auto frames = rx().Receive(kLong);
  ASSERT_TRUE(frames.ok()) << frames.status();
  ASSERT_EQ(frames->size(), 1U);
  EXPECT_EQ(NumberOf((*frames)[0].bytes), 77U);
  EXPECT_EQ(IpAddress::V4(Load<Ipv4Header>((*frames)[0].bytes).source), kFar);
}

TEST_P(WireBackendTest, LendsPacketsFromTheIpHeaderOn) {
  Open();
  std::vector<Bytes> packets;
  for (const uint8_t type :
       {kIcmpEchoReply, kIcmpUnreachable, kIcmpTimeExceeded}) {
    packets.push_back(IcmpPacket(kFar, kNear, type, type));
    far_->Send({Inbound(packets.back())});
  }
  std::vector<Bytes> heard;
  while (heard.size() < packets.size()) {
    const auto frames = rx().Receive(kLong);
    ASSERT_TRUE(frames.ok() && !frames->empty());
    for (const RxFrame& frame : *frames) {
      heard.emplace_back(frame.bytes.begin(), frame.bytes.end());
    }
  }
  EXPECT_EQ(heard, packets);
}

TEST_P(WireBackendTest, LendsTheLongestPacketWhole) {
  Open();
  Bytes packet = IcmpPacket(kFar, kNear, kIcmpTimeExceeded, 1);
  packet.resize(1500, std::byte{0x5a});
  auto ip = Load<Ipv4Header>(packet);
  ip.total_length = 1500;
  Store(ip, packet);
  far_->Send({Inbound(packet)});
  const auto frames = rx().Receive(kLong);
  ASSERT_TRUE(frames.ok() && frames->size() == 1);
  const auto bytes = frames->front().bytes;
  EXPECT_EQ(Bytes(bytes.begin(), bytes.end()), packet);
}

TEST_P(WireBackendTest, StampsArrivalsBetweenSendingAndReceiving) {
  Open();
  for (uint32_t i = 0; i < 200; ++i) {
    const Instant before = backend_->Now();
    far_->Send({Reply(i)});
    const auto frames = rx().Receive(kLong);
    const Instant after = backend_->Now();
    ASSERT_TRUE(frames.ok() && frames->size() == 1);
    EXPECT_GE(frames->front().arrival, before);
    EXPECT_LE(frames->front().arrival, after);
  }
}

TEST_P(WireBackendTest, FramesStayUntilTheNextReceive) {
  Open(16);
  const auto replies = Replies(64);
  far_->Send(replies);
  for (uint32_t number = 0; number < replies.size();) {
    const auto frames = rx().Receive(kLong);
    ASSERT_TRUE(frames.ok() && !frames->empty());
    // More comes, and must not take the place of what was lent.
    far_->Send(std::vector<Bytes>(50, Reply(9999, kIcmpEchoReply)));
    for (const RxFrame& frame : *frames) {
      const uint32_t heard = NumberOf(frame.bytes);
      if (heard == 9999) continue;
      ASSERT_EQ(heard, number++);
    }
  }
}

TEST_P(WireBackendTest, ReceivesABurstInOrderOrCountsTheRest) {
  constexpr uint32_t kBurst = 10'000;
  for (const size_t ring : {1, 3, 64, 2048}) {
    Open(ring);
    far_->Send(Replies(kBurst));
    const auto numbers = ReceiveNumbers(kBurst);
    EXPECT_EQ(numbers.size() + backend_->counters().rx_dropped, kBurst);
    EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
  }
}

// More than any ring holds, while nobody listens.
TEST_P(WireBackendTest, CountsWhatOverflows) {
  constexpr uint32_t kBurst = 300'000;
  Open();
  far_->Send(Replies(kBurst));
  const auto numbers = ReceiveNumbers(kBurst);
  EXPECT_GT(backend_->counters().rx_dropped, 0U);
  EXPECT_EQ(numbers.size() + backend_->counters().rx_dropped, kBurst);
}

TEST_P(WireBackendTest, LendsNothingThatIsNoAnswerToUs) {
  Open();
  const Bytes good = IcmpPacket(kFar, kNear, kIcmpTimeExceeded, 1);
  const auto with = [&good](size_t at, uint8_t value) {
    Bytes packet = good;
    packet[at] = std::byte(value);
    return packet;
  };
  Bytes tagged(4);  // Tag 5, then the type of what follows.
  Store(Be16(5), tagged);
  Store(Be16(kEtherTypeIpv4), std::span(tagged).subspan(2));
  std::vector<Bytes> foreign = {
      Inbound(with(offsetof(Ipv4Header, protocol), 17)),  // UDP
      Inbound(with(offsetof(Ipv4Header, protocol), 6)),   // TCP
      Inbound(with(0, 0x65)),                             // Version 6
      Inbound(with(offsetof(Ipv4Header, flags_fragment) + 1, 1)),
      Inbound(IcmpPacket(kFar, kTarget, kIcmpTimeExceeded, 2)),
      Inbound(Concat(tagged, good), 0x8100),
      Inbound(good, kExperimental),
      Inbound(good, 0x86dd),
      Inbound({}),
      Inbound(Bytes(good.begin(), good.begin() + 20)),
  };
  for (int type = 0; type < 256; ++type) {
    if (type == kIcmpEchoReply || type == kIcmpUnreachable ||
        type == kIcmpTimeExceeded) {
      continue;
    }
    foreign.push_back(Reply(3, static_cast<uint8_t>(type)));
  }
  far_->Send(foreign);
  far_->Send({Reply(4711)});
  const auto frames = rx().Receive(kLong);
  ASSERT_TRUE(frames.ok());
  ASSERT_FALSE(frames->empty());
  EXPECT_EQ(NumberOf(frames->front().bytes), 4711U);
  EXPECT_EQ(frames->size(), 1U);
}

TEST_P(WireBackendTest, ReadsRepliesWithIpOptions) {
  Open();
  // Four bytes of no-operation between the headers.
  Bytes packet = IcmpPacket(kFar, kNear, kIcmpTimeExceeded, 1);
  packet.insert(packet.begin() + sizeof(Ipv4Header), 4, std::byte{1});
  packet[0] = std::byte{0x46};
  far_->Send({Inbound(packet)});
  const auto frames = rx().Receive(kLong);
  ASSERT_TRUE(frames.ok() && frames->size() == 1);
}

TEST_P(WireBackendTest, DoesNotReceiveWhatItSends) {
  Open();
  // From us to us: an answer by all that the filter looks at.
  const Bytes own = IcmpPacket(kNear, kNear, kIcmpEchoReply, 1);
  Send(std::vector<Bytes>(100, Concat(backend_->link_header(), own)), 16);
  far_->Send({Reply(4711)});
  const auto frames = rx().Receive(kLong);
  ASSERT_TRUE(frames.ok());
  ASSERT_FALSE(frames->empty());
  EXPECT_EQ(NumberOf(frames->front().bytes), 4711U);
  EXPECT_EQ(frames->size(), 1U);
}

TEST_P(WireBackendTest, QueuesMayMoveBetweenThreads) {
  Open(16);
  const auto frames = RandomFrames(60, 9);
  std::vector<uint32_t> numbers;
  for (size_t i = 0; i < frames.size(); i += 20) {
    far_->Send({Reply(static_cast<uint32_t>(2 * i))});
    // Waits under way in the thread that goes must not be missed.
    std::jthread([&] {
      Send({frames.begin() + static_cast<long>(i),
            frames.begin() + static_cast<long>(i) + 10},
           3);
      ASSERT_TRUE(rx().Receive(kLong).ok());
    }).join();
    far_->Send({Reply(static_cast<uint32_t>(2 * i + 1))});
    Send({frames.begin() + static_cast<long>(i) + 10,
          frames.begin() + static_cast<long>(i) + 20},
         3);
    const auto received = rx().Receive(kLong);
    ASSERT_TRUE(received.ok() && received->size() == 1);
    EXPECT_EQ(NumberOf(received->front().bytes), 2 * i + 1);
  }
  for (const Bytes& frame : frames) {
    ASSERT_EQ(far_->Hear(kExperimental), frame);
  }
}

}  // namespace
}  // namespace fathom
