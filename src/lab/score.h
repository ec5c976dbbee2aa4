#ifndef FATHOM_SRC_LAB_SCORE_H_
#define FATHOM_SRC_LAB_SCORE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "src/lab/explain.h"
#include "src/lab/scenario.h"
#include "src/lab/truth.h"

namespace fathom::lab {

// How good a scanner's result is, against the truth of the targets it had.

// A link that a scanner asserts. Each (near, far) once.
struct Claim {
  uint32_t near = 0;
  uint32_t far = 0;
  uint32_t target = 0;    // Whose path showed it; 0 is unknown.
  bool doubtful = false;  // The scanner itself says so.
};

// What there is to be found.
struct TruthSizes {
  uint64_t links = 0;
  uint64_t routers = 0;
  uint64_t hosts = 0;

  uint64_t interfaces() const { return routers + hosts; }
};

struct Score {
  // links == true_links + the sum of false_links.
  uint64_t links = 0;
  uint64_t true_links = 0;  // Some flow to some target crosses them.
  std::array<uint64_t, kCauses> false_links{};
  uint64_t false_doubtful = 0;  // False links that were called doubtful.
  uint64_t host_links = 0;      // Left out of all these: see Reach::kPrefixes.

  // interfaces == true_routers + true_hosts + false_interfaces.
  uint64_t interfaces = 0;
  uint64_t true_routers = 0;
  uint64_t true_hosts = 0;
  uint64_t false_interfaces = 0;
};

// What a scanner is measured by.
enum class Reach : uint8_t {
  // What packets to the targets can show, whatever their flow.
  kTargets,
  // What packets to any address of the targets' /24s can show. Links to hosts
  // are left out of the truth and of the score, as there are as many as a
  // scanner has tried addresses; a link to a host that is not there is false.
  kPrefixes,
};

// Knows the truth of one list of targets; scores any number of results.
//
// Takes 8 bytes a link and 4 an interface of the truth for any flow, and twice
// that while it is made; 4 a target. One thread.
class Judge {
 public:
  // `seed` is that of the flow for one_flow(): see CanonicalKeys().
  // REQUIRES: CheckScenario(scenario) is OK; targets ascend.
  Judge(const Scenario& scenario, std::span<const uint32_t> targets,
        uint64_t seed, Reach reach = Reach::kTargets);
  Judge(const Judge&) = delete;
  Judge& operator=(const Judge&) = delete;

  // One flow a target sees this much. A scanner that keeps one flow can find
  // no more on average, though it may be others.
  const TruthSizes& one_flow() const { return one_flow_; }
  // All that is within reach.
  const TruthSizes& any_flow() const { return any_flow_; }

  // REQUIRES: both ascend without repeats, links by (near, far).
  Score Rate(std::span<const Claim> links,
             std::span<const uint32_t> interfaces) const;

 private:
  bool IsLinkToHost(const Claim& claim) const;

  const Reach reach_;
  const Truth truth_;
  const std::vector<uint32_t> targets_;
  const Explainer explainer_;
  // For any flow, ascending.
  std::vector<uint64_t> links_;       // near << 32 | far.
  std::vector<uint64_t> loop_backs_;  // Likewise, of LinkKind::kLoopBack.
  std::vector<uint32_t> routers_;
  std::vector<uint32_t> hosts_;
  TruthSizes one_flow_;
  TruthSizes any_flow_;
};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_SCORE_H_
