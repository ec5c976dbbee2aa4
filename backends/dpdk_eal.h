#ifndef FATHOM_BACKENDS_DPDK_EAL_H_
#define FATHOM_BACKENDS_DPDK_EAL_H_

#include <mutex>
#include <string>

#include "absl/status/status.h"

namespace fathom {

// DPDK's environment (EAL): memory, buses and drivers. There is one a process,
// it starts once and is never stopped, so it is the one thing here that
// outlives a backend. Any thread may call these.
//
// It leaves the caller's processors and signals alone and writes to no
// terminal, keeps no files that another process could trip over, and takes no
// card but the one that is named. Where the machine has no free hugepages it
// does without: right for virtual devices, and for cards behind an IOMMU.

// Starts it if it does not run. `pci_card`: the address of a card to take, or
// empty for none; it counts at the first call only. Unavailable: why it would
// not start.
absl::Status StartEal(const std::string& pci_card);

// What DPDK has complained of since this was last called, in a line: its words
// in brackets, or nothing. For the end of an error that has only a number.
std::string TakeEalComplaint();

// Held by whoever adds a device, configures it or removes it: drivers expect
// that one thread does all that.
std::unique_lock<std::mutex> LockDevices();

// Makes the calling thread known, so that it has caches of free buffers of its
// own; until the thread ends. It costs nothing when called again. Where too
// many threads are known already this one goes on without, only slower.
void JoinEal();

}  // namespace fathom

#endif  // FATHOM_BACKENDS_DPDK_EAL_H_
