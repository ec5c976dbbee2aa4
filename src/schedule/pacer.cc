#include "src/schedule/pacer.h"

#include <algorithm>
#include <cassert>

namespace fathom {
namespace {

constexpr uint64_t kQuantaPerSecond = 2000;

}  // namespace

Pacer::Pacer(uint64_t rate, Instant start)
    : rate_(rate),
      quantum_((rate + kQuantaPerSecond - 1) / kQuantaPerSecond),
      // Below 2^56 at the highest rate.
      max_credit_(quantum_ * kProbe +
                  rate * static_cast<uint64_t>(kMakeUp.count())),
      credit_(quantum_ * kProbe),
      last_(start) {
  assert(rate >= 1 && rate <= kMaxRate);
}

void Pacer::Earn(Instant now) {
  if (now <= last_) return;
  const auto elapsed = static_cast<uint64_t>((now - last_).count());
  last_ = now;
  // Dividing first: the product overflows after a long stall.
  const uint64_t lacking = max_credit_ - credit_;
  credit_ = elapsed > lacking / rate_ ? max_credit_ : credit_ + elapsed * rate_;
}

uint64_t Pacer::Allowed(Instant now) {
  Earn(now);
  return credit_ / kProbe;
}

void Pacer::Take(uint64_t count) {
  assert(count <= credit_ / kProbe);
  credit_ -= count * kProbe;
}

Instant Pacer::NextDue(Instant now) {
  Earn(now);
  const uint64_t due = quantum_ * kProbe;
  if (credit_ >= due) return now;
  const uint64_t wait = (due - credit_ + rate_ - 1) / rate_;
  // From last_, where the credit was counted, should the clock have gone back.
  return std::max(now, last_ + Nanos(static_cast<int64_t>(wait)));
}

}  // namespace fathom
