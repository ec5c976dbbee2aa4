#include "src/lab/route.h"

namespace fathom::lab {

Route::Place Route::At(uint32_t distance) const& {
  uint32_t position = distance - 1;
  const Segment* segment = segments.data();
  while (position >= segment->length) position -= (segment++)->length;
  return {segment, position};
}

}  // namespace fathom::lab
