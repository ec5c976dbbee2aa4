#ifndef FATHOM_SRC_STRATEGY_STOP_SET_H_
#define FATHOM_SRC_STRATEGY_STOP_SET_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"

namespace fathom {

// What is remembered of a router that has answered: from where it was entered,
// whether paths go on behind it, and how near it was seen. 22 bytes.
class KnownRouter {
 public:
  // Notes that a path entered it from the router hashed to `from`; 0: from one
  // that did not answer. Returns whether this way in is new, as far as can be
  // told: of more than kRemembered ways no more are told apart.
  bool Enter(uint32_t from) {
    if (tries_ < UINT8_MAX) ++tries_;
    if (from == 0) return false;
    const auto mark = static_cast<uint16_t>(from >> 16);
    const auto end = ways_.begin() + count_;
    if (std::find(ways_.begin(), end, mark) != end) return false;
    if (count_ == kRemembered) return false;
    ways_[count_++] = mark;
    return true;
  }

  // Notes whether something answered one TTL after it.
  void Leave(bool answered) {
    ++(answered ? followed_ : ended_);
    if (std::max(followed_, ended_) < UINT8_MAX) return;
    followed_ /= 2;
    ended_ /= 2;
  }

  // Notes that it answered at `ttl`. Returns the least TTL at which it did
  // before; `ttl`, if it never did.
  int SeeAt(int ttl) {
    const int before = nearest_ == 0 ? ttl : nearest_;
    nearest_ = static_cast<uint8_t>(std::min(before, ttl));
    return before;
  }

  uint8_t tries() const { return tries_; }  // Times that it was entered.
  uint8_t ways() const { return count_; }   // Ways in that are known.
  uint8_t followed() const { return followed_; }
  uint8_t ended() const { return ended_; }

 private:
  static constexpr size_t kRemembered = 8;

  uint8_t tries_ = 0;
  uint8_t count_ = 0;
  uint8_t followed_ = 0;
  uint8_t ended_ = 0;
  uint8_t nearest_ = 0;
  std::array<uint16_t, kRemembered> ways_{};
};
static_assert(sizeof(KnownRouter) == 22);

// The routers that have answered, by a hash of their address.
//
// Bounded: when it is full, further routers stay unknown, so ways back go on
// past them until they meet one of those that came first, which are those that
// most paths share. Nothing is missed by that but probes are spent.
class StopSet {
 public:
  // 29 bytes each in a table of 2^22 places: 122 MB, and half of that more
  // while it grows for the last time.
  static constexpr size_t kMost = size_t{7} << 19;

  // Whether a router was unknown, and the least TTL at which it had answered.
  struct Meeting {
    bool fresh;
    int nearest;
  };

  // Takes in a router that answered at `ttl`.
  Meeting Meet(uint32_t router, int ttl) {
    if (routers_.size() >= kMost) {
      KnownRouter* const known = Find(router);
      return known == nullptr ? Meeting{true, ttl}
                              : Meeting{false, known->SeeAt(ttl)};
    }
    const auto [place, fresh] = routers_.try_emplace(router);
    return {fresh, place->second.SeeAt(ttl)};
  }

  // nullptr if it is unknown. Valid until the next Meet().
  KnownRouter* Find(uint32_t router) {
    const auto found = routers_.find(router);
    return found == routers_.end() ? nullptr : &found->second;
  }

 private:
  absl::flat_hash_map<uint32_t, KnownRouter> routers_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_STRATEGY_STOP_SET_H_
