#include "src/strategy/path_walk.h"

#include <algorithm>
#include <bit>

namespace fathom {
namespace {

// What is worth a probe, given what the user wants (Bounds::min_yield). Forward
// an answer is news, since there is more behind it: most where nothing of the
// path's own has been heard yet. Else a router, or a link.
using Share = Yields::Share;
Share WorthForward(Share least) { return least; }
Share WorthGoingOn(Share least) { return (least + 3) / 4; }
Share WorthSearch(Share least) { return (least + 1) / 2; }
Share WorthBack(Share least) { return (3 * least + 3) / 4; }

// How many silent TTLs in a row are asked at most on the way forward. On
// 65,536 /24s of the lab the fifth answered in 0.3 % of cases.
constexpr int kMostGap = 5;

// How far the way back jumps, and how many probes it takes, while nothing has
// answered.
constexpr int kJump = 3;
constexpr int kMostSearch = 8;

// How far ahead the last look goes where nothing answered at all.
constexpr int kFar = 6;

// Contexts, kind after kind. The first stands for none.
constexpr size_t kForwardGaps = kMostGap;
constexpr size_t kForwardStates = 14;
constexpr size_t kForwardPlaces = 4;
constexpr size_t kForward = 1;
constexpr size_t kFarLook =
    kForward + kForwardGaps * kForwardStates * kForwardPlaces;
constexpr size_t kSearch = kFarLook + 5;
constexpr size_t kAfterSilence = kSearch + 2 * 5;
constexpr size_t kAfterFresh = kAfterSilence + size_t{3} * 2 * 5;
constexpr size_t kAfterKnown = kAfterFresh + size_t{4} * 5;
constexpr size_t kContexts = kAfterKnown + size_t{7} * 5 * 5;

// Answers a probe at each gap, in the mean.
constexpr std::array<Yields::Share, kMostGap> kForwardPrior = {600, 300, 150,
                                                               20, 10};

uint8_t Small(int value) { return static_cast<uint8_t>(value); }

// Whether neighbours were heard beyond the branch: 0 not known, 1 few and none
// was, 2 many and none was, 3 less than a third, 4 more.
int LifeOf(const Vicinity& vicinity) {
  if (vicinity.near < 2) return 0;
  if (vicinity.live == 0) return vicinity.near < 4 ? 1 : 2;
  return vicinity.live * 3 < vicinity.near ? 3 : 4;
}

// How often paths go on behind a router: 0 not known, then rarely to mostly.
int Followed(const KnownRouter& router) {
  const int all = router.followed() + router.ended();
  if (all < 3) return 0;
  if (router.followed() * 8 < all) return 1;
  return router.followed() * 2 < all ? 2 : 3;
}

// How well the ways into a router are known.
size_t EntranceContext(const KnownRouter& router) {
  const int tries = std::bit_width(std::max(router.tries(), uint8_t{1}) - 1U);
  const int ways = router.ways();
  return static_cast<size_t>(std::min(tries, 6) * 5 + (ways <= 1   ? 0
                                                       : ways <= 3 ? ways - 1
                                                       : ways <= 5 ? 3
                                                                   : 4));
}

int StartOf(const Vicinity& vicinity, int guess) {
  if (!vicinity.known || (vicinity.branch == 0 && vicinity.end == 0)) {
    return guess;
  }
  if (vicinity.branch == 0) return vicinity.end;
  int start = vicinity.branch + 1;
  if (!vicinity.tight) {
    // Anywhere between the branch of those farther off and the end.
    start = (start + std::max(vicinity.end, start) + 1) / 2;
  }
  // Past what is silent for all.
  const TtlSet silent = vicinity.silent | vicinity.quiet;
  while ((silent & TtlBit(start)) != 0 && vicinity.heard >> start > 1) ++start;
  return start;
}

}  // namespace

size_t PathWalk::Contexts() { return kContexts; }

PathWalk::PathWalk(const Vicinity& vicinity, int guess, const Bounds& bounds)
    : silent_(vicinity.silent),
      quiet_(vicinity.quiet),
      start_(Small(std::clamp(StartOf(vicinity, guess), bounds.min_ttl,
                              bounds.max_ttl))),
      expected_(Small(vicinity.branch)),
      end_(Small(vicinity.end)),
      latest_(Small(vicinity.latest)),
      agreeing_(Small(
          std::min(vicinity.tight ? vicinity.agreeing : vicinity.near, 4))),
      life_(Small(LifeOf(vicinity))),
      tight_(vicinity.tight) {}

PathWalk::Step PathWalk::Next(Knowledge& knowledge, const Bounds& bounds) {
  Step step;
  if (asked_ == 0) {
    step.forward = start_;
    forward_context_ = 0;
    back_ = Small(start_ - 1);
  } else if (heard_) {
    step.back = NextBack(knowledge, bounds);
    step.forward = NextForward(knowledge, bounds);
  } else {
    // One thing after the other, the likelier first.
    if (tight_) step.forward = NextForward(knowledge, bounds);
    if (step.forward == 0) step.back = NextBack(knowledge, bounds);
    if (step.back == 0 && step.forward == 0) {
      step.forward = NextForward(knowledge, bounds);
    }
    if (step.back == 0 && step.forward == 0) {
      step.forward = NextFar(knowledge, bounds);
    }
  }
  if (step.back != 0) asked_ |= TtlBit(step.back);
  if (step.forward != 0) asked_ |= TtlBit(step.forward);
  awaits_.back = Small(step.back);
  awaits_.forward = Small(step.forward);
  return step;
}

// The lowest TTL above the highest answer that was not asked yet.
int PathWalk::NextForward(Knowledge& knowledge, const Bounds& bounds) {
  if (!goes_forward_) return 0;
  const int last = heard_ ? HighestTtl(answered_) : start_ - 1;
  int ttl = last + 1;
  while (ttl <= bounds.max_ttl && (asked_ & TtlBit(ttl)) != 0) ++ttl;
  const int gap = ttl - last;
  goes_forward_ = false;
  if (ttl > bounds.max_ttl || gap > kMostGap) return 0;
  const size_t context = ForwardContext(ttl, gap, knowledge);
  const Yields::Share least = heard_ && top_fresh_
                                  ? WorthForward(bounds.min_yield)
                                  : WorthGoingOn(bounds.min_yield);
  if (!knowledge.yields.Worth(
          {context, kForwardPrior[static_cast<size_t>(gap - 1)], least,
           bounds.salt + static_cast<uint64_t>(ttl)})) {
    return 0;
  }
  goes_forward_ = true;
  forward_context_ = static_cast<uint16_t>(context);
  return ttl;
}

// Depends on the silence before, on what answered last, and on where neighbours
// end.
size_t PathWalk::ForwardContext(int ttl, int gap, Knowledge& knowledge) const {
  int state = life_;
  if (heard_ && top_fresh_) {
    state = 5 + std::min(std::popcount(fresh_), 5) - 1;
  } else if (heard_) {
    const KnownRouter* const router = knowledge.routers.Find(top_);
    state = 10 + (router == nullptr ? 0 : Followed(*router));
  }
  int place = 0;
  if (end_ != 0) place = ttl <= end_ ? 1 : ttl <= latest_ ? 2 : 3;
  return kForward +
         (static_cast<size_t>(gap - 1) * kForwardStates +
          static_cast<size_t>(state)) *
             kForwardPlaces +
         static_cast<size_t>(place);
}

// One look beyond all that was silent. Where neighbours stopped short of a
// network that this target is in, its whole path is there.
int PathWalk::NextFar(Knowledge& knowledge, const Bounds& bounds) {
  if (far_context_ != 0) return 0;
  const int ttl = HighestTtl(asked_) + kFar;
  if (ttl > bounds.max_ttl) return 0;
  const size_t context = kFarLook + life_;
  if (!knowledge.yields.Worth(
          {context, 500, WorthSearch(bounds.min_yield), bounds.salt + 128})) {
    return 0;
  }
  far_context_ = static_cast<uint16_t>(context);
  forward_context_ = 0;
  return ttl;
}

// Links in a loop are told from others by a router that turns up twice, so all
// the way to where it stands is asked.
int PathWalk::NextAgainstLoop() const {
  for (int ttl = far_ - 1; ttl >= near_; --ttl) {
    if ((asked_ & TtlBit(ttl)) == 0) return ttl;
  }
  return 0;
}

int PathWalk::NextBack(Knowledge& knowledge, const Bounds& bounds) {
  if (const int ttl = NextAgainstLoop(); ttl >= bounds.min_ttl) {
    back_context_ = 0;
    return ttl;
  }
  if (back_ < bounds.min_ttl || (asked_ & TtlBit(back_)) != 0) back_ = 0;
  if (back_ == 0) return 0;
  if (!heard_ && search_context_ != 0) {
    if (searched_ == kMostSearch) return back_ = 0;
    ++searched_;
    return back_;
  }
  Yields::Question question = BackQuestion(back_, knowledge);
  question.least =
      heard_ ? WorthBack(bounds.min_yield) : WorthSearch(bounds.min_yield);
  question.salt = bounds.salt + 64 + back_;
  if (!knowledge.yields.Worth(question)) return back_ = 0;
  back_context_ = static_cast<uint16_t>(question.context);
  if (!heard_) {
    // Learnt from when the walk ends: what matters is what all of it finds.
    search_context_ = back_context_;
    searched_ = 1;
    back_context_ = 0;
  }
  return back_;
}

// 0 not known, 1 above where neighbours leave, 2 there, 3 just below, 4 below.
int PathWalk::RelativeToBranch(int ttl) const {
  if (expected_ == 0) return 0;
  return std::clamp(expected_ - ttl, -1, 2) + 2;
}

Yields::Question PathWalk::BackQuestion(int ttl, Knowledge& knowledge) const {
  const auto place = static_cast<size_t>(RelativeToBranch(ttl));
  if (!heard_) {
    return {kSearch + (tight_ ? size_t{5} : 0) + agreeing_, 400, 0, 0};
  }
  if (run_ > 0) {
    const size_t state =
        std::min<size_t>(run_, 3) - 1 + (router_fresh_ ? 0 : 3);
    return {kAfterSilence + state * 5 + place, 400, 0, 0};
  }
  if (router_fresh_) {
    const size_t told = (quiet_ & TtlBit(ttl)) != 0    ? 2
                        : (silent_ & TtlBit(ttl)) != 0 ? 1
                                                       : 0;
    return {kAfterFresh + told * 5 + place, 800, 0, 0};
  }
  const KnownRouter* const router = knowledge.routers.Find(router_);
  const size_t known = router == nullptr ? 0 : EntranceContext(*router);
  const bool hardly = router == nullptr || router->tries() <= 2;
  return {kAfterKnown + known * 5 + place, hardly ? 500U : 50U, 0, 0};
}

void PathWalk::Hear(int ttl, uint32_t router, ReplyKind kind,
                    Knowledge& knowledge) {
  if ((asked_ & TtlBit(ttl)) == 0 || (answered_ & TtlBit(ttl)) != 0) return;
  if (!Awaits(ttl)) {
    // Too late to go by.
    answered_ |= TtlBit(ttl);
    return;
  }
  const StopSet::Meeting met = knowledge.routers.Meet(router, ttl);
  Learn({ttl, router, met.fresh, met.nearest, kind}, knowledge);
}

void PathWalk::Miss(int ttl, Knowledge& knowledge) {
  if (!Awaits(ttl)) return;
  Learn({ttl, 0, false, ttl, ReplyKind::kHop}, knowledge);
}

void PathWalk::Learn(const Answer& answer, Knowledge& knowledge) {
  const bool forward = awaits_.forward == answer.ttl;
  (forward ? awaits_.forward : awaits_.back) = 0;
  const bool first = answer.router != 0 && !heard_;
  const bool loop =
      std::find(recent_.begin(), recent_.end(), answer.router) != recent_.end();
  if (answer.router != 0) {
    if (answer.fresh) {
      fresh_ |= TtlBit(answer.ttl);
    } else if (!loop && answer.kind == ReplyKind::kHop) {
      left_at_ = std::max(left_at_, Small(answer.ttl));
    }
  }
  if (answer.nearest <= answer.ttl - 2 && far_ == 0) {
    near_ = Small(answer.nearest);
    far_ = Small(answer.ttl);
  }
  if (forward) LearnForward(answer, knowledge);
  // A router for the second time is a loop; nothing new will come.
  if (forward && answer.router != 0 && loop) goes_forward_ = false;
  if (!forward) LearnBack(answer, knowledge);
  if (first) LearnFirst(answer);
  if (answer.router != 0) Take(answer);
}

void PathWalk::LearnForward(const Answer& answer, Knowledge& knowledge) {
  const bool answered = answer.router != 0;
  if (heard_ && HighestTtl(answered_) == answer.ttl - 1) {
    if (KnownRouter* const top = knowledge.routers.Find(top_);
        top != nullptr && !top_fresh_) {
      top->Leave(answered);
    }
    if (KnownRouter* const router = knowledge.routers.Find(answer.router);
        router != nullptr && answered) {
      router->Enter(top_);
    }
  }
  if (forward_context_ != 0) {
    knowledge.yields.Learn(forward_context_, 1, answered ? 1 : 0);
  }
  if (answered && answer.kind != ReplyKind::kHop) goes_forward_ = false;
}

void PathWalk::LearnBack(const Answer& answer, Knowledge& knowledge) {
  const bool answered = answer.router != 0;
  bool way_is_new = false;
  if (router_ != 0 && router_ttl_ == answer.ttl + 1) {
    if (KnownRouter* const router = knowledge.routers.Find(router_)) {
      way_is_new = router->Enter(answer.router);
    }
  }
  if (back_context_ != 0) {
    knowledge.yields.Learn(back_context_, 1, answer.fresh || way_is_new);
  }
  run_ = answered ? 0 : Small(run_ + 1);
  // Without neighbours that tell, silence is soon left behind.
  const int jump = heard_ || answered || tight_ ? 1 : kJump;
  back_ = Small(std::max(answer.ttl - jump, std::min(answer.ttl - 1, 1)));
  if (!answered) return;
  router_ = answer.router;
  router_ttl_ = Small(answer.ttl);
  router_fresh_ = answer.fresh;
}

// Both ways begin at what answers first.
void PathWalk::LearnFirst(const Answer& answer) {
  router_ = answer.router;
  router_ttl_ = Small(answer.ttl);
  router_fresh_ = answer.fresh;
  run_ = 0;
  back_ = Small(answer.ttl - 1);
  while (back_ != 0 && (asked_ & TtlBit(back_)) != 0) {
    --back_;
    ++run_;
  }
  goes_forward_ = answer.kind == ReplyKind::kHop;
}

void PathWalk::Take(const Answer& answer) {
  if (answer.ttl > HighestTtl(answered_)) {
    top_ = answer.router;
    top_fresh_ = answer.fresh;
    recent_[static_cast<size_t>(answer.ttl) % recent_.size()] = answer.router;
  }
  answered_ |= TtlBit(answer.ttl);
  heard_ = true;
  if (answer.kind == ReplyKind::kHop) return;
  reached_ = true;
  goes_forward_ = false;
}

Traces::Path PathWalk::Finish(Knowledge& knowledge) const {
  const auto found = static_cast<uint32_t>(std::popcount(fresh_));
  if (search_context_ != 0) {
    knowledge.yields.Learn(search_context_, searched_, found);
  }
  if (far_context_ != 0) knowledge.yields.Learn(far_context_, 1, found);
  const int lowest = LowestTtl(fresh_);
  int branch = left_at_;
  if (!heard_) {
    branch = tight_ ? expected_ : 0;
  } else if (left_at_ == 0) {
    branch = std::max(lowest - 1, 0);
  } else if (tight_ && lowest > left_at_) {
    // What is silent for all before it belongs to what is shared.
    branch = std::max(branch, std::min<int>(lowest - 1, expected_));
  }
  return {asked_, answered_, branch, reached_};
}

}  // namespace fathom
