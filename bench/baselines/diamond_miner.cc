// Diamond-Miner as published (Vermeulen et al., NSDI 2020), for comparison.
//
// Rounds over all /24s. In the first, six flows go to every TTL of every /24.
// After each, every /24 is looked at on its own: with L_t distinct links seen
// from TTL t to t + 1, and eps' = 1 - (1 - eps)^(1 / max L_t), the rule of the
// Multipath Detection Algorithm asks for m_t = n(L_t + 1, eps') flows, and in
// all max(m_t, m_(t-1)) flows are sent to TTL t, so that both ends of a link
// are. It ends when nothing is missing, or after ten rounds.
//
// A flow below 256 is an address of the /24, in an order of its own for each;
// beyond it is a flow number. A /24 that answered one probe twice is left as
// it is. Of the published program's work everything is here that decides what
// is sent; links are fathom's.

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <memory>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "fathom/registry.h"
#include "fathom/strategy.h"
#include "src/base/hash.h"
#include "src/schedule/permutation.h"
#include "src/strategy/stopping_rule.h"

namespace fathom {
namespace {

constexpr double kEpsilon = 0.05;
constexpr int kRounds = 10;
constexpr uint32_t kAddresses = 256;
constexpr uint32_t kFlowNumbers = 256;
constexpr uint32_t kFlows = kAddresses + kFlowNumbers - 1;
constexpr size_t kTtls = 32;

// For the replies to a round.
constexpr Nanos kBetweenRounds = std::chrono::seconds(3);

class DiamondMiner final : public Strategy {
 public:
  DiamondMiner(const TargetSet& targets, const StrategyOptions& options)
      : options_(options),
        ttls_(std::min(kTtls, size_t{1} + options.max_ttl.value() -
                                  options.min_ttl.value())) {
    for (size_t i = 0; i < targets.size(); ++i) {
      const uint32_t base = targets[i].v4() & ~255U;
      if (!bases_.empty() && bases_.back() == base) continue;
      index_.emplace(base, static_cast<uint32_t>(bases_.size()));
      bases_.push_back(base);
    }
    prefixes_.resize(bases_.size());
    for (size_t i = 0; i < bases_.size(); ++i) {
      prefixes_[i].due.fill(FlowsToRuleOut(2, kEpsilon));
    }
    over_ = bases_.empty();
    StartRound();
  }

  size_t Next(Instant now, std::span<Probe> out) override {
    size_t written = 0;
    while (written < out.size() && !over_) {
      if (at_ == order_->size()) {
        if (!waiting_) resume_ = now + kBetweenRounds;
        waiting_ = true;
        if (now < resume_) break;
        waiting_ = false;
        EndRound();
        continue;
      }
      written += NextCell(out.subspan(written));
    }
    sent_ += written;
    return written;
  }

  void Observe(std::span<const Reply> replies) override;
  bool done() const override { return over_; }
  uint64_t planned() const override {
    return over_ ? sent_ : sent_ + prefixes_.size() * ttls_ * 6;
  }

 private:
  struct Cell {
    uint16_t flow;
    uint8_t ttl;
    uint32_t responder;
  };
  struct Prefix {
    std::array<uint32_t, kTtls> sent{};  // Flows, by TTL.
    std::array<uint32_t, kTtls> due{};
    std::vector<Cell> cells;
    bool doubled = false;
  };

  Probe ProbeOf(uint32_t base, size_t column, uint32_t flow) const {
    const uint64_t key = Derive(options_.seed, base);
    const uint32_t octet =
        static_cast<uint32_t>(Permutation(kAddresses, key)(flow % kAddresses));
    const Ttl ttl(static_cast<uint8_t>(options_.min_ttl.value() + column));
    // Beyond the addresses it is the flow number that varies.
    const auto number = flow < kAddresses ? 0U : flow - kAddresses + 1;
    return {IpAddress::V4(base | octet), ttl,
            FlowId(static_cast<uint16_t>(number))};
  }

  void StartRound() {
    order_ = std::make_unique<Permutation>(
        bases_.size() * ttls_, options_.seed + static_cast<uint64_t>(round_));
    at_ = 0;
  }

  // Writes the flows that are due at one TTL of one /24.
  size_t NextCell(std::span<Probe> out) {
    const uint64_t place = (*order_)(at_);
    const size_t index = place / ttls_, column = place % ttls_;
    Prefix& prefix = prefixes_[index];
    size_t count = 0;
    while (count < out.size() && prefix.sent[column] < prefix.due[column]) {
      const Probe probe = ProbeOf(bases_[index], column, prefix.sent[column]++);
      if (options_.allowed && !options_.allowed(probe.target)) continue;
      out[count++] = probe;
    }
    if (prefix.sent[column] >= prefix.due[column]) ++at_;
    return count;
  }

  void EndRound() {
    bool more = false;
    for (Prefix& prefix : prefixes_) more |= Decide(prefix);
    over_ = !more || ++round_ == kRounds;
    if (!over_) StartRound();
  }

  bool Decide(Prefix& prefix) const;

  const StrategyOptions options_;
  const size_t ttls_;
  std::vector<uint32_t> bases_;
  std::vector<Prefix> prefixes_;
  absl::flat_hash_map<uint32_t, uint32_t> index_;
  std::unique_ptr<Permutation> order_;
  uint64_t at_ = 0;
  int round_ = 0;
  bool over_ = false;
  bool waiting_ = false;
  Instant resume_{};
  uint64_t sent_ = 0;
};

void DiamondMiner::Observe(std::span<const Reply> replies) {
  for (const Reply& reply : replies) {
    const uint32_t target = reply.probe.target.v4();
    const auto found = index_.find(target & ~255U);
    const int column = reply.probe.ttl.value() - options_.min_ttl.value();
    if (found == index_.end() || column < 0) continue;
    if (column >= static_cast<int>(ttls_)) continue;
    const uint32_t flow = (target & 255) | reply.probe.flow.value() << 8;
    prefixes_[found->second].cells.push_back(
        {static_cast<uint16_t>(flow), static_cast<uint8_t>(column),
         reply.kind == ReplyKind::kHop ? reply.responder.v4() : 0});
  }
}

// Whether more is due.
bool DiamondMiner::Decide(Prefix& prefix) const {
  auto& cells = prefix.cells;
  std::sort(cells.begin(), cells.end(), [](const Cell& a, const Cell& b) {
    return std::tie(a.flow, a.ttl, a.responder) <
           std::tie(b.flow, b.ttl, b.responder);
  });
  std::array<std::vector<uint64_t>, kTtls> links;
  for (size_t i = 0; i + 1 < cells.size(); ++i) {
    const Cell& near = cells[i];
    const Cell& far = cells[i + 1];
    if (near.flow != far.flow) continue;
    if (near.ttl == far.ttl) prefix.doubled = true;
    if (near.ttl + 1 != far.ttl || near.responder == 0 || far.responder == 0) {
      continue;
    }
    links[near.ttl].push_back(uint64_t{near.responder} << 32 | far.responder);
  }
  if (prefix.doubled) return false;
  std::array<uint32_t, kTtls> counts{};
  uint32_t most = 0;
  for (size_t t = 0; t < ttls_; ++t) {
    std::sort(links[t].begin(), links[t].end());
    counts[t] = static_cast<uint32_t>(
        std::unique(links[t].begin(), links[t].end()) - links[t].begin());
    most = std::max(most, counts[t]);
  }
  if (most == 0) return false;
  const double epsilon = 1 - std::pow(1 - kEpsilon, 1.0 / most);
  bool more = false;
  uint32_t before = 0;
  for (size_t t = 0; t < ttls_; ++t) {
    const uint32_t flows =
        counts[t] == 0 ? 0 : FlowsToRuleOut(counts[t] + 1, epsilon);
    prefix.due[t] = std::min(kFlows, std::max({prefix.due[t], flows, before}));
    more |= prefix.due[t] > prefix.sent[t];
    before = flows;
  }
  return more;
}

absl::StatusOr<std::unique_ptr<Strategy>> Make(const TargetSet& targets,
                                               const StrategyOptions& options) {
  if (options.min_ttl < Ttl(1) || options.max_ttl < options.min_ttl) {
    return absl::InvalidArgumentError("diamond_miner: no range of TTLs");
  }
  return std::make_unique<DiamondMiner>(targets, options);
}

const Register<StrategyModule> kDiamondMiner(
    {.name = "diamond_miner",
     .help = "Diamond-Miner as published",
     .make = &Make,
     .flows = kFlowNumbers});

}  // namespace
}  // namespace fathom
