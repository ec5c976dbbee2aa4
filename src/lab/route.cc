#include "src/lab/route.h"

namespace fathom::lab {
namespace {

constexpr uint32_t kRoutersPerSlash24 = 5;

}  // namespace

uint32_t Segment::Router(uint32_t position, uint32_t branch) const {
  uint32_t slot = first_slot + position;
  if (OnBranch(position)) {
    slot += branch * span;
  } else if (position > fork) {
    slot += (width - 1) * span;
  }
  return base + ((slot / kRoutersPerSlash24) << 8) + kFirstRouterOctet +
         kRoutersPerSlash24 * level + slot % kRoutersPerSlash24;
}

Route::Place Route::At(uint32_t distance) const {
  uint32_t position = distance - 1;
  const Segment* segment = segments.data();
  while (position >= segment->length) position -= (segment++)->length;
  return {segment, position};
}

}  // namespace fathom::lab
