#ifndef FATHOM_PROBE_CODEC_H_
#define FATHOM_PROBE_CODEC_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "fathom/packet_io.h"
#include "fathom/probe.h"

namespace fathom {

// What a received packet turned out to be.
enum class Verdict : uint8_t {
  kReply,             // An answer to a probe of this scan.
  kRewrittenAddress,  // Ours, but the quoted destination was changed on the
                      // way.
  kRewrittenPort,  // Ours, but ports, id or checksum were changed, as by NAT.
  kForeign,        // About a probe, but not of this scan: another key, a ping.
  kMalformed,  // Claims to be an answer that could be ours and cannot be read.
  kOther,      // Traffic that has nothing to do with probing.
};
inline constexpr size_t kVerdicts = 6;

// A ProbeCodec turns probes into packets and packets back into replies.
//
// A codec keeps no memory of what it sent: see fathom/probe.h. It is immutable
// after it was made, so all threads share one.
//
// To add a probe protocol, write src/codec/<name>_probe.cc, register it in its
// last line (see fathom/registry.h) and name the file in meson.build.
class ProbeCodec {
 public:
  virtual ~ProbeCodec() = default;

  // Writes probes[i], stamped with `now`, into frames[i] and sets its length.
  // REQUIRES: probes.size() <= frames.size(), and each frame has room for
  // kMaxProbeSize bytes.
  virtual void Encode(Instant now, std::span<const Probe> probes,
                      std::span<TxFrame> frames) const = 0;

  // Reads what `frame` answers into `reply`, which means something only if the
  // verdict is kReply. Any bytes are allowed. In place, since a reply is a
  // large record and this is done for every packet that arrives.
  virtual Verdict Decode(const RxFrame& frame, Reply& reply) const = 0;

  // The bytes of a probe on the wire, link header included.
  virtual size_t probe_size() const = 0;
};

// The largest TTL that fits into a probe.
inline constexpr Ttl kMaxTtl{63};

// The longest contact text, in bytes.
inline constexpr size_t kMaxContact = 64;

struct CodecOptions {
  std::array<uint64_t, 2> key{};  // Proves that a reply is to this scan.
  IpAddress source{};
  std::span<const std::byte> link_header{};  // Copied.
  uint16_t flows = 1;                        // Flow ids in use: 0 to flows - 1.
  Ttl min_ttl{1};
  Ttl max_ttl{32};
  std::string contact{};  // Goes into every probe, for whoever looks at it.
};

struct CodecModule {
  const char* name;
  const char* help;
  absl::StatusOr<std::unique_ptr<ProbeCodec>> (*make)(const CodecOptions&);
};

}  // namespace fathom

#endif  // FATHOM_PROBE_CODEC_H_
