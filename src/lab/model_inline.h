#ifndef FATHOM_SRC_LAB_MODEL_INLINE_H_
#define FATHOM_SRC_LAB_MODEL_INLINE_H_

// The functions of Model; only model.h includes this.

#include "src/lab/model.h"

namespace fathom::lab {

inline Answer Model::AnswerFrom(const Landing& landing,
                                const Asked& asked) const {
  Fate fate = Fate::kTimeExceeded;
  if (landing.event == Landing::Event::kUnrouted) {
    if (!behaviour_.TellsUnrouted(landing.hash)) {
      return {.fate = Fate::kUnrouted};
    }
    fate = Fate::kNetUnreachable;
  } else if (landing.event == Landing::Event::kFiltered) {
    if (!behaviour_.TellsFiltered(landing.hash)) {
      return {.fate = Fate::kFiltered};
    }
    fate = Fate::kProhibited;
  } else if (landing.event == Landing::Event::kArrived) {
    const HostTraits host = behaviour_.Host(asked.to.address);
    if (host.present) return AskHost(asked, landing, host);
    if (!behaviour_.TellsAbsent(asked.to.address)) return {};
    fate = Fate::kHostUnreachable;
  }
  return AskRouter(asked, landing, fate);
}

inline Answer Model::AskRouter(const Asked& asked, const Landing& landing,
                               Fate fate) const {
  const RouterTraits router = behaviour_.Router(landing.router);
  if (router.silent) return {.fate = Fate::kSilentRouter};
  Answer answer = {.form = Answer::Form::kError, .fate = fate};
  answer.error = ErrorFrom(asked, landing, fate, router);
  if (landing.labelled > 0 && landing.tunnel != Tunnel::kImplicit) {
    answer.labelled = true;
    answer.label = LabelOf(landing);
  }
  if (router.rewrite == Rewrite::kTarget || router.rewrite == Rewrite::kFlow) {
    answer.fate = Fate::kRewritten;
  }
  answer.header = {
      .source = landing.router,
      .id = static_cast<uint16_t>(asked.chance),
      .ttl = static_cast<uint8_t>(router.initial_ttl - landing.distance -
                                  landing.hidden + 1)};
  answer.token = router.token;
  answer.burst = router.burst;
  answer.forward = landing.forward;
  answer.delay = landing.forward + landing.back + Jitter(asked);
  return answer;
}

inline Answer Model::AskHost(const Asked& asked, const Landing& landing,
                             const HostTraits& host) const {
  const Question question = asked.question;
  const bool tcp = question == Question::kTcp || question == Question::kTcpSyn;
  const bool answers = question == Question::kEcho ||
                       (question == Question::kUdp && host.udp) ||
                       (tcp && host.tcp);
  if (!answers) return {};
  if (!asked.right_checksum) return {.fate = Fate::kBadChecksum};
  Answer answer;
  // The reply crosses every router of the path.
  answer.header = {.source = asked.to.address,
                   .id = static_cast<uint16_t>(asked.chance),
                   .ttl = static_cast<uint8_t>(
                       host.initial_ttl - landing.distance - landing.hidden)};
  answer.forward = landing.forward + host.delay;
  answer.delay = answer.forward + host.delay + landing.back + Jitter(asked);
  if (question == Question::kEcho) {
    answer.form = Answer::Form::kEchoReply;
    answer.fate = Fate::kEchoReply;
  } else if (question == Question::kUdp) {
    answer.form = Answer::Form::kError;
    answer.fate = Fate::kPortUnreachable;
    // The host itself took none off the TTL.
    answer.error = {
        .type = kIcmpUnreachable,
        .code = kIcmpPortUnreachable,
        .quoted_ttl = static_cast<uint8_t>(asked.ttl - landing.distance)};
  } else {
    answer.form = Answer::Form::kTcp;
    answer.fate = Fate::kTcpAnswer;
    answer.open = host.open;
  }
  return answer;
}

inline IcmpError Model::ErrorFrom(const Asked& asked, const Landing& landing,
                                  Fate fate, const RouterTraits& router) const {
  const bool expired = fate == Fate::kTimeExceeded;
  const uint8_t code = fate == Fate::kProhibited
                           ? behaviour_.FilteredCode(landing.hash)
                       : fate == Fate::kHostUnreachable ? kIcmpHostUnreachable
                                                        : kIcmpNetUnreachable;
  // Routers inside a tunnel look at its TTL only, so that of the packet stays
  // as it was when the packet came in.
  const bool inside = landing.labelled > 0 && landing.tunnel != Tunnel::kOpaque;
  const int quoted =
      asked.ttl - landing.crossed + (inside ? landing.labelled - 1 : 0);
  return {.type = expired ? kIcmpTimeExceeded : kIcmpUnreachable,
          .code = expired ? uint8_t{0} : code,
          .quoted_ttl = router.odd_quoted_ttl ? kOddQuotedTtl
                                              : static_cast<uint8_t>(quoted),
          .quotes = router.quotes,
          .rewrite = router.rewrite,
          .chance = High(Again(asked.chance, kRewritten))};
}

// The label that the router behind `landing` reports.
inline Label Model::LabelOf(const Landing& landing) const {
  const uint64_t hash = Again(landing.router, kLabel);
  // A tunnel that hides its routers starts a TTL of its own.
  const int left =
      landing.tunnel == Tunnel::kOpaque ? 255 - landing.labelled : 1;
  return {.value = kFirstLabel + Below(kLabels - kFirstLabel, High(hash)),
          .ttl = static_cast<uint8_t>(left),
          .odd = odd_labels_.Holds(Low(hash))};
}

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_MODEL_INLINE_H_
