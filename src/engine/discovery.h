#ifndef FATHOM_SRC_ENGINE_DISCOVERY_H_
#define FATHOM_SRC_ENGINE_DISCOVERY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>

#include "fathom/reply_sink.h"
#include "src/base/distinct_counter.h"

namespace fathom {

// Tells about how many interfaces and links were found while the scan runs, for
// the status line; the dataset's links are made from the spool and not from
// here.
//
// A link shows when the hops of a path at neighbouring TTLs have both been
// heard, so recent replies are kept in a table that forgets the older of two
// that collide. What is found is counted to within a percent or so; of a scan
// with more cells than the table has, some links are missed. Memory: 64 MiB at
// the most.
//
// Any number of receivers may call at once. They share the table without locks:
// each half of a cell tells whether the other belongs to it (Hyatt and Mann
// 2002), so one that is written by two at once reads as empty.
class Discovery final : public ReplySink {
 public:
  // `cells` is how many (target, flow, TTL) there may be.
  explicit Discovery(uint64_t cells);

  void Consume(Instant now, std::span<const Reply> replies) override;

  uint64_t interfaces() const { return interfaces_.Estimate(); }
  uint64_t links() const { return links_.Estimate(); }

 private:
  static constexpr size_t kMaxCells = size_t{1} << 22;

  // Replies are taken so many at a time, so that their cells, which are in no
  // cache, are fetched side by side.
  static constexpr size_t kBatch = 32;

  struct Cell {
    std::atomic<uint64_t> check{0};  // The key, xor the responder.
    std::atomic<uint64_t> responder{0};
  };

  // A reply as it is looked at: its responder, and its cell and neighbours'.
  struct Sighting {
    uint64_t responder;
    uint64_t near_key;
    uint64_t key;
    uint64_t far_key;
  };

  void Hear(const Sighting& sighting);
  Cell& At(uint64_t key) { return cells_[key & mask_]; }
  // The responder heard at a cell, if it is still known.
  std::optional<uint64_t> ResponderAt(uint64_t key);

  // The cells are all over the table, and half of them on pages that no table
  // of pages near the processor knows: so on huge ones, where there are any.
  struct Free {
    void operator()(Cell* cells) const { free(cells); }
  };

  const size_t mask_;
  const std::unique_ptr<Cell[], Free> cells_;
  DistinctCounter interfaces_;
  DistinctCounter links_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_ENGINE_DISCOVERY_H_
