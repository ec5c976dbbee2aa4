#include "src/lab/score.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "src/lab/tally.h"
#include "src/lab/truth_dataset.h"

namespace fathom::lab {
namespace {

template <typename T>
struct Once {
  T value{};

  uint64_t key() const { return value; }
  void Merge(const Once& /*other*/) {}
};

template <typename T>
std::vector<T> Values(Tally<Once<T>>& tally) {
  const std::vector<Once<T>> rows = tally.Take();
  std::vector<T> values(rows.size());
  std::transform(rows.begin(), rows.end(), values.begin(),
                 [](const Once<T>& row) { return row.value; });
  return values;
}

struct TrueSet {
  std::vector<uint64_t> links;
  std::vector<uint64_t> loop_backs;
  std::vector<uint32_t> routers;
  std::vector<uint32_t> hosts;

  TruthSizes sizes() const {
    return {links.size(), routers.size(), hosts.size()};
  }
};

TrueSet Gather(const Truth& truth, std::span<const uint32_t> targets,
               KeysByTarget keys, Sight sight) {
  TrueSet all;
  Tally<Once<uint64_t>> links, loop_backs;
  Tally<Once<uint32_t>> routers;
  for (const uint32_t target : targets) {
    const FlowKeys flow = keys(target);
    truth.VisitLinks(target, flow, sight, [&](const TrueLink& link) {
      (link.kind == LinkKind::kLoopBack ? loop_backs : links)
          .Add({uint64_t{link.near} << 32 | link.far});
    });
    truth.VisitHops(target, flow, sight, [&](const TrueHop& hop) {
      if (!hop.host) {
        routers.Add({hop.address});
      } else if (all.hosts.empty() || all.hosts.back() != hop.address) {
        all.hosts.push_back(hop.address);
      }
    });
  }
  all.links = Values(links);
  all.loop_backs = Values(loop_backs);
  all.routers = Values(routers);
  return all;
}

// Whether `value` is in `sorted`, where values are asked for in order.
template <typename T>
class Lookup {
 public:
  explicit Lookup(const std::vector<T>& sorted)
      : next_(sorted.begin()), end_(sorted.end()) {}

  bool Holds(T value) {
    while (next_ != end_ && *next_ < value) ++next_;
    return next_ != end_ && *next_ == value;
  }

 private:
  typename std::vector<T>::const_iterator next_;
  typename std::vector<T>::const_iterator end_;
};

}  // namespace

Judge::Judge(const Scenario& scenario, std::span<const uint32_t> targets,
             uint64_t seed)
    : truth_(scenario),
      targets_(targets.begin(), targets.end()),
      explainer_(truth_, targets_) {
  const uint32_t source = scenario.source.v4();
  const auto keys = [&](uint32_t target) {
    return CanonicalKeys(source, target, seed);
  };
  one_flow_ = Gather(truth_, targets, keys, Sight::kOneFlow).sizes();
  TrueSet any = Gather(truth_, targets, keys, Sight::kAnyFlow);
  any_flow_ = any.sizes();
  links_ = std::move(any.links);
  loop_backs_ = std::move(any.loop_backs);
  routers_ = std::move(any.routers);
  hosts_ = std::move(any.hosts);
}

Score Judge::Rate(std::span<const Claim> links,
                  std::span<const uint32_t> interfaces) const {
  Score score;
  score.links = links.size();
  Lookup<uint64_t> true_links(links_);
  Lookup<uint64_t> loop_backs(loop_backs_);
  for (const Claim& claim : links) {
    const uint64_t pair = uint64_t{claim.near} << 32 | claim.far;
    if (true_links.Holds(pair)) {
      ++score.true_links;
      continue;
    }
    // A loop is known by the targets in it; the others would not show it.
    const Cause cause =
        loop_backs.Holds(pair)
            ? Cause::kLoop
            : explainer_.Explain(claim.near, claim.far,
                                 claim.target == 0
                                     ? std::nullopt
                                     : std::optional(claim.target));
    ++score.false_links[static_cast<size_t>(cause)];
    if (claim.doubtful) ++score.false_doubtful;
  }
  score.interfaces = interfaces.size();
  Lookup<uint32_t> routers(routers_);
  Lookup<uint32_t> hosts(hosts_);
  for (const uint32_t address : interfaces) {
    if (routers.Holds(address)) {
      ++score.true_routers;
    } else if (hosts.Holds(address)) {
      ++score.true_hosts;
    } else {
      ++score.false_interfaces;
    }
  }
  return score;
}

}  // namespace fathom::lab
