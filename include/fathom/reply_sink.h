#ifndef FATHOM_REPLY_SINK_H_
#define FATHOM_REPLY_SINK_H_

#include <span>

#include "fathom/probe.h"

namespace fathom {

// A ReplySink is told of every valid reply: the spool, the counters, and the
// ring that carries replies back to the strategy.
class ReplySink {
 public:
  virtual ~ReplySink() = default;

  // Runs on the receiver thread, after every batch and at least once per wait,
  // then with no replies, so that a sink can act on time passing. It must not
  // wait for the network; a sink that waits for the disk makes the kernel's
  // receive buffer fill, and what that loses is counted.
  virtual void Consume(Instant now, std::span<const Reply> replies) = 0;
};

}  // namespace fathom

#endif  // FATHOM_REPLY_SINK_H_
