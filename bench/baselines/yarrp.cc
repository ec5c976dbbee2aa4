// Yarrp's sweep as published (Beverly, IMC 2016; yarrp 0.7's trace.cpp), as
// strategies to be measured against:
//
//   yarrp-32            all TTLs in a random order, nothing learned
//   yarrp-fill          TTLs up to 16; a hop at 16 or beyond asks for the next
//                       one at once, without a memory of what was asked
//   yarrp-neighborhood  the same, and below TTL 6 probes are left off once a
//                       twentieth of the replies there bring no new router
//
// The last TTL of all is that of the options.

#include <algorithm>
#include <array>
#include <deque>
#include <memory>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "fathom/registry.h"
#include "fathom/strategy.h"
#include "src/schedule/permutation.h"

namespace fathom {
namespace {

// Yarrp's own defaults, but for the neighbourhood, which is off in it.
constexpr unsigned kSweepTtl = 16;
constexpr unsigned kNeighborhood = 6;
// A router is new to less than this share of the replies: leave off.
constexpr double kNews = 0.05;
// Yarrp shuts down some time after the last probe; fills go on that long.
constexpr Nanos kShutdown = std::chrono::seconds(2);
// Follow-ups on their way out; there are never more than replies in a batch.
constexpr size_t kMostWaiting = size_t{1} << 17;

struct Modes {
  bool fill = false;
  bool neighborhood = false;
};

class Yarrp final : public Strategy {
 public:
  Yarrp(const TargetSet& targets, const StrategyOptions& options,
        const Modes& modes)
      : targets_(targets),
        modes_(modes),
        min_ttl_(options.min_ttl.value()),
        last_ttl_(options.max_ttl.value()),
        sweep_ttl_(modes.fill ? std::clamp(kSweepTtl, min_ttl_, last_ttl_)
                              : last_ttl_),
        order_(targets.size() * (sweep_ttl_ - min_ttl_ + 1), options.seed),
        done_(targets.empty()) {}

  size_t Next(Instant now, std::span<Probe> out) override {
    if (done_) return 0;
    size_t written = 0;
    for (; written < out.size() && !fills_.empty(); fills_.pop_front()) {
      out[written++] = fills_.front();
      ++filled_;
    }
    for (; written < out.size() && next_ < order_.size(); ++next_) {
      const Probe probe = At(order_(next_));
      if (LeavesOff(probe.ttl.value())) {
        ++left_off_;
      } else {
        out[written++] = probe;
      }
    }
    if (written > 0) last_sent_ = now;
    done_ = next_ == order_.size() && fills_.empty() &&
            (!modes_.fill || (written == 0 && now - last_sent_ >= kShutdown));
    return written;
  }

  void Observe(std::span<const Reply> replies) override {
    for (const Reply& reply : replies) {
      const unsigned ttl = reply.probe.ttl.value();
      if (reply.kind != ReplyKind::kHop || ttl < min_ttl_ || ttl > last_ttl_ ||
          !targets_.Find(reply.probe.target)) {
        continue;
      }
      if (ttl < kNeighborhood) Count(seen_[ttl], reply.responder);
      if (modes_.fill && ttl >= sweep_ttl_ && ttl < last_ttl_ &&
          fills_.size() < kMostWaiting) {
        fills_.push_back({reply.probe.target,
                          Ttl(static_cast<uint8_t>(ttl + 1)), FlowId(0)});
      }
    }
  }

  bool observes() const override { return modes_.fill || modes_.neighborhood; }
  bool done() const override { return done_; }
  uint64_t planned() const override {
    return order_.size() - left_off_ + filled_;
  }

 private:
  struct Seen {
    absl::flat_hash_set<uint32_t> routers;
    uint64_t replies = 0;
  };

  Probe At(uint64_t number) const {
    const uint64_t ttls = sweep_ttl_ - min_ttl_ + 1;
    return {targets_[number / ttls],
            Ttl(static_cast<uint8_t>(min_ttl_ + number % ttls)), FlowId(0)};
  }

  // A new router starts the count again.
  static void Count(Seen& seen, const IpAddress& responder) {
    if (seen.routers.insert(responder.v4()).second) {
      seen.replies = seen.routers.size() + 1;
    } else {
      ++seen.replies;
    }
  }

  bool LeavesOff(unsigned ttl) const {
    if (!modes_.neighborhood || ttl >= kNeighborhood) return false;
    const Seen& seen = seen_[ttl];
    return seen.replies > 0 && static_cast<double>(seen.routers.size()) <
                                   kNews * static_cast<double>(seen.replies);
  }

  const TargetSet& targets_;
  const Modes modes_;
  const unsigned min_ttl_;
  const unsigned last_ttl_;
  const unsigned sweep_ttl_;
  const Permutation order_;
  uint64_t next_ = 0;
  uint64_t left_off_ = 0;
  uint64_t filled_ = 0;
  std::deque<Probe> fills_;
  std::array<Seen, kNeighborhood> seen_;
  Instant last_sent_;
  bool done_;
};

template <bool fill, bool neighborhood>
absl::StatusOr<std::unique_ptr<Strategy>> Make(const TargetSet& targets,
                                               const StrategyOptions& options) {
  if (options.min_ttl < Ttl(1) || options.max_ttl < options.min_ttl) {
    return absl::InvalidArgumentError("yarrp: the TTLs make no range");
  }
  return std::make_unique<Yarrp>(targets, options, Modes{fill, neighborhood});
}

const Register<StrategyModule> kSweep({"yarrp-32", "yarrp: every TTL",
                                       &Make<false, false>});
const Register<StrategyModule> kFill({"yarrp-fill", "yarrp: fill from TTL 16",
                                      &Make<true, false>});
const Register<StrategyModule> kBoth({"yarrp-neighborhood",
                                      "yarrp: fill, neighborhood to TTL 5",
                                      &Make<true, true>});

}  // namespace
}  // namespace fathom
