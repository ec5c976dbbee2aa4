#ifndef FATHOM_SRC_ENGINE_DISCOVERY_H_
#define FATHOM_SRC_ENGINE_DISCOVERY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "fathom/reply_sink.h"
#include "src/base/counter.h"

namespace fathom {

// Counts interfaces and links while the scan runs, for the status line; the
// dataset's links are made from the spool and not from here.
//
// A link shows when the hops of a path at neighbouring TTLs have both been
// heard, so recent replies are kept in a table that forgets the older of two
// that collide. While the scan has no more cells than the table the counts are
// exact but for that; above, they are what was seen at least. Memory: 64 MiB
// of table and as much for each set at the most. One thread writes, any reads.
class Discovery final : public ReplySink {
 public:
  // `cells` is how many (target, flow, TTL) there may be.
  explicit Discovery(uint64_t cells);

  void Consume(Instant now, std::span<const Reply> replies) override;

  uint64_t interfaces() const { return interface_count_.value(); }
  uint64_t links() const { return link_count_.value(); }

 private:
  static constexpr size_t kMaxCells = size_t{1} << 22;
  static constexpr size_t kMaxSet = size_t{1} << 22;

  struct Cell {
    uint64_t key = 0;
    uint64_t responder = 0;
  };

  void Hear(const Reply& reply);
  void AddLink(uint64_t near, uint64_t far);
  // The responder heard at a cell, if it is still known.
  std::optional<uint64_t> At(uint64_t key) const;

  std::vector<Cell> cells_;
  absl::flat_hash_set<uint64_t> interfaces_;
  absl::flat_hash_set<uint64_t> links_;
  Counter interface_count_;
  Counter link_count_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_DISCOVERY_H_
