#ifndef FATHOM_SRC_CODEC_MARKED_CODEC_H_
#define FATHOM_SRC_CODEC_MARKED_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/probe_codec.h"
#include "src/codec/dissect.h"
#include "src/codec/headers.h"
#include "src/codec/probe_clock.h"
#include "src/codec/transport.h"

namespace fathom {

// Probes over IPv4 in a transport that carries a mark (transport.h): all that
// probe protocols have in common.
//
//   IP header           IP id: fine time; may be rewritten: then the RTT is
//   lost transport header    the mark: proof, flow, TTL, coarse time payload
//   tweak, target, time in microseconds, contact text
//
// The proof is a keyed hash of the target, so a reply is ours if the
// destination it quotes proves right; a target in the payload that proves right
// under another quoted destination says that the destination was rewritten on
// the way. What balancers may hash is constant per target and flow.
template <Transport T>
class MarkedCodec final : public ProbeCodec {
 public:
  explicit MarkedCodec(const CodecOptions& options);

  void Encode(Instant now, std::span<const Probe> probes,
              std::span<TxFrame> frames) const override;
  Verdict Decode(const RxFrame& frame, Reply& reply) const override;
  size_t probe_size() const override { return frame_.size(); }

 private:
  struct ProbePacket {
    Ipv4Header ip;
    typename T::Header header;
    Payload payload;
  };
  static_assert(sizeof(ProbePacket) == 38);

  // Of one target: what the mark of its flow 0 has.
  struct Proof {
    uint16_t proof;
    uint16_t value;
  };

  // The payload of a probe that came back.
  struct Stamp {
    uint32_t target;
    uint32_t microseconds;
  };

  void WriteTemplate(std::span<const std::byte> link_header);
  Proof ProofOf(uint32_t target) const;
  // The flow that `mark` proves for `target`, if it does.
  std::optional<FlowId> FlowOf(uint32_t target, const Mark& mark) const;
  // Where a mark has little room for proof, a probe of this scan is known by
  // its time, too.
  bool IsRecent(const Mark& mark, Instant arrival) const;
  static std::optional<Stamp> StampOf(std::span<const std::byte> transport);
  static Nanos RttOf(const Stamp& stamp, Instant arrival);
  static Ttl TtlOf(const Mark& mark);
  static uint32_t CoarseOf(const Mark& mark);
  static ReplyKind KindOf(const Packet& packet, const IpAddress& target);

  bool InRange(Ttl ttl) const {
    return options_.min_ttl <= ttl && ttl <= options_.max_ttl;
  }
  uint16_t transport_size() const {
    return static_cast<uint16_t>(frame_.size() - link_size_ -
                                 sizeof(Ipv4Header));
  }

  Verdict DecodeError(const Packet& packet, Instant arrival,
                      Reply& reply) const;
  Verdict DecodeAnswer(const Packet& packet, Instant arrival,
                       Reply& reply) const;
  Verdict WhyUnproven(const QuotedPacket& quote, const Mark& mark,
                      Instant arrival) const;

  CodecOptions options_;
  ProbeClock clock_;
  size_t link_size_;
  // A whole probe whose varying fields are zero, and what it sums to.
  std::vector<std::byte> frame_;
  uint16_t ip_sum_ = 0;
  uint16_t transport_sum_ = 0;
};

// Checks `options` against what a mark can hold. `name` is the protocol's.
absl::Status CheckMarkedOptions(const CodecOptions& options, uint32_t values,
                                const std::string& name);

template <Transport T>
absl::StatusOr<std::unique_ptr<ProbeCodec>> MakeMarkedCodec(
    const CodecOptions& options) {
  const absl::Status checked =
      CheckMarkedOptions(options, T::kValues, T::kName);
  if (!checked.ok()) return checked;
  return std::make_unique<MarkedCodec<T>>(options);
}

}  // namespace fathom

#endif  // FATHOM_SRC_CODEC_MARKED_CODEC_H_
