#ifndef FATHOM_SRC_SCHEDULE_ADDRESS_SORT_H_
#define FATHOM_SRC_SCHEDULE_ADDRESS_SORT_H_

#include <cstdint>
#include <vector>

#include "fathom/address.h"

namespace fathom {

// Sorts `addresses` and leaves one of each. Takes as much memory again while
// it runs. Three passes over the data, or one if it is in order already.
void SortUnique(std::vector<uint32_t>& addresses);

// The same for addresses of either family, by comparing and in place.
void SortUnique(std::vector<IpAddress>& addresses);

}  // namespace fathom

#endif  // FATHOM_SRC_SCHEDULE_ADDRESS_SORT_H_
