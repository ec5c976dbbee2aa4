#include "src/links/second_look.h"

#include <algorithm>
#include <span>

#include "absl/functional/function_ref.h"
#include "src/base/hash.h"
#include "src/base/key_filter.h"
#include "src/base/status_macros.h"
#include "src/links/hole_census.h"
#include "src/links/link_builder.h"
#include "src/links/path_builder.h"
#include "src/links/sorted_replies.h"

namespace fathom {
namespace {

using PathSink =
    absl::FunctionRef<void(const Path& path, std::span<const Link> links)>;

// Hands over every path, and what links it makes.
absl::Status ForEachPath(SpoolReader& spool, const LookOptions& options,
                         PathSink sink) {
  LinkStats unused;
  PathBuilder paths(unused);
  LinkBuilder builder(options.max_interval, unused, /*verify=*/true);
  std::vector<Link> links;
  const auto build = [&](const Path& path) {
    links.clear();
    builder.Build(path, links);
    sink(path, links);
  };
  for (size_t bucket = 0; bucket < spool.buckets(); ++bucket) {
    FATHOM_RETURN_IF_ERROR(ForEachSorted(spool, bucket,
                                         options.max_bucket_records,
                                         [&](std::span<const Reply> replies) {
                                           paths.Add(replies, build);
                                           return absl::OkStatus();
                                         }));
  }
  paths.Finish(build);
  return absl::OkStatus();
}

uint64_t LinkKey(const Link& link) {
  return link.near.low() << 32 ^ link.far.low() ^
         Mix(link.near.high() ^ link.far.high());
}

// Collects questions, those of one path at a time, each cell once.
class Asker {
 public:
  Asker(Look& look, size_t most) : look_(look), most_(most) {}

  // REQUIRES: ttl < 256.
  void Ask(int ttl) { ttls_.push_back(static_cast<uint8_t>(ttl)); }

  void FinishPath(const Path& path) {
    if (ttls_.empty()) return;
    std::sort(ttls_.begin(), ttls_.end());
    ttls_.erase(std::unique(ttls_.begin(), ttls_.end()), ttls_.end());
    for (const uint8_t ttl : ttls_) {
      if (look_.questions.weight() >= most_) {
        ++look_.left_out;
      } else {
        look_.questions.Add({path.target, Ttl(ttl), path.flow});
      }
    }
    ttls_.clear();
  }

 private:
  Look& look_;
  const size_t most_;
  std::vector<uint8_t> ttls_;
};

// Counts up to 255 for keys, in a byte each; keys may share one.
class KeyCounters {
 public:
  explicit KeyCounters(uint64_t keys)
      : counts_(std::bit_ceil(std::max<uint64_t>(1, keys))) {}

  // How often it was called for the key, this time included.
  int Count(uint64_t key) {
    uint8_t& count =
        counts_[static_cast<size_t>(Mix(key)) & (counts_.size() - 1)];
    if (count < 255) ++count;
    return count;
  }

 private:
  std::vector<uint8_t> counts_;
};

// Asks the holes in a gap, for LookForHoles().
class HoleAsker {
 public:
  HoleAsker(const KnownPlaces& known, uint64_t expected, bool silent_places)
      : known_(known), asked_(expected), of_silent_(silent_places ? 1 : 0) {}

  void Ask(const Link& gap, Asker& asker) {
    if (gap.gap > kMaxGap) return;
    for (int place = 1; place <= gap.gap; ++place) {
      const int ttl = gap.min_ttl.value() + place;
      const uint64_t key = PlaceIn(gap, ttl);
      const int most = known_.Has(key) ? kRepairsPerPlace : of_silent_;
      if (asked_.Count(key) <= most) asker.Ask(ttl);
    }
  }

 private:
  const KnownPlaces& known_;
  KeyCounters asked_;
  const int of_silent_;
};

// Asks for what LookForDoubts() looks for.
class DoubtAsker {
 public:
  explicit DoubtAsker(uint64_t expected) : done_(expected) {}

  // Takes note of links that need no more probes.
  void Learn(std::span<const Link> links) {
    for (const Link& link : links) {
      if (link.gap == 0 && (link.flags & kLinkDoubts) == 0) {
        done_.Add(LinkKey(link));
      }
    }
  }

  void Ask(const Path& path, std::span<const Link> links, Asker& asker) {
    // Asking clears these two doubts, if anything does.
    constexpr int kLasting =
        kLinkDoubts & ~(kLinkUnverified | kLinkWideInterval);
    for (const Link& link : links) {
      if (link.gap != 0 || (link.flags & kLasting) != 0) continue;
      if (!done_.Add(LinkKey(link))) continue;
      asker.Ask(link.min_ttl.value());
      asker.Ask(link.min_ttl.value() + 1);
    }
    for (const Cell& cell : path.cells) {
      if (!cell.settled() && !cell.mixed) asker.Ask(cell.ttl.value());
      if (cell.ends_path) break;
    }
  }

 private:
  KeyFilter done_;  // Links that are confirmed, or asked.
};

}  // namespace

absl::StatusOr<Look> LookForHoles(SpoolReader& spool,
                                  const LookOptions& options) {
  const uint64_t expected = PlacesExpected(spool.records());
  KnownPlaces known(expected);
  FATHOM_RETURN_IF_ERROR(ForEachPath(
      spool, options,
      [&](const Path&, std::span<const Link> links) { known.Add(links); }));
  Look look;
  Asker asker(look, options.max_questions);
  HoleAsker holes(known, expected, options.silent_places);
  FATHOM_RETURN_IF_ERROR(ForEachPath(
      spool, options, [&](const Path& path, std::span<const Link> links) {
        for (const Link& link : links) holes.Ask(link, asker);
        asker.FinishPath(path);
      }));
  return look;
}

absl::StatusOr<Look> LookForDoubts(SpoolReader& spool,
                                   const LookOptions& options) {
  DoubtAsker doubts(PlacesExpected(spool.records()));
  FATHOM_RETURN_IF_ERROR(ForEachPath(
      spool, options,
      [&](const Path&, std::span<const Link> links) { doubts.Learn(links); }));
  Look look;
  Asker asker(look, options.max_questions);
  FATHOM_RETURN_IF_ERROR(ForEachPath(
      spool, options, [&](const Path& path, std::span<const Link> links) {
        doubts.Ask(path, links, asker);
        asker.FinishPath(path);
      }));
  return look;
}

}  // namespace fathom
