#include "src/trace/trace_run.h"

#include <algorithm>
#include <utility>

#include "fathom/registry.h"
#include "src/base/hash.h"
#include "src/base/status_macros.h"

namespace fathom {

TraceRun::TraceRun(Backend& backend, std::string protocol,
                   std::unique_ptr<ProbeCodec> codec)
    : backend_(backend),
      protocol_(std::move(protocol)),
      codec_(std::move(codec)) {}

absl::StatusOr<std::unique_ptr<TraceRun>> TraceRun::Make(
    Backend& backend, const std::vector<IpAddress>& targets,
    const TraceRunOptions& options) {
  FATHOM_ASSIGN_OR_RETURN(const CodecModule module,
                          Register<CodecModule>::Find(options.protocol));
  FATHOM_ASSIGN_OR_RETURN(
      auto codec,
      module.make({.key = {Derive(options.seed, 0), Derive(options.seed, 1)},
                   .source = backend.source(),
                   .link_header = backend.link_header(),
                   .flows = options.trace.flows,
                   .min_ttl = options.trace.first_ttl,
                   .max_ttl = options.trace.max_ttl,
                   .contact = options.contact}));
  std::unique_ptr<TraceRun> run(
      new TraceRun(backend, options.protocol, std::move(codec)));
  Instant start = backend.Now();
  for (const IpAddress& target : targets) {
    run->by_target_.emplace(target, run->tracers_.size());
    run->tracers_.emplace_back(target, options.trace, start);
    run->wakes_.push_back(start);
    start += options.stagger;
  }
  run->undone_ = targets.size();
  run->done_.resize(targets.size());
  run->ends_.resize(targets.size());
  return run;
}

absl::Status TraceRun::Send(Instant now) {
  std::array<Probe, kBatch> probes;
  for (size_t i = 0; i < tracers_.size(); ++i) {
    if (done_[i] || wakes_[i] > now) continue;
    size_t made = kBatch;
    while (made == kBatch) {
      const auto frames = backend_.tx(0).Lend(kBatch);
      const auto room = std::span(probes).first(frames.size());
      made = tracers_[i].Next(now, room);
      codec_->Encode(now, room.first(made), frames);
      FATHOM_RETURN_IF_ERROR(backend_.tx(0).Send(made));
    }
    Refresh(i, now);
  }
  return absl::OkStatus();
}

void TraceRun::Refresh(size_t index, Instant now) {
  if (done_[index]) return;
  const Tracer& tracer = tracers_[index];
  if (tracer.Done(now)) {
    done_[index] = true;
    ends_[index] = now;
    --undone_;
    return;
  }
  wakes_[index] = tracer.NextEvent(now);
}

absl::Status TraceRun::Hear(Nanos patience) {
  FATHOM_ASSIGN_OR_RETURN(const auto frames, backend_.rx(0).Receive(patience));
  for (const RxFrame& frame : frames) {
    Reply reply;
    const Verdict verdict = codec_->Decode(frame, reply);
    ++verdicts_[static_cast<size_t>(verdict)];
    if (verdict != Verdict::kReply) continue;
    const auto found = by_target_.find(reply.probe.target);
    if (found == by_target_.end() || done_[found->second]) continue;
    tracers_[found->second].Observe(reply);
    wakes_[found->second] = reply.received;
  }
  return absl::OkStatus();
}

absl::Status TraceRun::Step(Nanos patience) {
  const Instant now = backend_.Now();
  FATHOM_RETURN_IF_ERROR(Send(now));
  Instant wake = now + patience;
  for (size_t i = 0; i < tracers_.size(); ++i) {
    if (!done_[i]) wake = std::min(wake, wakes_[i]);
  }
  if (undone_ == 0) return absl::OkStatus();
  return Hear(std::max(Nanos(0), wake - backend_.Now()));
}

}  // namespace fathom
