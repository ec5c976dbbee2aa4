#ifndef FATHOM_SRC_TRACE_TRACE_RUN_H_
#define FATHOM_SRC_TRACE_TRACE_RUN_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/packet_io.h"
#include "fathom/probe_codec.h"
#include "src/trace/tracer.h"

namespace fathom {

struct TraceRunOptions {
  TraceOptions trace{};
  std::string protocol = "icmp";
  std::string contact{};
  uint64_t seed = 0;  // Of what proves that a reply is ours.
  // From target to target: routers near us would not answer all at once.
  Nanos stagger = std::chrono::milliseconds(4);
};

// Traces several targets at the same time through one backend, by one thread.
class TraceRun {
 public:
  // `backend` must outlive the run. REQUIRES: the targets are of the backend's
  // family, and differ.
  static absl::StatusOr<std::unique_ptr<TraceRun>> Make(
      Backend& backend, const std::vector<IpAddress>& targets,
      const TraceRunOptions& options);

  // Sends what is due, then hears until more is due, at most `patience`. An
  // error means that the device was lost.
  absl::Status Step(Nanos patience);

  // True once all targets are done.
  bool done() const { return undone_ == 0; }

  Backend& backend() const { return backend_; }
  const ProbeCodec& codec() const { return *codec_; }
  const std::string& protocol() const { return protocol_; }
  // In the order of the targets.
  const std::vector<Tracer>& tracers() const { return tracers_; }

  bool IsDone(size_t index) const { return done_[index]; }
  // When it was: of a done one.
  Instant EndOf(size_t index) const { return ends_[index]; }
  uint64_t packets(Verdict verdict) const {
    return verdicts_[static_cast<size_t>(verdict)];
  }

 private:
  static constexpr size_t kBatch = 64;

  TraceRun(Backend& backend, std::string protocol,
           std::unique_ptr<ProbeCodec> codec);
  absl::Status Send(Instant now);
  absl::Status Hear(Nanos patience);
  // Looks at a tracer again, of which something may have changed.
  void Refresh(size_t index, Instant now);

  Backend& backend_;
  const std::string protocol_;
  std::unique_ptr<ProbeCodec> codec_;
  std::vector<Tracer> tracers_;
  // By tracer: when it wants to be asked again, and whether and since when it
  // is done.
  std::vector<Instant> wakes_;
  std::vector<bool> done_;
  std::vector<Instant> ends_;
  size_t undone_ = 0;
  absl::flat_hash_map<IpAddress, size_t> by_target_;
  std::array<uint64_t, kVerdicts> verdicts_{};
};

}  // namespace fathom

#endif  // FATHOM_SRC_TRACE_TRACE_RUN_H_
