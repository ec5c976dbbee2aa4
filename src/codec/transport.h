#ifndef FATHOM_SRC_CODEC_TRANSPORT_H_
#define FATHOM_SRC_CODEC_TRANSPORT_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "fathom/address.h"
#include "src/codec/headers.h"

namespace fathom {

// What the eight bytes of a probe that routers must quote (RFC 792) carry:
// proof and flow, TTL and time. How they stand there is the one thing in which
// probe protocols differ; see marked_codec.h for the rest of a probe.
struct Mark {
  uint16_t proof = 0;  // The second half of the proof, where there is room.
  uint16_t value = 0;  // The first half, plus the flow: below kValues.
  // TTL, coarse time, fine time: see probe_clock.h. Where a transport carries
  // the upper half only, the lower is zero.
  uint32_t time = 0;

  friend bool operator==(const Mark&, const Mark&) = default;
};

// How many values a source port has. Ports below are those of services, and
// firewalls wonder at them.
inline constexpr uint32_t kPortValues = 65'536 - kMinAnsweredPort;

// A transport is a header that can carry a mark in its first eight bytes, for
// one family.
//
//   kFamily      the family
//   kProtocol    the number in the IP header
//   kValues      how many values Mark::value has, at most 65,535
//   kHasProof    whether Mark::proof is carried; else replies must be recent
//   kHasFine     whether the lower half of Mark::time is carried, and the time
//                is whitened: mixed with a number that proves the target
//   kHasPayload  whether a payload follows, whose tweak makes the checksum of
//                the header true; else the checksum is computed
//   kPseudo      whether the checksum covers the pseudo-header (RFC 768)
//   HeaderOf()   the header for a mark, of a probe of so many bytes from the
//                header on
//   SumOf()      what the words of HeaderOf(mark) sum to in ones' complement,
//                beyond those of HeaderOf(Mark{})
//   Read()       the mark in the header of a probe as it was quoted; nullopt if
//                it cannot be that of a probe of ours
//   ReadAnswer() likewise of the message that a host answers with. `moved` is
//                what other addresses in the pseudo-header took from its sum
//   IsNearMiss() whether `mark` is what middleboxes make of one that has the
//                proof and value of `right`, or a flow more
//   IsHosts()    whether this code of Destination Unreachable is sent by the
//                host that was asked, not by a router before it
template <typename T>
concept Transport = requires(const Mark& mark, uint16_t number,
                             std::span<const std::byte> bytes, uint8_t code) {
  { T::kFamily } -> std::convertible_to<Family>;
  { T::kProtocol } -> std::convertible_to<uint8_t>;
  { T::kValues } -> std::convertible_to<uint32_t>;
  { T::kHasProof } -> std::convertible_to<bool>;
  { T::kHasFine } -> std::convertible_to<bool>;
  { T::kHasPayload } -> std::convertible_to<bool>;
  { T::kPseudo } -> std::convertible_to<bool>;
  { T::HeaderOf(mark, number) } -> std::same_as<typename T::Header>;
  { T::SumOf(mark) } -> std::same_as<uint16_t>;
  { T::Read(bytes) } -> std::same_as<std::optional<Mark>>;
  { T::ReadAnswer(bytes, number) } -> std::same_as<std::optional<Mark>>;
  { T::IsNearMiss(mark, mark, number) } -> std::same_as<bool>;
  { T::IsHosts(code) } -> std::same_as<bool>;
};

}  // namespace fathom

#endif  // FATHOM_SRC_CODEC_TRANSPORT_H_
