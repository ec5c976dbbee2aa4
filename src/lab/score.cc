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

// Without hosts, if `hosts` is false.
struct Part {
  Sight sight;
  bool hosts;
};

TrueSet Gather(const Truth& truth, std::span<const uint32_t> targets,
               KeysByTarget keys, Part part) {
  TrueSet all;
  Tally<Once<uint64_t>> links, loop_backs;
  Tally<Once<uint32_t>> routers;
  for (const uint32_t target : targets) {
    const FlowKeys flow = keys(target);
    truth.VisitLinks(target, flow, part.sight, [&](const TrueLink& link) {
      if (link.kind == LinkKind::kToHost && !part.hosts) return;
      (link.kind == LinkKind::kLoopBack ? loop_backs : links)
          .Add({uint64_t{link.near} << 32 | link.far});
    });
    truth.VisitHops(target, flow, part.sight, [&](const TrueHop& hop) {
      if (!hop.host) {
        routers.Add({hop.address});
      } else if (!part.hosts) {
        return;
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
             uint64_t seed, Reach reach)
    : reach_(reach),
      truth_(scenario),
      targets_(targets.begin(), targets.end()),
      explainer_(truth_, targets_) {
  const uint32_t source = scenario.source.v4();
  const auto keys = [&](uint32_t target) {
    return CanonicalKeys(source, target, seed);
  };
  const bool hosts = reach == Reach::kTargets;
  one_flow_ = Gather(truth_, targets, keys, {Sight::kOneFlow, hosts}).sizes();
  const Sight any_sight = hosts ? Sight::kAnyFlow : Sight::kEverything;
  TrueSet any = Gather(truth_, targets, keys, {any_sight, hosts});
  any_flow_ = any.sizes();
  links_ = std::move(any.links);
  loop_backs_ = std::move(any.loop_backs);
  routers_ = std::move(any.routers);
  hosts_ = std::move(any.hosts);
}

bool Judge::IsLinkToHost(const Claim& claim) const {
  bool found = false;
  truth_.VisitLinks(claim.far, {}, Sight::kEverything,
                    [&](const TrueLink& link) {
                      found |= link.kind == LinkKind::kToHost &&
                               link.near == claim.near && link.far == claim.far;
                    });
  return found;
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
    if (reach_ == Reach::kPrefixes && IsLinkToHost(claim)) {
      ++score.host_links;
      --score.links;
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
    } else if (reach_ == Reach::kPrefixes &&
               truth_.topology().InSpace(address) &&
               truth_.behaviour().Host(address).present) {
      --score.interfaces;
    } else {
      ++score.false_interfaces;
    }
  }
  return score;
}

}  // namespace fathom::lab
