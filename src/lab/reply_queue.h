#ifndef FATHOM_SRC_LAB_REPLY_QUEUE_H_
#define FATHOM_SRC_LAB_REPLY_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "fathom/packet_io.h"
#include "fathom/probe.h"

namespace fathom::lab {

// The replies on their way, in order of their arrival: a calendar queue.
//
// Time is cut into days of a quarter of a millisecond. A reply is written to
// the end of its day's page, unsorted; when a day comes, what is on its pages
// is put into a heap of small entries. So a reply costs one sequential write,
// and the heap stays small however many replies are on their way. Replies for
// days already in the heap go there at once. Replies due at the same instant
// leave in the order in which they came.
//
// Memory: the packets on their way and 16 bytes each, in pages of 4 KiB that
// are used again; 32 bytes for each day up to the horizon. The queue has no
// bound of its own: it holds what was sent within the longest round trip, and
// whatever is due and not yet received. One thread.
class ReplyQueue {
 public:
  // No reply is due later than `horizon` after the `now` of its Push().
  explicit ReplyQueue(Nanos horizon);
  ~ReplyQueue();

  ReplyQueue(const ReplyQueue&) = delete;
  ReplyQueue& operator=(const ReplyQueue&) = delete;

  // Room for a reply of `length` bytes, to be written before the next call.
  // REQUIRES: now <= due <= now + horizon; `now` never goes back;
  // length <= kMaxPacketSize.
  std::span<std::byte> Push(Instant now, Instant due, size_t length);

  // Lends the replies due until `until`, earliest first; returns how many.
  // They stay valid until the next PopUntil(), which takes them back.
  size_t PopUntil(Instant until, std::span<RxFrame> out);

  // When the next reply is due; nullopt if none is on its way.
  std::optional<Instant> next_due() const;

  size_t size() const { return size_; }

  // Bytes taken from the machine for pages, used or not.
  size_t page_bytes() const;

 private:
  struct Page;
  struct Record;

  struct Day {
    Page* pages = nullptr;  // The one being written first.
    int64_t first_due = 0;  // Meaningful where there is a page.
  };

  struct Entry {
    int64_t due;
    uint64_t order;
    Record* record;
  };
  static bool Later(const Entry& a, const Entry& b);

  Page* NewPage();
  void Release(Page* page);
  Record* Append(Page*& pages, size_t bytes);
  void OpenDaysUntil(int64_t day);
  void OpenDay(Day& day);
  // The first day after today_ that has pages; today_ + days if none does.
  int64_t NextDay() const;
  Day& DayAt(int64_t day) {
    return days_[static_cast<size_t>(day) & (days_.size() - 1)];
  }

  std::vector<Day> days_;          // A ring; a power of two.
  std::vector<uint64_t> written_;  // A bit for each day that has pages.
  int64_t today_ = 0;              // All days up to this are in the heap.
  std::vector<Entry> heap_;
  std::vector<Record*> lent_;
  Page* late_ = nullptr;  // For replies that go to the heap at once.
  Page* free_ = nullptr;
  std::vector<std::unique_ptr<Page[]>> slabs_;
  uint64_t order_ = 0;
  size_t size_ = 0;
};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_REPLY_QUEUE_H_
