#ifndef FATHOM_SRC_STRATEGY_BALANCERS_H_
#define FATHOM_SRC_STRATEGY_BALANCERS_H_

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "src/strategy/stopping_rule.h"

namespace fathom {

// What is known of the routers as balancers, over all targets.
//
// A router sends packets to different next hops because their destinations are
// elsewhere, or because it balances. What one target's packets show tells the
// two apart: its next hops at one router belong together. Such a *class* of
// next hops is one balancer, and all flows of all targets that were seen to go
// to any of it are samples of that balancer, so that targets that share it
// need not each try as many flows as the stopping rule asks for.
//
// A router at which many classes turned out to have a single next hop seldom
// balances the next one: there the rule's epsilon is divided by the share of
// classes that are expected to balance (Laplace's rule of succession).
//
// Nodes are named by numbers: a router's address, or Silent(). 45 bytes a link
// and 25 a node.
using Node = uint32_t;

// The node that did not answer, next after `near`.
Node Silent(Node near);

class Balancers {
 public:
  explicit Balancers(double epsilon) : rule_(epsilon) {}

  // A packet of some target went from `near` to `far`. True if that is new.
  bool Add(Node near, Node far);
  bool Knows(Node near, Node far) const;

  // Packets of one target went from `near` to both. REQUIRES: both were added.
  void Join(Node near, Node far, Node other);

  // Whether that is known.
  bool Together(Node near, Node far, Node other);

  // Of the class of `far`; REQUIRES: it was added.
  uint32_t Width(Node near, Node far);
  void CountFlow(Node near, Node far);
  // Flows that are on the way count as if they had been sampled.
  void Begin(Node near, Node far);
  void End(Node near, Node far);
  // How many flows are missing.
  uint32_t Missing(Node near, Node far);
  // How often a probe must be repeated yet to tell whether the class goes by
  // the packet; a repeat that got the same answer is counted. If it does, no
  // more flows are missing.
  uint32_t MissingRepeats(Node near, Node far);
  void CountRepeat(Node near, Node far);
  void SetPerPacket(Node near, Node far);
  bool PerPacket(Node near, Node far);
  // Whether packets that came from `near` are strewn over several nodes beside
  // `far`, whatever their flow: what is next to what cannot be told there. That
  // begins at a balancer that goes by the packet, and goes on until its
  // branches come together.
  bool Strewn(Node near, Node far);
  bool IsStrewn(Node node) const;
  void SetStrewn(Node node) { routers_[node].strewn = true; }
  // Some next hop of the class, by a random number.
  Node Pick(Node near, Node far, uint64_t random);

  // Where packets came from that went over `node`; 0 if that is not known. The
  // first such node, if there were several.
  Node Before(Node node) const;
  bool HasSeveralBefore(Node node) const;
  // Whether packets went from `node` to several others.
  bool HasSeveralAfter(Node node) const;
  // Where some packet went from `node`; 0 if that is not known.
  Node After(Node node) const;

  // Notes that a walk came to `node` at a column, and returns how often one did
  // before; 0 where it was seen nearer to us: this may be a loop.
  uint32_t Visit(Node node, size_t column);

 private:
  // The classes are trees: only a root's counts are meant.
  struct Link {
    Node parent;  // The next hop nearer to the root; of the root itself.
    Node next;    // Another of the class: they are a ring.
    uint16_t flows = 0;
    uint16_t begun = 0;
    uint16_t width = 1;
    bool single = false;  // Counted in Router::single.
    bool per_packet = false;
    uint8_t repeats = 0;
  };
  struct Router {
    Node before = 0;
    Node after = 0;
    uint16_t single = 0;    // Classes that have one next hop, surely.
    uint16_t balanced = 0;  // Classes that have several.
    uint8_t visits = 0;
    uint8_t column = 255;  // The least at which it was seen.
    bool several_before = false;
    bool several_after = false;
    bool strewn = false;
  };

  static uint64_t Key(Node near, Node far) {
    return uint64_t{near} << 32 | far;
  }
  Link& Root(Node near, Node far);
  uint32_t Enough(Node near, const Link& root);

  const StoppingRule rule_;
  absl::flat_hash_map<uint64_t, Link> links_;
  absl::flat_hash_map<Node, Router> routers_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_STRATEGY_BALANCERS_H_
