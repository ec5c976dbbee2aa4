#ifndef FATHOM_SRC_LAB_MODEL_H_
#define FATHOM_SRC_LAB_MODEL_H_

#include <cstdint>

#include "fathom/probe.h"
#include "src/codec/headers.h"
#include "src/lab/chance.h"
#include "src/lab/fate.h"
#include "src/lab/landing.h"
#include "src/lab/mischief.h"
#include "src/lab/nodes.h"
#include "src/lab/probe_packet.h"
#include "src/lab/reply.h"
#include "src/lab/router.h"

namespace fathom::lab {

// What the lab makes of a probe, up to the bytes of the reply. All that there
// is to know about a scenario is in the numbers of a Model, and all that it
// does is in inline functions without state; so the network in user space and
// the responder in the kernel share it, and agree.

// What decides about a probe.
struct Asked {
  Destination to;
  FlowKeys keys;
  uint64_t chance;  // All chance about this packet follows from it.
  Nanos age;        // Of the lab.
  uint8_t ttl;      // Not 0.
  Question question;
  bool right_checksum;
};

// Whoever has an Answer still has to see whether the router has a token left
// for it, and whether it is lost or spoiled on its way back.
struct Answer {
  enum class Form : uint8_t { kNone, kError, kEchoReply, kTcp };

  Form form = Form::kNone;
  Fate fate = Fate::kSilentHost;  // Unless something happens to the answer.
  bool labelled = false;          // An error has `label`.
  bool open = false;              // Of the port that a kTcp is about.
  ReplyHeader header{};
  IcmpError error{};  // But for its label.
  Label label{};
  Nanos token{0};  // As in RouterTraits; 0: takes none.
  uint32_t burst = 0;
  Nanos forward{0};  // Until the token is taken.
  Nanos delay{0};    // From the sending of the probe on, without mishaps.
};

class Model {
 public:
  // REQUIRES: CheckScenario(scenario) is OK.
  explicit Model(const Scenario& scenario);

  bool LostForward(uint64_t chance) const {
    return loss_.Holds(High(Again(chance, kLoss)));
  }
  bool LostOnReturn(uint64_t chance) const {
    return loss_.Holds(Low(Again(chance, kLoss)));
  }

  Answer Ask(const Asked& asked) const {
    PathEnd path;
    FollowPath(asked, path);
    return AnswerFrom(LandingOn(path, asked), asked);
  }

  // The steps of Ask().
  void FollowPath(const Asked& asked, PathEnd& path) const {
    Follow(nodes_, asked.to, asked.ttl, asked.age, path);
  }
  Landing LandingOn(const PathEnd& path, const Asked& asked) const {
    FlowKeys keys = asked.keys;
    keys.packet = Again(asked.chance, kBranch);
    return LandOn(path, keys, asked.ttl);
  }
  Answer AnswerFrom(const Landing& landing, const Asked& asked) const;

  const Nodes& nodes() const { return nodes_; }
  const Behaviour& behaviour() const { return behaviour_; }
  const Mischief& mischief() const { return mischief_; }

 private:
  // What the chance of one packet decides.
  enum PacketDraw : uint64_t {
    kLoss = 1,
    kJitter,
    kBranch,
    kRewritten,
    kLabel
  };

  // RFC 3032 keeps the first labels for itself.
  static constexpr uint32_t kFirstLabel = 16;
  static constexpr uint32_t kLabels = 1 << 20;
  // A TTL that no probe has left where it runs out.
  static constexpr uint8_t kOddQuotedTtl = 64;

  Answer AskRouter(const Asked& asked, const Landing& landing, Fate fate) const;
  Answer AskHost(const Asked& asked, const Landing& landing,
                 const HostTraits& host) const;
  IcmpError ErrorFrom(const Asked& asked, const Landing& landing, Fate fate,
                      const RouterTraits& router) const;
  Label LabelOf(const Landing& landing) const;
  Nanos Jitter(const Asked& asked) const {
    return jitter_.At(High(Again(asked.chance, kJitter)));
  }

  Nodes nodes_;
  Behaviour behaviour_;
  Share loss_;
  DelayRange jitter_;
  Share odd_labels_;
  Mischief mischief_;
};

}  // namespace fathom::lab

#include "src/lab/model_inline.h"

#endif  // FATHOM_SRC_LAB_MODEL_H_
