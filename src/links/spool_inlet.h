#ifndef FATHOM_SRC_LINKS_SPOOL_INLET_H_
#define FATHOM_SRC_LINKS_SPOOL_INLET_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "fathom/reply_sink.h"
#include "src/links/bucket_map.h"
#include "src/links/spool_writer.h"

namespace fathom {

// Where one receiver puts its replies into the spool: they are dealt into
// buckets by target, one buffer a bucket. A buffer that is full, or whose first
// reply came a flush interval ago, is sealed and goes to the writer's thread.
//
// One thread. Several inlets share one writer.
class SpoolInlet final : public ReplySink {
 public:
  struct Parts {
    const BucketMap& buckets;  // Outlives the inlet, as the writer does.
    SpoolWriter& writer;
    size_t buffer_records;
    Nanos flush_interval;
  };

  explicit SpoolInlet(const Parts& parts)
      : parts_(parts), open_(parts.buckets.size()) {}

  // Waits only if all buffers wait for the disk.
  void Consume(Instant now, std::span<const Reply> replies) override;

  // Hands all that is buffered to the writer, whatever its age.
  void Flush(Instant now);

  // When Consume() was last called.
  Instant last_now() const { return last_now_; }

  // All that Consume() was given before this time has been handed to the
  // writer. Any thread; what is then handed to the writer comes after it.
  Instant handed_until() const {
    return Instant(Nanos(handed_until_.load(std::memory_order_acquire)));
  }

 private:
  void Begin(size_t bucket, Instant now);
  void Seal(size_t bucket, Instant now);
  void FlushOlder(Instant now, Nanos age);
  void NoteHanded(Instant now);

  const Parts parts_;
  // One for each bucket; null until a reply comes.
  std::vector<std::unique_ptr<SpoolBuffer>> open_;
  // No open buffer was begun before this; nullopt if none is open.
  std::optional<Instant> oldest_;
  Instant last_now_;
  std::atomic<int64_t> handed_until_{0};
};

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_SPOOL_INLET_H_
