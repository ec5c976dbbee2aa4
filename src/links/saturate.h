#ifndef FATHOM_SRC_LINKS_SATURATE_H_
#define FATHOM_SRC_LINKS_SATURATE_H_

#include <cstdint>
#include <limits>

namespace fathom {

// a - b, or the number nearest to it that there is: recovered spools hold any
// numbers.
inline int64_t Subtract(int64_t a, int64_t b) {
  int64_t difference;
  if (!__builtin_sub_overflow(a, b, &difference)) return difference;
  return a < b ? std::numeric_limits<int64_t>::min()
               : std::numeric_limits<int64_t>::max();
}

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_SATURATE_H_
