#ifndef FATHOM_STRONG_H_
#define FATHOM_STRONG_H_

#include <compare>

namespace fathom {

// Strong<Tag, Rep>: an integer that cannot be mistaken for another integer.
//
// Conversions are explicit both ways; comparison is the only arithmetic that
// every strong type shares.
template <typename Tag, typename Rep>
class Strong {
 public:
  constexpr Strong() = default;
  constexpr explicit Strong(Rep value) : value_(value) {}

  constexpr Rep value() const { return value_; }

  friend constexpr auto operator<=>(Strong, Strong) = default;

 private:
  Rep value_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_STRONG_H_
