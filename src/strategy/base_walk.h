#ifndef FATHOM_SRC_STRATEGY_BASE_WALK_H_
#define FATHOM_SRC_STRATEGY_BASE_WALK_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace fathom {

// The way along the path of one flow: from where it probably ends back to what
// is known, and forward until nothing answers any more. Both ends are asked at
// a time. TTLs are counted from the first that may be asked: columns, 64 at
// most.
class BaseWalk {
 public:
  // What a column gave.
  enum class Answer : uint8_t {
    kNew,
    kKnown,  // The way back need not go on from here.
    kEnd,    // The target, or a router that refuses it.
    kNone,
  };

  // REQUIRES: start < columns <= 64.
  BaseWalk(size_t start, size_t columns)
      : columns_(static_cast<int>(columns)), back_(static_cast<int>(start)) {}

  // Writes the columns to ask next and returns how many: none once the walk is
  // over. Where it ends in silence, the first silent column is asked a second
  // time: a reply may have been lost, and all that is behind it. REQUIRES: all
  // that were asked were told of.
  size_t Next(std::array<size_t, 2>& out);
  void Tell(size_t column, Answer answer);

  // What is at `column` stands nearer to us as well. The way back, even if it
  // had ended within the loop, goes on to where it begins.
  void LoopAt(size_t column);

  // The columns between which the path is known, both included.
  // REQUIRES: the walk is over, and any() is true.
  bool any() const { return routers_ != 0; }
  size_t first() const;
  size_t last() const;

 private:
  static constexpr uint64_t Bit(int column) { return uint64_t{1} << column; }
  static int Highest(uint64_t columns) {
    return static_cast<int>(std::bit_width(columns)) - 1;
  }
  int NextForward() const;

  int columns_;
  int back_;  // The next column on the way back; -1: it has ended.
  uint64_t asked_ = 0;
  uint64_t routers_ = 0;  // That answered.
  bool again_ = false;    // What follows the last router was asked again.
  int end_ = 64;          // Where the target answered, or a refusal came from.
};

}  // namespace fathom

#endif  // FATHOM_SRC_STRATEGY_BASE_WALK_H_
