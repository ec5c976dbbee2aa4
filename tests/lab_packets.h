#ifndef FATHOM_TESTS_LAB_PACKETS_H_
#define FATHOM_TESTS_LAB_PACKETS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace fathom::lab {

// Packets made and read by hand, without the headers and checksums that the
// lab itself uses.

inline constexpr uint32_t kSource = 0xc6120001;  // 198.18.0.1

inline uint8_t Byte(std::span<const std::byte> bytes, size_t at) {
  return std::to_integer<uint8_t>(bytes[at]);
}

inline uint32_t Word(std::span<const std::byte> bytes, size_t at) {
  return uint32_t{Byte(bytes, at)} << 8 | Byte(bytes, at + 1);
}

inline uint32_t Address(std::span<const std::byte> bytes, size_t at) {
  return Word(bytes, at) << 16 | Word(bytes, at + 2);
}

inline void Put(std::vector<std::byte>& bytes, size_t at, uint32_t word) {
  bytes[at] = std::byte(word >> 8 & 0xff);
  bytes[at + 1] = std::byte(word & 0xff);
}

// RFC 1071, in its plainest form.
inline uint32_t Sum(std::span<const std::byte> bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    sum += uint32_t{Byte(bytes, i)} << (i % 2 == 0 ? 8 : 0);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

struct Echo {
  uint32_t target = 0;
  uint8_t ttl = 1;
  uint16_t id = 7;
  uint16_t sequence = 1;
  uint8_t tos = 0;
  uint32_t source = kSource;
  size_t payload = 18;
  size_t options = 0;   // Bytes of IP options; a multiple of 4.
  uint16_t damage = 0;  // Added to the ICMP checksum.
  uint8_t type = 8;
  uint8_t protocol = 1;
};

inline std::vector<std::byte> Make(const Echo& echo) {
  const size_t header = 20 + echo.options;
  std::vector<std::byte> packet(header + 8 + echo.payload);
  packet[0] = std::byte(0x40 + header / 4);
  packet[1] = std::byte(echo.tos);
  Put(packet, 2, static_cast<uint32_t>(packet.size()));
  Put(packet, 4, echo.sequence * 31U);
  packet[8] = std::byte(echo.ttl);
  packet[9] = std::byte(echo.protocol);
  Put(packet, 12, echo.source >> 16);
  Put(packet, 14, echo.source);
  Put(packet, 16, echo.target >> 16);
  Put(packet, 18, echo.target);
  for (size_t i = 20; i < header; ++i) packet[i] = std::byte(1);  // No-ops.
  Put(packet, 10, ~Sum(std::span(packet).first(header)));
  packet[header] = std::byte(echo.type);
  Put(packet, header + 4, echo.id);
  Put(packet, header + 6, echo.sequence);
  // The first two bytes of payload undo the sequence number, so that probes
  // of one flow have one checksum, as real probes do.
  for (size_t i = 2; i < echo.payload; ++i) {
    packet[header + 8 + i] = std::byte(i * 7 & 0xff);
  }
  if (echo.payload >= 2) Put(packet, header + 8, ~uint32_t{echo.sequence});
  const uint32_t sum = ~Sum(std::span(packet).subspan(header));
  Put(packet, header + 2, sum + echo.damage);
  return packet;
}

// A UDP datagram or TCP segment, and the sum that is right for it.
inline std::vector<std::byte> MakeSegment(uint32_t target, uint8_t ttl,
                                          uint8_t protocol, uint8_t flags,
                                          uint16_t damage = 0) {
  std::vector<std::byte> packet =
      Make({.target = target, .ttl = ttl, .payload = 12, .protocol = protocol});
  const std::span segment = std::span(packet).subspan(20);
  std::fill(segment.begin(), segment.end(), std::byte(0));
  Put(packet, 20, 40'000);
  Put(packet, 22, 443);
  const size_t sum_at = protocol == 17 ? 26 : 36;
  if (protocol == 17) {
    Put(packet, 24, static_cast<uint32_t>(segment.size()));
  } else {
    Put(packet, 24, 0x1234);
    Put(packet, 26, 0x5678);
    Put(packet, 28, 0x9abc);
    Put(packet, 30, 0xdef0);
    packet[32] = std::byte(0x50);
    packet[33] = std::byte(flags);
  }
  std::vector<std::byte> whole(packet.begin() + 12,
                               packet.end());  // From the addresses on.
  whole.insert(whole.end(), {std::byte(0), std::byte(protocol), std::byte(0),
                             std::byte(segment.size())});
  Put(packet, sum_at, ~Sum(whole) + damage);
  return packet;
}

// A reply as read by hand; `error` says what is not well-formed about it.
struct ReadReply {
  std::string error;
  uint32_t source = 0;
  uint32_t destination = 0;
  uint8_t ttl = 0;
  uint8_t type = 0;
  uint8_t code = 0;
  uint32_t quote_length = 0;        // As stated; 0 where it is not.
  std::span<const std::byte> rest;  // The quote and its extensions, or what an
                                    // echo returns from the id on.
};

inline ReadReply Read(std::span<const std::byte> bytes) {
  ReadReply reply;
  const auto wrong = [&](const char* what) {
    reply.error = what;
    return reply;
  };
  if (bytes.size() < 28) return wrong("too short");
  if (Byte(bytes, 0) != 0x45) return wrong("version or header length");
  if (Word(bytes, 2) != bytes.size()) return wrong("total length");
  if (Sum(bytes.first(20)) != 0xffff) return wrong("header checksum");
  if (Byte(bytes, 9) != 1) return wrong("protocol");
  if (Sum(bytes.subspan(20)) != 0xffff) return wrong("ICMP checksum");
  if (Word(bytes, 6) != 0) return wrong("fragment");
  reply.source = Address(bytes, 12);
  reply.destination = Address(bytes, 16);
  reply.ttl = Byte(bytes, 8);
  reply.type = Byte(bytes, 20);
  reply.code = Byte(bytes, 21);
  if (reply.type == 0) {
    reply.rest = bytes.subspan(24);
    return reply;
  }
  // The length of the quote, in words, where extensions follow (RFC 4884).
  if ((Address(bytes, 24) & 0xff00ffff) != 0) return wrong("unused word");
  reply.quote_length = Byte(bytes, 25) * 4U;
  reply.rest = bytes.subspan(28);
  if (reply.rest.size() < 28) return wrong("quote too short");
  const size_t quoted = (Byte(reply.rest, 0) & 0xfU) * 4;
  if (reply.rest.size() < quoted + 8) return wrong("quoted transport");
  if (Sum(reply.rest.first(quoted)) != 0xffff) return wrong("quoted checksum");
  return reply;
}

}  // namespace fathom::lab

#endif  // FATHOM_TESTS_LAB_PACKETS_H_
