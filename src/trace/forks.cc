#include "src/trace/forks.h"

#include <algorithm>
#include <utility>

namespace fathom {
namespace {

// Who answered a flow at a hop last; nullopt if nobody did.
std::optional<IpAddress> AnswerAt(const Tracer& tracer, FlowId flow, Ttl ttl) {
  const TraceCell& cell = tracer.cell(flow, ttl);
  if (cell.latest == TraceProbe::kNobody) return std::nullopt;
  return cell.responders[static_cast<size_t>(cell.latest)].address;
}

class ForkFinder {
 public:
  explicit ForkFinder(const Tracer& tracer) : tracer_(tracer) {
    for (uint16_t f = 0; f < tracer.options().flows; ++f) {
      flows_.emplace_back(f);
    }
  }

  std::vector<std::vector<ForkLine>> Find() {
    std::vector<std::vector<ForkLine>> forks;
    const uint8_t first = tracer_.options().first_ttl.value();
    const uint8_t end = tracer_.last().value();
    for (uint8_t t = first; t <= end; ++t) {
      if (Branches(flows_, t).size() < 2) continue;
      last_ = t;
      while (last_ < end && Branches(flows_, last_ + 1).size() > 1) ++last_;
      lines_.clear();
      if (t > first) AddMeeting(t - 1);
      Descend(flows_, t, {});
      if (last_ < end) AddMeeting(last_ + 1);
      forks.push_back(std::move(lines_));
      t = last_;
    }
    return forks;
  }

 private:
  struct Branch {
    std::optional<IpAddress> address;
    std::vector<FlowId> flows;
  };

  // The flows that get to `ttl`, by who answers them there. The silent are one
  // branch if there are others that part; alone they tell nothing.
  std::vector<Branch> Branches(const std::vector<FlowId>& flows,
                               int ttl) const {
    std::vector<Branch> branches;
    Branch silent;
    for (const FlowId flow : flows) {
      const Ttl at(static_cast<uint8_t>(ttl));
      if (at > tracer_.LastOf(flow)) continue;
      const auto address = AnswerAt(tracer_, flow, at);
      if (!address) {
        silent.flows.push_back(flow);
        continue;
      }
      auto it = std::find_if(
          branches.begin(), branches.end(),
          [&](const Branch& branch) { return branch.address == address; });
      if (it == branches.end()) it = branches.insert(it, {address, {}});
      it->flows.push_back(flow);
    }
    if (branches.size() != 1 && !silent.flows.empty()) {
      branches.push_back(std::move(silent));
    }
    return branches;
  }

  void AddMeeting(int ttl) {
    for (Branch& branch : Branches(flows_, ttl)) {
      if (!branch.address) continue;
      lines_.push_back({.ttl = Ttl(static_cast<uint8_t>(ttl)),
                        .address = branch.address,
                        .flows = std::move(branch.flows)});
    }
  }

  void Descend(const std::vector<FlowId>& flows, int ttl,
               const std::vector<bool>& above) {
    if (ttl > last_) return;
    const auto branches = Branches(flows, ttl);
    for (size_t i = 0; i < branches.size(); ++i) {
      ForkLine line = {.ttl = Ttl(static_cast<uint8_t>(ttl)),
                       .address = branches[i].address,
                       .flows = branches[i].flows,
                       .last_of = above,
                       .begins_branch = branches.size() > 1};
      if (line.begins_branch) line.last_of.push_back(i + 1 == branches.size());
      lines_.push_back(line);
      Descend(branches[i].flows, ttl + 1, line.last_of);
    }
  }

  const Tracer& tracer_;
  std::vector<FlowId> flows_;
  int last_ = 0;  // TTL of the fork at hand.
  std::vector<ForkLine> lines_;
};

}  // namespace

std::vector<std::vector<ForkLine>> ForksOf(const Tracer& tracer) {
  return ForkFinder(tracer).Find();
}

}  // namespace fathom
