#ifndef FATHOM_SRC_NET_XDP_VERDICT_H_
#define FATHOM_SRC_NET_XDP_VERDICT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace fathom {

// XDP programs of two instructions, which say the same of every frame that
// comes in over an interface of this namespace. They stay when the process
// ends, until they are taken away or the interface is.

enum class XdpVerdict : uint8_t {
  kDrop = 1,  // As early and as cheaply as there is.
  // As without a program; but a veth end takes only with one what a driver
  // program at the other end sends.
  kPass = 2,
};

// Takes the place of a program that is there.
absl::Status AttachXdpVerdict(const std::string& device, XdpVerdict verdict);
absl::Status DetachXdp(const std::string& device);

}  // namespace fathom

#endif  // FATHOM_SRC_NET_XDP_VERDICT_H_
