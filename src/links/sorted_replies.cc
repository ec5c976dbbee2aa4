#include "src/links/sorted_replies.h"

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "src/base/hash.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

using Sink = absl::FunctionRef<absl::Status(std::span<const Reply>)>;

constexpr size_t kBatch = 1024;
constexpr uint64_t kSamplesPerPart = 256;

auto Rest(const Reply& r) {
  return std::tie(r.received, r.responder, r.rtt, r.kind, r.icmp_type,
                  r.icmp_code, r.arrival_ttl, r.quoted_ttl, r.quoted_tos,
                  r.changes, r.tcp_flags);
}

bool ExtensionsBefore(const Reply& a, const Reply& b) {
  const auto x = a.extensions.bytes, y = b.extensions.bytes;
  return std::lexicographical_compare(x.begin(), x.end(), y.begin(), y.end());
}

// A place in the order that fits a register, and which reply it is.
struct Entry {
  uint64_t key;
  size_t index;
};

// The whole cell if all targets are IPv4: the usual case, in which few
// comparisons look at the replies themselves. Else only what comes first.
uint64_t KeyOf(const Probe& probe, bool all_v4) {
  if (!all_v4) return probe.target.high();
  return uint64_t{probe.target.v4()} << 24 | uint64_t{probe.flow.value()} << 8 |
         probe.ttl.value();
}

// Sorts 16 bytes a reply instead of the replies, which are five times as
// large, and copies each reply once.
absl::Status EmitSorted(const std::vector<Reply>& replies, Sink sink) {
  const bool all_v4 =
      std::all_of(replies.begin(), replies.end(), [](const Reply& reply) {
        return reply.probe.target.family() == Family::kIpv4;
      });
  std::vector<Entry> entries;
  entries.reserve(replies.size());
  for (size_t i = 0; i < replies.size(); ++i) {
    entries.push_back({KeyOf(replies[i].probe, all_v4), i});
  }
  std::sort(entries.begin(), entries.end(),
            [&replies](const Entry& a, const Entry& b) {
              if (a.key != b.key) return a.key < b.key;
              return ReplyBefore(replies[a.index], replies[b.index]);
            });
  std::vector<Reply> batch;
  batch.reserve(kBatch);
  for (const Entry& entry : entries) {
    batch.push_back(replies[entry.index]);
    if (batch.size() == kBatch) {
      FATHOM_RETURN_IF_ERROR(sink(batch));
      batch.clear();
    }
  }
  return batch.empty() ? absl::OkStatus() : sink(batch);
}

// Replies that cut the bucket into `parts` of about equal size.
absl::StatusOr<std::vector<Reply>> Cuts(SpoolReader& spool, size_t bucket,
                                        uint64_t parts) {
  const uint64_t every =
      std::max<uint64_t>(1, spool.records(bucket) / (parts * kSamplesPerPart));
  std::vector<Reply> sample;
  uint64_t seen = 0;
  FATHOM_RETURN_IF_ERROR(
      spool.ReadFrames(bucket, [&](std::span<const Reply> replies) {
        for (const Reply& reply : replies) {
          // Hashed, so that no period in the spool spoils the sample.
          if (Mix(++seen) % every != 0) continue;
          sample.push_back(reply);
          // Only lent; a cut just before the reply does as well.
          sample.back().extensions = {};
        }
        return absl::OkStatus();
      }));
  std::sort(sample.begin(), sample.end(), ReplyBefore);
  std::vector<Reply> cuts;
  for (uint64_t part = 1; part < parts && !sample.empty(); ++part) {
    const Reply& cut = sample[part * sample.size() / parts];
    if (cuts.empty() || ReplyBefore(cuts.back(), cut)) cuts.push_back(cut);
  }
  return cuts;
}

// Those replies of the bucket that lie in [from, to); null is no bound.
absl::StatusOr<ReplyBuffer> ReadPart(SpoolReader& spool, size_t bucket,
                                     const Reply* from, const Reply* to) {
  ReplyBuffer part;
  FATHOM_RETURN_IF_ERROR(
      spool.ReadFrames(bucket, [&](std::span<const Reply> replies) {
        for (const Reply& reply : replies) {
          if (from != nullptr && ReplyBefore(reply, *from)) continue;
          if (to != nullptr && !ReplyBefore(reply, *to)) continue;
          part.Add(reply);
        }
        return absl::OkStatus();
      }));
  return part;
}

}  // namespace

bool ReplyBefore(const Reply& a, const Reply& b) {
  if (a.probe.target != b.probe.target) return a.probe.target < b.probe.target;
  if (a.probe.flow != b.probe.flow) return a.probe.flow < b.probe.flow;
  if (a.probe.ttl != b.probe.ttl) return a.probe.ttl < b.probe.ttl;
  if (Rest(a) != Rest(b)) return Rest(a) < Rest(b);
  return ExtensionsBefore(a, b);
}

absl::Status ForEachSorted(SpoolReader& spool, size_t bucket,
                           size_t max_replies, Sink sink) {
  const uint64_t records = spool.records(bucket);
  if (records <= max_replies) {
    FATHOM_ASSIGN_OR_RETURN(const auto replies, spool.ReadBucket(bucket));
    return EmitSorted(replies.replies(), sink);
  }
  // Twice as many parts as would just do, as a sample's quantiles are rough.
  const uint64_t parts = 2 * (records / max_replies + 1);
  FATHOM_ASSIGN_OR_RETURN(const auto cuts, Cuts(spool, bucket, parts));
  for (size_t i = 0; i <= cuts.size(); ++i) {
    const Reply* const from = i == 0 ? nullptr : &cuts[i - 1];
    const Reply* const to = i == cuts.size() ? nullptr : &cuts[i];
    FATHOM_ASSIGN_OR_RETURN(const auto part, ReadPart(spool, bucket, from, to));
    FATHOM_RETURN_IF_ERROR(EmitSorted(part.replies(), sink));
  }
  return absl::OkStatus();
}

}  // namespace fathom
