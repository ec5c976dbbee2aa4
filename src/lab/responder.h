#ifndef FATHOM_SRC_LAB_RESPONDER_H_
#define FATHOM_SRC_LAB_RESPONDER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/probe.h"
#include "src/lab/fate.h"
#include "src/lab/load_meter.h"
#include "src/lab/scenario.h"
#include "src/net/neighbor.h"

namespace fathom::lab {

// The lab on a wire: what comes in over an interface is a probe into the lab,
// and the lab's replies leave by it when they are due. So any scanner that can
// be run at the other end measures the lab.
//
// Towards the scanner it is its gateway and all that is behind it: it answers
// ARP requests for every address but those that ask or probe.

// What was heard and said.
struct ResponderReport {
  NetworkCounters network;       // What became of each probe.
  ProbeLoad load;                // How the probes came in.
  uint64_t replies = 0;          // Left by the interface.
  uint64_t replies_lost = 0;     // The interface did not take them.
  uint64_t replies_late = 0;     // Of `replies`: more than a millisecond late.
  uint64_t arp_replies = 0;      // Not among `replies`.
  uint64_t ignored = 0;          // Frames that were no probes to us.
  uint64_t kernel_drops = 0;     // Frames that came faster than they were read.
  uint64_t still_under_way = 0;  // Replies not yet due when it ended.
};

class Responder {
 public:
  virtual ~Responder() = default;

  // Answers until it is told to stop, or for `at_most`. An error says that the
  // interface is gone or down. Once only.
  virtual absl::Status Run(const std::stop_token& stop, Nanos at_most) = 0;

  // Not while Run() runs.
  virtual ResponderReport Report() const = 0;
};

struct ResponderOptions {
  Interface interface;
  // Frames that may wait to be read: 2 KiB each. A power of two. When they are
  // all in use the kernel drops what comes, and counts it.
  size_t ring_frames = 32'768;
  // While as many replies are under way nothing is read: some 100 bytes each.
  size_t max_under_way = 1 << 20;
};

// A responder in user space, by packet sockets. Needs CAP_NET_RAW.
// REQUIRES: CheckScenario(scenario) is OK.
absl::StatusOr<std::unique_ptr<Responder>> OpenSocketResponder(
    const Scenario& scenario, const ResponderOptions& options);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_RESPONDER_H_
