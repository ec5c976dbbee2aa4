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
#include "src/codec/ip_layer.h"
#include "src/codec/probe_clock.h"
#include "src/codec/transport.h"

namespace fathom {

// Probes in a transport that carries a mark (transport.h), over the IP layer of
// its family (ip_layer.h): all that probe protocols have in common.
//
//   IPv4 header       id: fine time, never 0; may be rewritten, and then no
//   more
//                     than the RTT is lost
//   or IPv6 header    flow label: constant per target and flow
//   transport header  the mark: proof, flow, TTL, coarse time
//   payload, if any   tweak, target, whitened time in microseconds, contact
//   text
//
// The proof is a keyed hash of the target, so a reply is ours if the
// destination it quotes proves right. What balancers may hash is constant per
// target and flow. Times are whitened by a third part of the proof: a time that
// is plausible when the whitening is taken off proves the target as well, which
// tells what was rewritten on the way if the mark and the quoted destination do
// not fit together.
template <Transport T>
class MarkedCodec final : public ProbeCodec {
 public:
  explicit MarkedCodec(const CodecOptions& options);

  void Encode(Instant now, std::span<const Probe> probes,
              std::span<TxFrame> frames) const override;
  Verdict Decode(const RxFrame& frame, Reply& reply) const override;
  size_t probe_size() const override { return frame_.size(); }

 private:
  using Ip = IpLayer<T::kFamily>;

  // What follows the header of a probe. The tweak is what makes the checksum
  // that was wished for the true one.
  struct Payload {
    Be16 tweak;
    typename Ip::WireAddress target;
    Be32 microseconds;
  };
  struct NoPayload {};

  struct ProbePacket {
    typename Ip::Header ip;
    typename T::Header header;
    [[no_unique_address]] std::conditional_t<T::kHasPayload, Payload, NoPayload>
        payload;
  };

  // Of one target: what the mark of its flow 0 has, and what times are mixed
  // with.
  struct Proof {
    uint16_t proof;
    uint16_t value;
    uint32_t whitening;
  };

  // The payload of a probe that came back.
  struct Stamp {
    IpAddress target;
    uint32_t microseconds;  // Still whitened.
  };

  // How the time of sending is told by what came back.
  struct Timing {
    Nanos rtt = kUnknownRtt;
    bool id_changed = false;
  };

  void WriteTemplate(std::span<const std::byte> link_header);
  Proof ProofOf(const IpAddress& target) const;
  // The flow that `mark` proves for the target of `proof`, if it does.
  std::optional<FlowId> FlowOf(const Proof& proof, const Mark& mark) const;
  // Where a mark has little room for proof, a probe of this scan is known by
  // its time, too.
  bool IsRecent(uint32_t time, Instant arrival) const;
  static std::optional<Stamp> StampOf(std::span<const std::byte> transport);
  static Nanos RttOf(const Stamp& stamp, const Proof& proof, Instant arrival);
  // Whether the stamp's time proves its target.
  static bool IsFresh(const Stamp& stamp, const Proof& proof, Instant arrival);
  Timing TimingOf(const QuotedPacket& quote, uint32_t time, Nanos stamped,
                  Instant arrival) const;
  static ReplyKind KindOf(const Packet& packet, const IpAddress& target);
  // The time in a mark without the whitening.
  static uint32_t TimeOf(const Mark& mark, const Proof& proof) {
    return T::kHasFine ? mark.time ^ proof.whitening : mark.time;
  }

  bool InRange(Ttl ttl) const {
    return options_.min_ttl <= ttl && ttl <= options_.max_ttl;
  }
  size_t packet_size() const { return frame_.size() - link_size_; }

  Verdict DecodeError(const Packet& packet, Instant arrival,
                      Reply& reply) const;
  Verdict DecodeAnswer(const Packet& packet, Instant arrival,
                       Reply& reply) const;
  Verdict WhyUnproven(const QuotedPacket& quote, const Mark& mark,
                      Instant arrival) const;
  bool HasProvenPart(const QuotedPacket& quote, const Mark& mark,
                     Instant arrival) const;
  static void CopyFacts(const Packet& packet, Instant arrival, Reply& reply);

  CodecOptions options_;
  ProbeClock clock_;
  size_t link_size_;
  // A whole probe whose varying fields are zero, and what it sums to.
  std::vector<std::byte> frame_;
  uint16_t ip_sum_ = 0;
  uint16_t transport_sum_ = 0;
};

// What a protocol's marks can hold.
struct MarkLimits {
  uint32_t values = 0;
  bool has_payload = false;
};

// Checks `options` against what probes can hold.
absl::Status CheckMarkedOptions(const CodecOptions& options,
                                const MarkLimits& limits);

// Makes the codec for the family of the source.
template <template <Family> class T>
absl::StatusOr<std::unique_ptr<ProbeCodec>> MakeMarkedCodec(
    const CodecOptions& options) {
  using V4 = T<Family::kIpv4>;
  using V6 = T<Family::kIpv6>;
  const absl::Status checked = CheckMarkedOptions(
      options, {.values = V4::kValues, .has_payload = V4::kHasPayload});
  if (!checked.ok()) return checked;
  if (options.source.family() == Family::kIpv4) {
    return std::make_unique<MarkedCodec<V4>>(options);
  }
  return std::make_unique<MarkedCodec<V6>>(options);
}

}  // namespace fathom

#endif  // FATHOM_SRC_CODEC_MARKED_CODEC_H_
