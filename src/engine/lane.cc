#include "src/engine/lane.h"

#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace fathom {
namespace {

// How soon a thread that waits notices that it shall stop.
constexpr Nanos kAttention = std::chrono::milliseconds(50);

// How long to leave a full ring, or a strategy that waits for replies, alone.
// A ring of 2,048 frames takes longer to drain at ten million a second.
constexpr Nanos kIdle = std::chrono::microseconds(50);

// A sleep shorter than this ends late: the clock is asked again instead.
constexpr Nanos kShortestSleep = std::chrono::microseconds(10);

// How long frames that were taken may need to leave.
constexpr Nanos kDrain = std::chrono::seconds(2);

// All who are told of replies: the strategies, if they want to be.
std::vector<ReplySink*> SinksOf(const Lane::Parts& parts) {
  std::vector<ReplySink*> sinks = parts.sinks;
  if (parts.strategy->observes()) {
    sinks.push_back(&parts.feedback.sink(parts.index));
  }
  return sinks;
}

}  // namespace

Lane::Lane(Parts parts)
    : parts_(std::move(parts)),
      planned_(parts_.strategy->planned()),
      rate_(parts_.pacer.rate()),
      prober_({*parts_.strategy, parts_.codec, parts_.backend.tx(parts_.index),
               parts_.forbidden}),
      receiver_({parts_.backend, parts_.codec, parts_.backend.rx(parts_.index),
                 SinksOf(parts_), parts_.shard}) {}

Nanos Lane::SendSome() {
  const Instant now = parts_.backend.Now();
  if (parts_.journal != nullptr) {
    const Nanos guard = parts_.journal->Tend(now, prober_.sent().value(),
                                             prober_.withheld().value());
    if (guard > Nanos(0)) return guard;
  }
  const uint64_t rate = rate_.load(std::memory_order_relaxed);
  if (rate != parts_.pacer.rate()) parts_.pacer.SetRate(rate, now);
  const uint64_t allowed = parts_.pacer.Allowed(now);
  if (allowed == 0) return parts_.pacer.NextDue(now) - now;
  const auto sent =
      prober_.Step(now, parts_.feedback.Take(parts_.index), allowed);
  if (!sent.ok()) {
    Fail(sent.status());
    return kAttention;
  }
  parts_.pacer.Take(*sent);
  planned_.store(parts_.strategy->planned(), std::memory_order_relaxed);
  if (parts_.strategy->done()) {
    FinishJournalAt(now);
    sending_done_ = true;
    return kAttention;
  }
  return *sent == 0 ? kIdle : Nanos(0);
}

void Lane::SendAll(const std::stop_token& stop) {
  // Sleeps end within a microsecond instead of the usual fifty.
  prctl(PR_SET_TIMERSLACK, 1'000UL);
  while (!stop.stop_requested() && !sending_done_) {
    const Nanos wait = SendSome();
    if (wait > kShortestSleep)
      std::this_thread::sleep_for(std::min(wait, kAttention));
  }
  Drain();
  sending_done_ = true;
}

void Lane::HearLate() {
  if (parts_.journal == nullptr || !parts_.strategy->observes() ||
      parts_.strategy->done()) {
    return;
  }
  for (auto replies = parts_.feedback.Take(parts_.index); !replies.empty();
       replies = parts_.feedback.Take(parts_.index)) {
    parts_.journal->Observe(replies);
  }
  parts_.journal->Tend(parts_.backend.Now(), prober_.sent().value(),
                       prober_.withheld().value());
}

void Lane::FinishJournal() {
  if (parts_.strategy->done()) return;  // Then it has been ended.
  HearLate();
  FinishJournalAt(parts_.backend.Now());
}

void Lane::FinishJournalAt(Instant now) {
  if (parts_.journal == nullptr) return;
  parts_.journal->Finish(now, prober_.sent().value(),
                         prober_.withheld().value());
}

void Lane::Drain() {
  if (!trouble().ok()) return;
  const absl::Status drained = parts_.backend.tx(parts_.index).Drain(kDrain);
  if (!drained.ok()) Fail(drained);
}

void Lane::HearAll(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const absl::Status heard = receiver_.Step(kAttention);
    if (!heard.ok()) return Fail(heard);
  }
}

void Lane::TakeTurn(bool stop, Nanos patience) {
  if (stop) sending_done_ = true;
  if (!sending_done_) patience = std::min(patience, SendSome());
  const absl::Status heard = receiver_.Step(patience);
  if (!heard.ok()) Fail(heard);
}

absl::Status Lane::trouble() const {
  const std::lock_guard lock(trouble_mutex_);
  return trouble_;
}

void Lane::Fail(const absl::Status& status) {
  {
    const std::lock_guard lock(trouble_mutex_);
    trouble_.Update(status);
  }
  sending_done_ = true;
}

}  // namespace fathom
