#include "src/engine/ask_again.h"

#include <algorithm>
#include <array>

namespace fathom {

size_t AskAgain::Next(Instant now, std::span<Probe> out) {
  constexpr size_t kBatch = 64;
  std::array<uint64_t, kBatch> places;
  size_t written = 0;
  while (written < out.size() && !done()) {
    if (next_ == 0) {
      if (time_ > 0 && now - began_ < kSpacing) break;
      began_ = now;
    }
    const size_t count = std::min({kBatch, out.size() - written,
                                   static_cast<size_t>(order_.size() - next_)});
    order_.Fill(next_, std::span(places).first(count));
    for (size_t i = 0; i < count; ++i) {
      out[written++] = questions_[places[i]];
    }
    next_ += count;
    if (next_ == order_.size()) {
      next_ = 0;
      ++time_;
    }
  }
  return written;
}

}  // namespace fathom
