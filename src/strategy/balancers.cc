#include "src/strategy/balancers.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <utility>

#include "src/base/hash.h"

namespace fathom {
namespace {

void Increase(uint16_t& number) {
  if (number < std::numeric_limits<uint16_t>::max()) ++number;
}

}  // namespace

Node Silent(Node near) {
  return static_cast<Node>(Mix(uint64_t{near} << 32 | 0x51)) | 1;
}

bool Balancers::Add(Node near, Node far) {
  Router& router = routers_[far];
  if (router.before == 0) {
    router.before = near;
  } else if (router.before != near) {
    router.several_before = true;
  }
  Router& from = routers_[near];
  from.several_after |= from.after != 0 && from.after != far;
  from.after = far;
  return links_.try_emplace(Key(near, far), Link{.parent = far, .next = far})
      .second;
}

bool Balancers::Knows(Node near, Node far) const {
  return links_.contains(Key(near, far));
}

Balancers::Link& Balancers::Root(Node near, Node far) {
  Link* link = &links_.find(Key(near, far))->second;
  while (link->parent != far) {
    far = link->parent;
    Link* const up = &links_.find(Key(near, far))->second;
    link->parent = up->parent;
    link = up;
  }
  return *link;
}

void Balancers::Join(Node near, Node far, Node other) {
  Link& a = Root(near, far);
  Link& b = Root(near, other);
  if (&a == &b) return;
  Router& router = routers_[near];
  for (Link* link : {&a, &b}) {
    if (link->width > 1) --router.balanced;
    if (link->single) --router.single;
    link->single = false;
  }
  Increase(router.balanced);
  std::swap(links_.find(Key(near, far))->second.next,
            links_.find(Key(near, other))->second.next);
  Link& large = a.width >= b.width ? a : b;
  Link& small = &large == &a ? b : a;
  small.parent = large.parent;
  const auto add = [](uint16_t& to, uint16_t number) {
    to = static_cast<uint16_t>(std::min(65535, to + number));
  };
  add(large.flows, small.flows);
  add(large.begun, small.begun);
  add(large.width, small.width);
  large.per_packet |= small.per_packet;
  large.repeats = std::max(large.repeats, small.repeats);
}

bool Balancers::Together(Node near, Node far, Node other) {
  if (!Knows(near, far) || !Knows(near, other)) return false;
  return &Root(near, far) == &Root(near, other);
}

uint32_t Balancers::Width(Node near, Node far) { return Root(near, far).width; }

uint32_t Balancers::Enough(Node near, const Link& root) {
  if (root.width > 1) return rule_.Enough(root.width);
  const auto router = routers_.find(near);
  if (router == routers_.end()) return rule_.Enough(1);
  // In a mesh every target sees but one of a branch's next hops, which says
  // nothing about the others.
  const Node before = router->second.before;
  if (before != 0 && Root(before, near).width > 1) return rule_.Enough(1);
  const double classes = 1.0 + router->second.single + router->second.balanced;
  const double share = (1.0 + router->second.balanced) / classes;
  return FlowsToRuleOut(2, rule_.epsilon() / share);
}

void Balancers::CountFlow(Node near, Node far) {
  Link& root = Root(near, far);
  Increase(root.flows);
  if (root.width == 1 && !root.single && root.flows >= Enough(near, root)) {
    root.single = true;
    Increase(routers_[near].single);
  }
}

void Balancers::Begin(Node near, Node far) { Increase(Root(near, far).begun); }

void Balancers::End(Node near, Node far) {
  Link& root = Root(near, far);
  assert(root.begun > 0);
  if (root.begun > 0) --root.begun;
}

uint32_t Balancers::Missing(Node near, Node far) {
  const Link& root = Root(near, far);
  if (root.per_packet || root.single) return 0;
  const uint32_t enough = Enough(near, root);
  const uint32_t have = uint32_t{root.flows} + root.begun;
  return have >= enough ? 0 : enough - have;
}

// k next hops by the packet give the same answer r times with a probability of
// k^-r.
uint32_t Balancers::MissingRepeats(Node near, Node far) {
  const Link& root = Root(near, far);
  if (root.per_packet || root.width < 2) return 0;
  const double enough = std::ceil(std::log(rule_.epsilon()) /
                                  -std::log(static_cast<double>(root.width)));
  const auto repeats = static_cast<uint32_t>(std::max(2.0, enough));
  return root.repeats >= repeats ? 0 : repeats - root.repeats;
}

void Balancers::CountRepeat(Node near, Node far) {
  Link& root = Root(near, far);
  if (root.repeats < std::numeric_limits<uint8_t>::max()) ++root.repeats;
}

bool Balancers::Strewn(Node near, Node far) {
  const auto router = routers_.find(near);
  const bool strewn = PerPacket(near, far) ||
                      (router != routers_.end() && router->second.strewn &&
                       router->second.several_after);
  if (strewn) routers_[far].strewn = true;
  return strewn;
}

bool Balancers::IsStrewn(Node node) const {
  const auto router = routers_.find(node);
  return router != routers_.end() && router->second.strewn;
}

Node Balancers::Pick(Node near, Node far, uint64_t random) {
  const uint32_t steps = static_cast<uint32_t>(random % Root(near, far).width);
  for (uint32_t i = 0; i < steps; ++i) {
    far = links_.find(Key(near, far))->second.next;
  }
  return far;
}

void Balancers::SetPerPacket(Node near, Node far) {
  Root(near, far).per_packet = true;
}

bool Balancers::PerPacket(Node near, Node far) {
  return Root(near, far).per_packet;
}

Node Balancers::Before(Node node) const {
  const auto router = routers_.find(node);
  return router == routers_.end() ? 0 : router->second.before;
}

bool Balancers::HasSeveralAfter(Node node) const {
  const auto router = routers_.find(node);
  return router != routers_.end() && router->second.several_after;
}

Node Balancers::After(Node node) const {
  const auto router = routers_.find(node);
  return router == routers_.end() ? 0 : router->second.after;
}

bool Balancers::HasSeveralBefore(Node node) const {
  const auto router = routers_.find(node);
  return router != routers_.end() && router->second.several_before;
}

uint32_t Balancers::Visit(Node node, size_t column) {
  Router& router = routers_[node];
  const bool farther = column > router.column;
  router.column = static_cast<uint8_t>(std::min<size_t>(router.column, column));
  if (farther) return 0;
  if (router.visits == std::numeric_limits<uint8_t>::max()) return 255;
  return router.visits++;
}

}  // namespace fathom
