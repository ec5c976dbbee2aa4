#ifndef FATHOM_SRC_LAB_ROUTER_TRAITS_H_
#define FATHOM_SRC_LAB_ROUTER_TRAITS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "fathom/probe.h"
#include "src/lab/chance.h"
#include "src/lab/shape.h"

namespace fathom::lab {

struct Scenario;

// What a router, or something near it, makes of the probe that it quotes.
enum class Rewrite : uint8_t {
  kNone,
  kTarget,  // Another destination.
  kFlow,    // Another source port, or ICMP id.
  kId,      // No IP id.
};

struct RouterTraits {
  bool silent;  // Never answers.
  bool limited() const { return token > Nanos(0); }
  Nanos token;      // A reply takes a token, and one comes back in this time.
  uint32_t burst;   // Tokens at most; meaningful where limited.
  uint16_t quotes;  // Bytes of a probe from its IP header on; 0: eight after.
  uint8_t initial_ttl;
  Rewrite rewrite;
  bool odd_quoted_ttl;  // Quotes a TTL that no probe could have had there.
};

// The TTL that replies start with.
struct InitialTtl {
  Share ttl_255;
  Share ttl_128;

  uint8_t At(uint32_t draw) const {
    if (ttl_255.Holds(draw)) return 255;
    return ttl_128.Holds(ttl_255.Rest(draw)) ? 128 : 64;
  }
};

// How routers behave follows from their addresses. Plain numbers and inline
// functions, so that it also runs in the kernel.
class Routers {
 public:
  // REQUIRES: CheckScenario(scenario) is OK.
  explicit Routers(const Scenario& scenario);

  bool IsSilent(uint32_t address) const {
    return silent_.Holds(High(Again(seed_, address)));
  }

  RouterTraits At(uint32_t address) const {
    const uint64_t hash = Again(seed_, address);
    RouterTraits router{};
    router.silent = silent_.Holds(High(hash));
    if (router.silent) return router;
    SetLimit(hash, router);
    const uint64_t quote = Again(hash, kQuote);
    const uint32_t draw = High(quote);
    if (long_quotes_.Holds(draw)) {
      router.quotes = kLongQuote;
    } else if (full_quotes_.Holds(long_quotes_.Rest(draw))) {
      router.quotes = std::numeric_limits<uint16_t>::max();
    }
    router.initial_ttl = initial_ttl_.At(Low(quote));
    SetOddities(Again(hash, kOddity), router);
    return router;
  }

 private:
  static constexpr uint16_t kLongQuote = 128;

  // What the draws from a router's hash are for, beside the hash itself.
  enum RouterDraw : uint64_t { kQuote = 1, kOddity, kBucket };

  // Token buckets of one class.
  struct Limit {
    DelayRange token;
    Range<uint32_t> burst;
  };

  void SetLimit(uint64_t hash, RouterTraits& router) const {
    uint32_t draw = Low(hash);
    for (size_t i = 0; i < kLimitClasses; ++i) {
      if (limit_shares_[i].Holds(draw)) {
        const uint64_t bucket = Again(hash, kBucket);
        router.token = limits_[i].token.At(High(bucket));
        router.burst = Between(limits_[i].burst, Low(bucket));
        return;
      }
      draw = limit_shares_[i].Rest(draw);
    }
  }

  void SetOddities(uint64_t oddity, RouterTraits& router) const {
    router.odd_quoted_ttl = odd_quoted_ttls_.Holds(High(oddity));
    uint32_t draw = Low(oddity);
    if (rewritten_targets_.Holds(draw)) {
      router.rewrite = Rewrite::kTarget;
      return;
    }
    draw = rewritten_targets_.Rest(draw);
    if (rewritten_flows_.Holds(draw)) {
      router.rewrite = Rewrite::kFlow;
    } else if (rewritten_ids_.Holds(rewritten_flows_.Rest(draw))) {
      router.rewrite = Rewrite::kId;
    }
  }

  uint64_t seed_;
  Share silent_;
  std::array<Share, kLimitClasses> limit_shares_;
  std::array<Limit, kLimitClasses> limits_;
  Share long_quotes_;
  Share full_quotes_;
  Share rewritten_targets_;
  Share rewritten_flows_;
  Share rewritten_ids_;
  Share odd_quoted_ttls_;
  InitialTtl initial_ttl_;
};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_ROUTER_TRAITS_H_
