#include "src/lab/describe.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <vector>

#include "absl/strings/str_format.h"
#include "src/base/hash.h"
#include "src/lab/truth.h"

namespace fathom::lab {
namespace {

constexpr uint64_t kSampleSalt = 0x73616d70;

Percentiles PercentilesOf(std::vector<double> values) {
  Percentiles result{};
  if (values.empty()) return result;
  std::sort(values.begin(), values.end());
  for (size_t i = 0; i < kPercentiles.size(); ++i) {
    result[i] = values[static_cast<size_t>(
        kPercentiles[i] * static_cast<double>(values.size() - 1))];
  }
  return result;
}

// Adds up what is seen on the way to each target.
class Survey {
 public:
  explicit Survey(const Scenario& scenario)
      : truth_(scenario), source_(scenario.source.v4()) {}

  void Visit(uint32_t target) {
    const FlowKeys keys = AddressKeys(source_, target);
    const Route route = truth_.topology().RouteTo(target);
    const Landing end = truth_.topology().Land(target, keys, 255);
    const HostTraits host = truth_.behaviour().Host(target);
    ++targets_;
    if (route.end == RouteEnd::kHost && host.answers) {
      lengths_.push_back(route.hops + 1);
      const Nanos rtt = end.forward + end.back + 2 * host.delay;
      rtts_ms_.push_back(static_cast<double>(rtt.count()) / 1e6);
    } else {
      last_hops_.push_back(LastHop(target, keys));
    }
    ++ends_[static_cast<size_t>(route.end)];
    balanced_ += IsBalanced(route) ? 1 : 0;
    for (uint8_t ttl = 1; ttl <= route.hops; ++ttl) {
      CountHop(truth_.topology().Land(target, keys, ttl).router);
    }
  }

  LabDescription Result() const {
    const auto share = [](uint64_t part, uint64_t whole) {
      return whole == 0
                 ? 0.0
                 : static_cast<double>(part) / static_cast<double>(whole);
    };
    const auto ended = [&](RouteEnd end) {
      return ends_[static_cast<size_t>(end)];
    };
    const uint64_t answering = lengths_.size();
    return {.targets = targets_,
            .length = PercentilesOf(lengths_),
            .last_hop = PercentilesOf(last_hops_),
            .rtt_ms = PercentilesOf(rtts_ms_),
            .answering = share(answering, targets_),
            .absent = share(ended(RouteEnd::kHost) - answering, targets_),
            .unrouted = share(ended(RouteEnd::kUnrouted), targets_),
            .filtered = share(ended(RouteEnd::kFiltered), targets_),
            .looping = share(ended(RouteEnd::kLoop), targets_),
            .balanced = share(balanced_, targets_),
            .silent_hops = share(silent_hops_, hops_),
            .limited_hops = share(limited_hops_, hops_)};
  }

 private:
  static bool IsBalanced(const Route& route) {
    return std::any_of(
        route.used().begin(), route.used().end(), [](const Segment& segment) {
          return segment.span > 0 && segment.balancer == Balancer::kPerFlow;
        });
  }

  uint8_t LastHop(uint32_t target, const FlowKeys& keys) const {
    uint8_t last = 0;
    truth_.VisitHops(target, keys, Sight::kOneFlow,
                     [&](const TrueHop& hop) { last = hop.distance; });
    return last;
  }

  void CountHop(uint32_t router) {
    const RouterTraits traits = truth_.behaviour().Router(router);
    ++hops_;
    silent_hops_ += traits.silent ? 1 : 0;
    limited_hops_ += traits.limited ? 1 : 0;
  }

  const Truth truth_;
  const uint32_t source_;
  uint64_t targets_ = 0;
  std::array<uint64_t, 5> ends_{};  // By RouteEnd.
  uint64_t balanced_ = 0;
  uint64_t hops_ = 0;
  uint64_t silent_hops_ = 0;
  uint64_t limited_hops_ = 0;
  std::vector<double> lengths_;
  std::vector<double> last_hops_;
  std::vector<double> rtts_ms_;
};

}  // namespace

LabDescription DescribeLab(const Scenario& scenario, uint64_t targets) {
  uint64_t size = 0;
  for (const Prefix& prefix : scenario.space) {
    size += uint64_t{1} << (32 - prefix.length());
  }
  assert(size > 0);
  Survey survey(scenario);
  for (uint64_t i = 0; i < targets; ++i) {
    uint64_t offset = Derive(scenario.seed ^ kSampleSalt, i) % size;
    for (const Prefix& prefix : scenario.space) {
      const uint64_t here = uint64_t{1} << (32 - prefix.length());
      if (offset < here) {
        survey.Visit(prefix.first().v4() + static_cast<uint32_t>(offset));
        break;
      }
      offset -= here;
    }
  }
  return survey.Result();
}

std::string ToString(const LabDescription& d) {
  const auto row = [](const char* what, const Percentiles& p) {
    return absl::StrFormat("%-30s %.0f/%.0f/%.0f/%.0f/%.0f\n", what, p[0], p[1],
                           p[2], p[3], p[4]);
  };
  const auto share = [](const char* what, double value) {
    return absl::StrFormat("%-30s %.2f %%\n", what, 100 * value);
  };
  return absl::StrFormat("%-30s %d\n", "targets looked at", d.targets) +
         row("path length p10/25/50/75/90", d.length) +
         row("last hop of silent paths", d.last_hop) +
         row("round trip, ms", d.rtt_ms) +
         share("answering hosts", d.answering) +
         share("absent hosts", d.absent) + share("unrouted", d.unrouted) +
         share("filtered", d.filtered) + share("looping", d.looping) +
         share("balanced per flow", d.balanced) +
         share("silent hops", d.silent_hops) +
         share("rate limited hops", d.limited_hops);
}

}  // namespace fathom::lab
