#ifndef FATHOM_SRC_STRATEGY_PATH_WALK_H_
#define FATHOM_SRC_STRATEGY_PATH_WALK_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "fathom/probe.h"
#include "src/strategy/stop_set.h"
#include "src/strategy/traces.h"
#include "src/strategy/yields.h"

namespace fathom {

// A PathWalk decides which TTLs of one target are probed, from what its
// neighbours' paths and its own answers tell.
//
// It starts where the path will leave what is known. From the highest answer it
// goes forward, from the lowest back, each as long as a probe of the kind has
// been worth it (see yields.h). Where nothing answers at the start it searches:
// first where neighbours tell to, then back, then once far ahead.
//
// At most two probes are waited for: one forward, one back.
class PathWalk {
 public:
  // What all walks learn and go by.
  struct Knowledge {
    Yields yields;
    StopSet routers;
  };

  // Of a walk: its TTLs, a number that no other walk of the scan has, and how
  // much news must be expected of a probe, in thousandths: this decides how
  // much is found for how many probes.
  struct Bounds {
    int min_ttl;
    int max_ttl;
    uint64_t salt;
    Yields::Share min_yield;
  };

  // How many contexts the yields need.
  static size_t Contexts();

  // Where to start without neighbours that tell: at `guess`.
  PathWalk(const Vicinity& vicinity, int guess, const Bounds& bounds);

  // The TTLs to probe next; 0 for none. Neither: the walk has ended.
  // REQUIRES: it waits for nothing.
  struct Step {
    int back = 0;
    int forward = 0;
  };
  Step Next(Knowledge& knowledge, const Bounds& bounds);

  // Tells that `router`, which is not 0, answered at `ttl`.
  void Hear(int ttl, uint32_t router, ReplyKind kind, Knowledge& knowledge);

  // Tells that nothing did.
  void Miss(int ttl, Knowledge& knowledge);

  bool Awaits(int ttl) const {
    return ttl == awaits_.back || ttl == awaits_.forward;
  }
  bool waiting() const { return awaits_.back != 0 || awaits_.forward != 0; }

  // What it leaves. REQUIRES: it has ended.
  Traces::Path Finish(Knowledge& knowledge) const;

 private:
  struct Answer {
    int ttl;
    uint32_t router;  // 0: none.
    bool fresh;       // The router was unknown.
    int nearest;      // The least TTL at which it answered anybody.
    ReplyKind kind;
  };

  int NextForward(Knowledge& knowledge, const Bounds& bounds);
  int NextFar(Knowledge& knowledge, const Bounds& bounds);
  int NextBack(Knowledge& knowledge, const Bounds& bounds);
  int NextAgainstLoop() const;
  size_t ForwardContext(int ttl, int gap, Knowledge& knowledge) const;
  Yields::Question BackQuestion(int ttl, Knowledge& knowledge) const;
  int RelativeToBranch(int ttl) const;
  void Learn(const Answer& answer, Knowledge& knowledge);
  void LearnForward(const Answer& answer, Knowledge& knowledge);
  void LearnBack(const Answer& answer, Knowledge& knowledge);
  void LearnFirst(const Answer& answer);
  void Take(const Answer& answer);

  TtlSet asked_ = 0;
  TtlSet answered_ = 0;
  TtlSet fresh_ = 0;                  // Where the router was unknown.
  TtlSet silent_;                     // Where one neighbour heard nothing,
  TtlSet quiet_;                      // and where several did.
  std::array<uint32_t, 4> recent_{};  // Routers, by the low bits of their TTL.
  uint32_t top_ = 0;                  // That answered at the highest TTL.
  uint32_t router_ = 0;               // That answered last on the way back,
  uint8_t router_ttl_ = 0;            // and where.
  uint8_t start_;
  uint8_t back_ = 0;  // The next TTL on the way back; 0: it has ended.
  struct {
    uint8_t back = 0;
    uint8_t forward = 0;
  } awaits_;
  uint8_t left_at_ = 0;  // The highest known router was met here.
  uint8_t expected_;     // Where neighbours leave; 0: not known.
  uint8_t end_;          // Where they end: in the mean,
  uint8_t latest_;       // at most.
  uint8_t agreeing_;     // How many leave at expected_,
  uint8_t life_;         // and whether anything is behind: see .cc.
  uint8_t run_ = 0;      // Silent TTLs in a row on the way back.
  // A router that answered at far_ was seen at near_ by others, 2 or more TTLs
  // nearer: this may be a loop.
  uint8_t near_ = 0;
  uint8_t far_ = 0;
  uint8_t searched_ = 0;  // Probes back before anything was heard.
  uint16_t forward_context_ = 0;
  uint16_t back_context_ = 0;
  uint16_t search_context_ = 0;  // 0: not searched.
  uint16_t far_context_ = 0;     // Likewise.
  bool tight_;
  bool heard_ = false;
  bool goes_forward_ = true;
  bool reached_ = false;
  bool router_fresh_ = false;
  bool top_fresh_ = false;
};
static_assert(sizeof(PathWalk) <= 96);

}  // namespace fathom

#endif  // FATHOM_SRC_STRATEGY_PATH_WALK_H_
