#ifndef FATHOM_SRC_LAB_XDP_ANSWERS_H_
#define FATHOM_SRC_LAB_XDP_ANSWERS_H_

#include <algorithm>
#include <array>

#include "src/base/bpf_kernel.h"
#include "src/codec/headers.h"
#include "src/lab/model.h"

namespace fathom::lab::kernel {

// Turns the frame of a probe into that of its answer, where it lies. What
// reply.cc does in user space; tests hold the two equal.

// What the program knows about one frame. It lives in a map, since a program
// has 512 bytes of stack.
struct Frame {
  Asked asked;
  PathEnd path;
  Landing landing;
  Answer answer;
  std::array<uint64_t, 16> quote;  // Of a labelled error.
  uint32_t size;                   // From the IP header on, with padding.
  uint32_t total;                  // Without.
  uint32_t header_length;          // Of the IP header.
  uint32_t source;                 // As in memory.
  uint32_t mac_start;              // Of the sender, as in memory.
  uint16_t mac_rest;
  uint8_t tos;
  uint8_t protocol;
};

constexpr uint32_t kEthernet = sizeof(EthernetHeader);
constexpr uint32_t kIp = sizeof(Ipv4Header);
constexpr uint32_t kIcmp = sizeof(IcmpHeader);
constexpr uint32_t kMessage = kEthernet + kIp;  // Where it is in the frame.
constexpr uint32_t kQuote = kMessage + kIcmp;
constexpr uint32_t kPadded = 128;  // See reply.cc.
constexpr uint32_t kExtension = 12;

// Writes the Ethernet and IP header of an answer of `length` bytes.
// REQUIRES: `at` has kMessage bytes.
inline void PutHeaders(const Frame& frame, const uint8_t* mac, uint8_t protocol,
                       uint32_t length, uint8_t* at) {
  const ReplyHeader& header = frame.answer.header;
  Put(at, frame.mac_start);
  Put(at + 4, frame.mac_rest);
  Put(at + 6, Get<uint32_t>(mac));
  Put(at + 10, Get<uint16_t>(mac + 4));
  Put(at + 12, Swap(kEtherTypeIpv4));
  const uint32_t tos =
      protocol == kProtocolIcmp && frame.answer.form == Answer::Form::kEchoReply
          ? frame.tos
          : 0;
  const uint32_t start =
      0x45 | tos << 8 | uint32_t{Swap(static_cast<uint16_t>(length))} << 16;
  const uint32_t id = Swap(header.id);
  const uint32_t ttl = header.ttl | uint32_t{protocol} << 8;
  const uint32_t source = Swap(header.source);
  const uint32_t sum = static_cast<uint16_t>(
      ~Fold(uint64_t{start} + id + ttl + source + frame.source));
  uint8_t* const ip = at + kEthernet;
  Put(ip, start);
  Put(ip + 4, id);
  Put(ip + 8, ttl | sum << 16);
  Put(ip + 12, source);
  Put(ip + 16, frame.source);
}

inline uint32_t QuotedBytes(const Frame& frame) {
  const uint32_t least = frame.header_length + 8;
  const uint32_t most =
      frame.answer.labelled ? kPadded : kMaxErrorSize - kIp - kIcmp;
  const uint32_t wanted = std::max<uint32_t>(least, frame.answer.error.quotes);
  return std::min(frame.total, std::min(most, wanted));
}

// What a middlebox changes in the quote. The IP header's sum comes later.
inline void Spoil(const Frame& frame, uint8_t* quote, const uint8_t* end) {
  const IcmpError& error = frame.answer.error;
  if (error.rewrite == Rewrite::kTarget) {
    Put(quote + 16, Swap(uint32_t{0x0a000000 | (error.chance & 0xffffff)}));
  } else if (error.rewrite == Rewrite::kId) {
    Put(quote + 4, uint16_t{0});
  } else if (error.rewrite == Rewrite::kFlow) {
    uint32_t at = frame.header_length;
    if (frame.protocol == kProtocolIcmp) at += 4;
    if (at > 64 || quote + at + 2 > end) return;
    Put(quote + at, Swap(static_cast<uint16_t>(error.chance)));
  }
}

// RFC 4884, section 7, with one object of RFC 4950.
inline void PutLabel(const Label& label, uint8_t* at) {
  const uint32_t start = 0x20;         // Version 2.
  const uint32_t object = 0x01010800;  // 8 bytes; the label stack.
  const uint32_t entry = Swap(label.value << 12 | 1 << 8 | label.ttl);
  const uint32_t sum =
      static_cast<uint16_t>(~Fold(uint64_t{start} + object + entry));
  Put(at, start | sum << 16);
  Put(at + 4, object);
  Put(at + 8, entry);
}

// Makes room for the headers, with `quoted` bytes of the probe behind them.
inline bool ShapePlainError(xdp_md* context, const Frame& frame,
                            uint32_t quoted) {
  const int surplus = static_cast<int>(frame.size - quoted);
  if (surplus > 0 && !MoveTail(context, -surplus)) return false;
  return MoveHead(context, -static_cast<int>(kIp + kIcmp));
}

// The same, with the quote padded and room for a label. A frame can only be
// counted on to grow at its head, so the quote has to move.
inline bool ShapeLabelledError(xdp_md* context, Frame& frame, uint32_t quoted) {
  constexpr uint32_t kSize = kIp + kIcmp + kPadded + kExtension;
  frame.quote = {};
  if (quoted == 0 || quoted > kPadded ||
      !CopyOut(context, kEthernet, frame.quote.data(), quoted)) {
    return false;
  }
  const int missing = static_cast<int>(kSize - frame.size);
  if (missing < 0 && !MoveTail(context, missing)) return false;
  if (missing > 0 && !MoveHead(context, -missing)) return false;
  uint8_t* const quote = Start(context) + kQuote;
  if (quote + kPadded > End(context)) return false;
  for (uint32_t i = 0; i < kPadded / 8; ++i) {
    Put(quote + i * 8, frame.quote[i]);
  }
  return true;
}

[[gnu::noinline]] static bool MakeError(xdp_md* context, void* about,
                                        const uint8_t* mac) {
  Frame& frame = *static_cast<Frame*>(about);
  const IcmpError& error = frame.answer.error;
  const bool labelled = frame.answer.labelled;
  const uint32_t quoted = QuotedBytes(frame);
  const bool shaped = labelled ? ShapeLabelledError(context, frame, quoted)
                               : ShapePlainError(context, frame, quoted);
  if (!shaped) return false;
  uint8_t* const data = Start(context);
  const uint8_t* const end = End(context);
  if (data + kQuote + kIp + 8 > end) return false;
  const uint32_t message = kIcmp + (labelled ? kPadded + kExtension : quoted);
  PutHeaders(frame, mac, kProtocolIcmp, kIp + message, data);

  uint8_t* const quote = data + kQuote;
  Spoil(frame, quote, end);
  quote[8] = error.quoted_ttl;
  Put(quote + 10, uint16_t{0});
  Put(quote + 10,
      static_cast<uint16_t>(~Fold(HeaderSum(quote, end, frame.header_length))));
  uint32_t length = 0;
  if (labelled) {
    if (quote + kPadded + kExtension > end) return false;
    PutLabel(frame.answer.label, quote + kPadded);
    // In words of 32 bits, in the second byte of the unused word.
    if (!frame.answer.label.odd) length = kPadded / 4 << 8;
  }
  uint8_t* const icmp = data + kMessage;
  Put(icmp, error.type | uint32_t{error.code} << 8);
  Put(icmp + 4, length);
  Put(icmp + 2, static_cast<uint16_t>(~Fold(SumOf(icmp, end, message))));
  return true;
}

[[gnu::noinline]] static bool MakeEchoReply(xdp_md* context, void* about,
                                            const uint8_t* mac) {
  const Frame& frame = *static_cast<const Frame*>(about);
  const int surplus = static_cast<int>(frame.size - frame.total);
  if (surplus > 0 && !MoveTail(context, -surplus)) return false;
  const int options = static_cast<int>(frame.header_length - kIp);
  if (options > 0 && !MoveHead(context, options)) return false;
  uint8_t* const data = Start(context);
  const uint8_t* const end = End(context);
  if (data + kMessage + kIcmp > end) return false;
  const uint32_t message = frame.total - frame.header_length;
  PutHeaders(frame, mac, kProtocolIcmp, kIp + message, data);
  uint8_t* const icmp = data + kMessage;
  icmp[0] = kIcmpEchoReply;
  Put(icmp + 2, uint16_t{0});
  Put(icmp + 2, static_cast<uint16_t>(~Fold(SumOf(icmp, end, message))));
  return true;
}

[[gnu::noinline]] static bool MakeTcpAnswer(xdp_md* context, void* about,
                                            const uint8_t* mac) {
  constexpr uint32_t kHeader = sizeof(TcpHeader);
  const Frame& frame = *static_cast<const Frame*>(about);
  const uint32_t header_length = frame.header_length;
  if (header_length > 60) return false;
  const uint8_t* const asked = Start(context) + kEthernet + header_length;
  if (asked + kHeader > End(context)) return false;
  const uint32_t ports = Get<uint32_t>(asked);
  const uint32_t sequence = Swap(Get<uint32_t>(asked + 4));
  const uint32_t acknowledgment = Get<uint32_t>(asked + 8);
  const uint8_t flags = asked[13];
  const uint32_t size = frame.total - header_length;
  const uint32_t data_size =
      size - std::min<uint32_t>(size, (asked[12] >> 4) * 4U);
  if (!MoveTail(context, static_cast<int>(kIp + kHeader) -
                             static_cast<int>(frame.size))) {
    return false;
  }
  uint8_t* const data = Start(context);
  if (data + kMessage + kHeader > End(context)) return false;
  PutHeaders(frame, mac, kProtocolTcp, kIp + kHeader, data);

  uint32_t first = acknowledgment;
  uint32_t second = 0;
  uint32_t answer = kTcpReset;
  uint32_t window = 0;
  if ((flags & kTcpAck) == 0) {
    const bool takes = frame.answer.open && (flags & kTcpSyn) != 0;
    first = takes ? Swap(uint32_t{frame.answer.header.id} * 2'654'435'769U) : 0;
    second = Swap(sequence + ((flags & kTcpSyn) != 0 ? 1 : 0) + data_size);
    answer = takes ? kTcpSyn | kTcpAck : kTcpReset | kTcpAck;
    window = takes ? Swap(uint16_t{64'240}) : 0;
  }
  const uint32_t turned = ports >> 16 | ports << 16;
  const uint32_t fourth = 5 << 4 | answer << 8 | window << 16;
  constexpr uint32_t kPseudo = uint32_t{kProtocolTcp} << 8 | kHeader << 24;
  const uint64_t sum = uint64_t{turned} + first + second + fourth + kPseudo +
                       frame.source + Swap(frame.answer.header.source);
  uint8_t* const tcp = data + kMessage;
  Put(tcp, turned);
  Put(tcp + 4, first);
  Put(tcp + 8, second);
  Put(tcp + 12, fourth);
  Put(tcp + 16, uint32_t{static_cast<uint16_t>(~Fold(sum))});
  return true;
}

}  // namespace fathom::lab::kernel

#endif  // FATHOM_SRC_LAB_XDP_ANSWERS_H_
