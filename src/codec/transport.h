#ifndef FATHOM_SRC_CODEC_TRANSPORT_H_
#define FATHOM_SRC_CODEC_TRANSPORT_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "src/base/bytes.h"

namespace fathom {

// What the eight bytes of a probe that routers must quote (RFC 792) carry:
// proof and flow, TTL and time. How they stand there is the one thing in which
// probe protocols differ; see marked_codec.h for the rest of a probe.
struct Mark {
  uint16_t proof = 0;  // The second half of the proof, where there is room.
  uint16_t value = 0;  // The first half, plus the flow: below kValues.
  uint16_t time = 0;   // TTL and coarse time: see probe_clock.h.

  friend bool operator==(const Mark&, const Mark&) = default;
};

// What follows the header of a probe. The tweak is what makes the checksum that
// was wished for the true one.
struct Payload {
  Be16 tweak;
  Be32 target;
  Be32 microseconds;
};
static_assert(sizeof(Payload) == 10);

// A transport is a header of eight bytes that can carry a mark.
//
//   kProtocol    the number in the IP header
//   kValues      how many values Mark::value has, at most 65,535
//   kHasProof    whether Mark::proof is carried; else replies must be recent
//   kPseudo      whether the checksum covers the pseudo-header (RFC 768)
//   HeaderOf()   the header for a mark, checksum included, of a probe of so
//                many bytes from the header on. In ones' complement its words
//                sum to those of the mark and a constant
//   Read()       the mark in the header of a probe as it was quoted; nullopt if
//                it cannot be that of a probe of ours
//   ReadAnswer() likewise of an ICMP message that a host answers with
//   IsHosts()    whether this code of Destination Unreachable is sent by the
//                host that was asked, not by a router before it
template <typename T>
concept Transport = requires(const Mark& mark, uint16_t length,
                             std::span<const std::byte> bytes, uint8_t code) {
  { T::kProtocol } -> std::convertible_to<uint8_t>;
  { T::kValues } -> std::convertible_to<uint32_t>;
  { T::kHasProof } -> std::convertible_to<bool>;
  { T::kPseudo } -> std::convertible_to<bool>;
  { T::HeaderOf(mark, length) } -> std::same_as<typename T::Header>;
  { T::ReadAnswer(bytes) } -> std::same_as<std::optional<Mark>>;
  { T::Read(bytes) } -> std::same_as<std::optional<Mark>>;
  { T::IsHosts(code) } -> std::same_as<bool>;
};

}  // namespace fathom

#endif  // FATHOM_SRC_CODEC_TRANSPORT_H_
