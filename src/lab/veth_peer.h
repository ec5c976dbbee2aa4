#ifndef FATHOM_SRC_LAB_VETH_PEER_H_
#define FATHOM_SRC_LAB_VETH_PEER_H_

#include <string>

#include "absl/status/status.h"

namespace fathom::lab {

// Makes an end of a veth take what a driver program sends at the other end: it
// turns on GRO here, and with it the queue from which such frames are taken.
// Without it they vanish. Called once, in the namespace of the interface; it
// lasts as long as the interface. InvalidArgument if it is no veth.
absl::Status PrepareVethPeer(const std::string& name);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_VETH_PEER_H_
