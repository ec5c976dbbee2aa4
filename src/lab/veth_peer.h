#ifndef FATHOM_SRC_LAB_VETH_PEER_H_
#define FATHOM_SRC_LAB_VETH_PEER_H_

#include <string>

#include "absl/status/status.h"

namespace fathom::lab {

// Makes an end of a veth take what a driver program sends at the other end: it
// gets a program of its own, which lets all pass. Without one such frames
// vanish. Called once, in the namespace of the interface; it lasts as long as
// the interface. InvalidArgument if it is no veth.
absl::Status PrepareVethPeer(const std::string& name);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_VETH_PEER_H_
