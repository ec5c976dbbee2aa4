#include "src/schedule/pacer.h"

#include <algorithm>
#include <cassert>

namespace fathom {
namespace {

// `credit` after `elapsed` at `rate`, at most `most`. Divides first: the
// product overflows after a long stall.
uint64_t Grown(uint64_t credit, uint64_t elapsed, uint64_t rate,
               uint64_t most) {
  return elapsed > (most - credit) / rate ? most : credit + elapsed * rate;
}

// How long until `credit` is `wanted`.
Nanos Wait(uint64_t credit, uint64_t wanted, uint64_t rate) {
  if (credit >= wanted) return Nanos(0);
  return Nanos(static_cast<int64_t>((wanted - credit + rate - 1) / rate));
}

}  // namespace

Pacer::Pacer(uint64_t rate, Instant start)
    : credit_(UINT64_MAX), even_(UINT64_MAX), last_(start) {
  SetRate(rate, start);
}

void Pacer::SetRate(uint64_t rate, Instant now) {
  assert(rate >= 1 && rate <= kMaxRate);
  last_ = std::max(last_, now);
  rate_ = rate;
  const auto quanta_per_second =
      static_cast<uint64_t>(std::chrono::seconds(1) / kQuantum);
  quantum_ = (rate + quanta_per_second - 1) / quanta_per_second;
  // Below 2^56 at the highest rate.
  max_credit_ =
      quantum_ * kProbe + rate * static_cast<uint64_t>(kMakeUp.count());
  credit_ = std::min(credit_, quantum_ * kProbe);
  even_ = std::min(even_, quantum_ * kProbe);
}

uint64_t Pacer::MostEven(uint64_t credit) const {
  // A little more than is sent at once, or every sleep that ends late would
  // cost what is earned meanwhile.
  const uint64_t usual = quantum_ * kProbe / 4 * 5;
  const uint64_t tolerated = rate_ * static_cast<uint64_t>(kTolerated.count());
  return credit <= tolerated ? usual : usual + (credit - tolerated) / 4;
}

void Pacer::Earn(Instant now) {
  if (now <= last_) return;
  const auto elapsed = static_cast<uint64_t>((now - last_).count());
  last_ = now;
  credit_ = Grown(credit_, elapsed, rate_, max_credit_);
  even_ = Grown(even_, elapsed, EvenRate(), std::max(even_, MostEven(credit_)));
}

uint64_t Pacer::Allowed(Instant now) {
  Earn(now);
  return std::min(credit_, even_) / kProbe;
}

void Pacer::Take(uint64_t count) {
  assert(count <= std::min(credit_, even_) / kProbe);
  credit_ -= count * kProbe;
  even_ -= count * kProbe;
}

Instant Pacer::NextDue(Instant now) {
  Earn(now);
  const uint64_t late = credit_ / static_cast<uint64_t>(kLate.count());
  const uint64_t due =
      (late > rate_ ? std::max<uint64_t>(1, quantum_ / 8) : quantum_) * kProbe;
  // From last_, where the credit was counted, should the clock have gone back.
  const Nanos wait =
      std::max(Wait(credit_, due, rate_), Wait(even_, due, EvenRate()));
  return wait == Nanos(0) ? now : std::max(now, last_ + wait);
}

}  // namespace fathom
