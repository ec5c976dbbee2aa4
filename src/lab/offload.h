#ifndef FATHOM_SRC_LAB_OFFLOAD_H_
#define FATHOM_SRC_LAB_OFFLOAD_H_

#include <cstddef>
#include <span>

namespace fathom::lab {

// Writes the checksum of a UDP or TCP packet whose sender left that to the
// network card: in its place stands the sum of the pseudo header, and the sum
// of the rest is to be added. A veth hands such packets over as they are; on a
// wire they would have been finished, and that is what routers quote.
//
// `packet` begins with the IPv4 header and may be anything; what is not such a
// packet is left alone.
void CompleteChecksum(std::span<std::byte> packet);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_OFFLOAD_H_
