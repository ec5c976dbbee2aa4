#ifndef FATHOM_SRC_LINKS_SORTED_REPLIES_H_
#define FATHOM_SRC_LINKS_SORTED_REPLIES_H_

#include <cstddef>
#include <span>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "fathom/probe.h"
#include "src/links/spool_reader.h"

namespace fathom {

// The order of the dataset: by target, flow, TTL, then arrival, then responder
// and all that is left, so that the order of the spool does not matter.
bool ReplyBefore(const Reply& a, const Reply& b);

// Hands over the replies of a bucket in that order, in batches that are valid
// during the call.
//
// Holds at most about `max_replies` of them, at 80 bytes each. A bucket with
// more is read several times, each time for the next part of the order; the
// parts are quantiles of a sample. Since the order is that of whole replies,
// even one target, one flow, or one TTL that is flooded with replies is cut
// into parts. A bucket n times too large is so read 2 n + 2 times: slow, but
// rare, as whoever makes the spool knows how many replies to expect.
//
// REQUIRES: max_replies > 0.
absl::Status ForEachSorted(
    SpoolReader& spool, size_t bucket, size_t max_replies,
    absl::FunctionRef<absl::Status(std::span<const Reply>)> sink);

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_SORTED_REPLIES_H_
