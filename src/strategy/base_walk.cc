#include "src/strategy/base_walk.h"

#include <algorithm>

namespace fathom {
namespace {

// How many columns in a row may be silent before the way forward ends.
constexpr int kGapLimit = 3;

// How far the way back jumps while nothing has answered.
constexpr int kJump = 3;

}  // namespace

size_t BaseWalk::Next(std::array<size_t, 2>& out) {
  size_t count = 0;
  const auto ask = [&](int column) {
    asked_ |= Bit(column);
    out[count++] = static_cast<size_t>(column);
  };
  while (back_ >= 0 && (asked_ & Bit(back_)) != 0) --back_;
  if (back_ >= 0) ask(back_);
  const int forward = NextForward();
  if (forward >= 0) ask(forward);
  const int silent = Highest(routers_) + 1;
  if (count == 0 && !again_ && routers_ != 0 && silent < end_ &&
      silent < columns_) {
    again_ = true;
    ask(silent);
  }
  return count;
}

// The lowest that was not asked yet above the highest that answered, within the
// gap limit.
int BaseWalk::NextForward() const {
  const int last = Highest(routers_);
  if (last < 0) return -1;
  const int limit = std::min({columns_ - 1, end_ - 1, last + kGapLimit});
  for (int column = last + 1; column <= limit; ++column) {
    if ((asked_ & Bit(column)) == 0) return column;
  }
  return -1;
}

void BaseWalk::Tell(size_t told, Answer answer) {
  const int column = static_cast<int>(told);
  if (answer == Answer::kEnd) end_ = std::min(end_, column);
  const bool router = answer == Answer::kNew || answer == Answer::kKnown;
  const bool on_the_way_back = column == back_;
  const bool nothing_yet = routers_ == 0;
  if (router && column < end_) routers_ |= Bit(column);
  if (!on_the_way_back) return;
  if (answer == Answer::kKnown) {
    back_ = -1;
  } else if (nothing_yet && !router && column > 0) {
    back_ = std::max(0, column - (answer == Answer::kEnd ? 1 : kJump));
  } else {
    back_ = column - 1;
  }
}

void BaseWalk::LoopAt(size_t column) {
  end_ = std::min(end_, static_cast<int>(column));
  if (back_ < 0) back_ = std::countr_zero(asked_);
}

size_t BaseWalk::first() const {
  // All from the lowest that was asked on: the way back leaves nothing out once
  // something answered, and the way forward fills what it jumped over.
  return static_cast<size_t>(std::countr_zero(asked_));
}

size_t BaseWalk::last() const {
  const uint64_t before_end = end_ >= 64 ? ~uint64_t{0} : Bit(end_) - 1;
  const int last = Highest(routers_ & before_end);
  return static_cast<size_t>(std::max(last, 0));
}

}  // namespace fathom
