// The responder in the kernel: an XDP program that turns a probe into its
// answer where it lies, before the kernel has made a packet of it.
//
// The model is that of user space, compiled from the same headers: Model::Ask()
// says what comes of a probe. Here is what is around it: reading the probe, and
// the buckets of the routers that limit themselves.
//
// It answers at once, and only as it should. What has a mishap on its way -
// comes late, or twice, or cut short, or with forged packets - is left to the
// packet sockets in user space, and so is all that is not IPv4.

#include "src/base/bpf_kernel.h"
#include "src/lab/model.h"
#include "src/lab/xdp/answers.h"
#include "src/lab/xdp/shared.h"

namespace fathom::lab::kernel {
namespace {

extern "C" {
FATHOM_MAP(space, BPF_MAP_TYPE_ARRAY, sizeof(uint64_t), kSpaceWords);
FATHOM_MAP(buckets, BPF_MAP_TYPE_ARRAY, sizeof(XdpBucketSet), kBucketSets);
FATHOM_MAP(load, BPF_MAP_TYPE_ARRAY, sizeof(uint64_t), kLoadBins);
FATHOM_MAP(counts, BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(XdpCounts), 1);
FATHOM_MAP(frames, BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(Frame), 1);

// An XdpRules, as bytes so that the compiler cannot know what is in it.
alignas(8) char rules[sizeof(XdpRules)] FATHOM_SECTION(".rodata.rules");

// When the first probe came.
uint64_t start_ns FATHOM_SECTION(".data.start") = 0;

char program_license[] FATHOM_SECTION("license") = "Apache-2.0";
}

const XdpRules& Rules() { return *reinterpret_cast<const XdpRules*>(rules); }

bool InSpace(uint32_t address) {
  const auto* word = Entry<uint64_t>(&space, address >> 14);
  return word != nullptr && (*word >> (address >> 8 & 63) & 1) != 0;
}

// Counts `fate` and returns it as what to do with the frame.
int Drop(XdpCounts& counted, Fate fate) {
  ++counted.fates[static_cast<size_t>(fate)];
  return XDP_DROP;
}

// When the lab began, if it has.
uint64_t Begin(uint64_t now) {
  if (start_ns == 0) __sync_val_compare_and_swap(&start_ns, 0, now);
  return start_ns;
}

void Clock(XdpCounts& counted, uint64_t now, uint64_t age) {
  if (counted.first_ns == 0) counted.first_ns = now;
  counted.last_ns = now;
  const uint64_t bin = age / 1'000'000;
  auto* const probes = Entry<uint64_t>(
      &load, bin < kLoadBins ? static_cast<uint32_t>(bin) : kLoadBins - 1);
  if (probes != nullptr) __sync_fetch_and_add(probes, 1);
}

// As RateLimiter::Allow(). Two processors that serve one router at the same
// moment may give away one token twice.
[[gnu::noinline]] bool TakeToken(uint32_t router, uint64_t token,
                                 uint32_t burst, uint64_t now) {
  auto* const set = Entry<XdpBucketSet>(
      &buckets, static_cast<uint32_t>(Mix(router)) % kBucketSets);
  if (set == nullptr) return true;
  XdpBucket* bucket = &set->slots[0];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < kBucketSlots; ++i) {
    XdpBucket& slot = set->slots[i];
    if (slot.router == router) {
      bucket = &slot;
      break;
    }
    if (slot.full < bucket->full) bucket = &slot;
  }
  if (bucket->router != router) {
    bucket->router = router;
    bucket->full = now;
  }
  const uint64_t after = std::max(bucket->full, now) + token;
  if (after - now > token * burst) return false;
  bucket->full = after;
  return true;
}

// The sum of the pseudo-header (RFC 768, RFC 9293); 0 for ICMP.
uint64_t PseudoSum(const Frame& frame, uint32_t target, uint32_t length) {
  if (frame.protocol == kProtocolIcmp) return 0;
  return uint64_t{frame.source} + target + (uint32_t{frame.protocol} << 8) +
         Swap(static_cast<uint16_t>(length));
}

struct ChecksumRead {
  bool right;
  // A kernel that sends over a veth leaves the sum to hardware that there is
  // not, with that of the pseudo-header in its place. Then this is not 0, and
  // is the sum that belongs there.
  uint16_t completed;
};

constexpr uint32_t ChecksumPlace(uint8_t protocol) {
  return protocol == kProtocolTcp ? 16 : 6;
}

ChecksumRead ReadChecksum(const Frame& frame, uint32_t target,
                          const uint8_t* transport, const uint8_t* end) {
  const uint8_t protocol = frame.protocol;
  const bool ports = protocol == kProtocolUdp || protocol == kProtocolTcp;
  if (!ports && protocol != kProtocolIcmp) return {true, 0};
  const uint32_t length = frame.total - frame.header_length;
  const uint32_t place = ChecksumPlace(protocol);
  uint16_t stated = 0;
  if (ports && transport + place + 2 <= end && place + 2 <= length) {
    stated = Get<uint16_t>(transport + place);
    if (protocol == kProtocolUdp && stated == 0) return {true, 0};
  }
  const uint64_t sum = SumOf(transport, end, length);
  const uint64_t pseudo = PseudoSum(frame, target, length);
  if (Fold(sum + pseudo) == 0xffff) return {true, 0};
  if (ports && stated == Fold(pseudo)) {
    const auto right = static_cast<uint16_t>(~Fold(sum));
    return {true, right == 0 ? uint16_t{0xffff} : right};
  }
  return {false, 0};
}

// Reads the IP header into `frame`. False as for ReadProbe() in user space,
// nullopt.
bool ReadHeader(const uint8_t* ip, const uint8_t* end, Frame& frame) {
  frame.size = static_cast<uint32_t>(end - ip);
  if (frame.size > kMaxPacketSize || ip + kIp > end) return false;
  frame.header_length = (ip[0] & 0xfU) * 4;
  frame.total = Swap(Get<uint16_t>(ip + 2));
  frame.tos = ip[1];
  frame.protocol = ip[9];
  frame.source = Get<uint32_t>(ip + 12);
  if (ip[0] >> 4 != 4 || frame.header_length < kIp ||
      frame.total > frame.size || frame.total < frame.header_length + 8 ||
      ip[8] == 0 || (Swap(Get<uint16_t>(ip + 6)) & kFragmentOffsetMask) != 0) {
    return false;
  }
  return Fold(HeaderSum(ip, end, frame.header_length)) == 0xffff;
}

// Model::Ask() step by step, each with a stack of its own.
[[gnu::noinline]] void FollowPath(void* about) {
  Frame& frame = *static_cast<Frame*>(about);
  frame.path = PathEnd();
  Rules().model.FollowPath(frame.asked, frame.path);
}
[[gnu::noinline]] void Land(void* about) {
  Frame& frame = *static_cast<Frame*>(about);
  frame.landing = Rules().model.LandingOn(frame.path, frame.asked);
}
[[gnu::noinline]] void Judge(void* about) {
  Frame& frame = *static_cast<Frame*>(about);
  frame.answer = Rules().model.AnswerFrom(frame.landing, frame.asked);
}

int Transmit(xdp_md* context, Frame& frame, XdpCounts& counted) {
  bool made = false;
  const Answer::Form form = frame.answer.form;
  if (form == Answer::Form::kError) {
    made = MakeError(context, &frame, Rules().mac.data());
  } else if (form == Answer::Form::kEchoReply) {
    made = MakeEchoReply(context, &frame, Rules().mac.data());
  } else {
    made = MakeTcpAnswer(context, &frame, Rules().mac.data());
  }
  const auto fate = static_cast<size_t>(frame.answer.fate);
  if (fate < kFates) ++counted.fates[fate];
  if (made) return XDP_TX;
  ++counted.stuck;
  return XDP_DROP;
}

int Respond(xdp_md* context, Frame& frame, XdpCounts& counted) {
  uint8_t* const ip = Start(context) + kEthernet;
  const uint8_t* const end = End(context);
  const uint64_t now = Now();
  const uint64_t age = now - Begin(now);
  Clock(counted, now, age);
  if (!ReadHeader(ip, end, frame)) return Drop(counted, Fate::kMalformed);
  const uint32_t header_length = frame.header_length;
  uint8_t* const transport = ip + header_length;
  if (header_length > 60 || ip + kIp > end || transport + 8 > end) {
    return Drop(counted, Fate::kMalformed);
  }
  const uint8_t protocol = frame.protocol;
  const bool icmp = protocol == kProtocolIcmp;
  if (icmp && transport[0] != kIcmpEchoRequest) {
    return Drop(counted, Fate::kNotAProbe);
  }
  const uint32_t target = Get<uint32_t>(ip + 16);
  const auto checksum = ReadChecksum(frame, target, transport, end);
  if (!checksum.right) ++counted.wrong_checksums;

  const Model& model = Rules().model;
  const uint64_t chance =
      IdentityOf(now & Rules().clock_mask, Get<uint64_t>(ip + 4),
                 Get<uint64_t>(ip + 12), Get<uint64_t>(transport));
  if (model.LostForward(chance)) return Drop(counted, Fate::kLostForward);
  const bool has_header = frame.total - header_length >= sizeof(TcpHeader) &&
                          transport + sizeof(TcpHeader) <= end;
  Asked& asked = frame.asked;
  asked.to = {Swap(target), InSpace(Swap(target))};
  asked.keys = KeysOf(AddressKey(Swap(frame.source), Swap(target)), frame.tos,
                      protocol, Swap(Get<uint32_t>(transport)),
                      icmp ? Swap(Get<uint16_t>(transport + 4)) : uint16_t{0});
  asked.chance = chance;
  asked.age = Nanos(static_cast<int64_t>(age));
  asked.ttl = ip[8];
  asked.question = QuestionOf(protocol, transport[0], has_header,
                              has_header ? transport[13] : uint8_t{0});
  asked.right_checksum = checksum.right;
  FollowPath(&frame);
  Land(&frame);
  Judge(&frame);

  const Answer& answer = frame.answer;
  if (answer.form == Answer::Form::kNone) {
    const auto fate = static_cast<size_t>(answer.fate);
    if (fate < kFates) ++counted.fates[fate];
    return XDP_DROP;
  }
  const auto token = static_cast<uint64_t>(answer.token.count());
  if (token > 0 && !TakeToken(answer.header.source, token, answer.burst, now)) {
    return Drop(counted, Fate::kRateLimited);
  }
  if (model.LostOnReturn(chance)) return Drop(counted, Fate::kLostReturn);
  if (model.mischief().Strikes(chance)) {
    ++counted.mishaps;
    return XDP_PASS;
  }
  if (checksum.completed != 0) {
    const uint32_t place = ChecksumPlace(protocol);
    if (transport + place + 2 <= end)
      Put(transport + place, checksum.completed);
  }
  return Transmit(context, frame, counted);
}

// Whether it is IPv4 to us.
bool IsOurs(const uint8_t* data, const uint8_t* end) {
  const auto* const mac = Rules().mac.data();
  return data + kEthernet <= end &&
         Get<uint16_t>(data + 12) == Swap(kEtherTypeIpv4) &&
         Get<uint32_t>(data) == Get<uint32_t>(mac) &&
         Get<uint16_t>(data + 4) == Get<uint16_t>(mac + 4);
}

}  // namespace

extern "C" FATHOM_SECTION("xdp") int respond(xdp_md* context) {
  auto* const counted = Entry<XdpCounts>(&counts, 0);
  auto* const frame = Entry<Frame>(&frames, 0);
  if (counted == nullptr || frame == nullptr) return XDP_ABORTED;
  const uint8_t* const data = Start(context);
  const uint8_t* const end = End(context);
  if (!IsOurs(data, end)) {
    ++counted->foreign;
    return XDP_PASS;
  }
  frame->mac_start = Get<uint32_t>(data + 6);
  frame->mac_rest = Get<uint16_t>(data + 10);
  return Respond(context, *frame, *counted);
}

}  // namespace fathom::lab::kernel
