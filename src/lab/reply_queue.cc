#include "src/lab/reply_queue.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <new>

namespace fathom::lab {
namespace {

constexpr int kDayBits = 18;  // A day is 2^18 ns, 0.26 ms.
constexpr size_t kPageSize = 4096;
constexpr size_t kSlabPages = 64;
constexpr int64_t kWordBits = 64;

int64_t DayOf(int64_t nanos) { return nanos >> kDayBits; }

int64_t CountOf(Instant instant) { return instant.time_since_epoch().count(); }

}  // namespace

struct ReplyQueue::Record {
  int64_t due;
  uint64_t order_and_length;

  static constexpr int kLengthBits = 16;

  // The bytes of a record with a packet of `length`, to the next record.
  static size_t SizeWith(size_t length) {
    constexpr size_t kAlign = alignof(uint64_t) - 1;
    return sizeof(Record) + ((length + kAlign) & ~kAlign);
  }

  size_t length() const { return order_and_length & ((1U << kLengthBits) - 1); }
  std::byte* bytes() { return reinterpret_cast<std::byte*>(this + 1); }
};

// Pages start at multiples of their size, so a record knows its page.
struct alignas(kPageSize) ReplyQueue::Page {
  Page* next;
  uint32_t used;  // Bytes of `room`.
  uint32_t live;  // Records not yet taken back; one more while being written.
  std::byte room[kPageSize - 16];

  static Page* Of(Record* record) {
    const size_t into = reinterpret_cast<uintptr_t>(record) % kPageSize;
    return reinterpret_cast<Page*>(reinterpret_cast<std::byte*>(record) - into);
  }
};

ReplyQueue::ReplyQueue(Nanos horizon) {
  // More by the days begun at either end; at least a word of the bitmap.
  const auto days =
      std::bit_ceil(static_cast<uint64_t>(DayOf(horizon.count()) + 3));
  days_.resize(std::max<uint64_t>(days, kWordBits));
  written_.resize(days_.size() / kWordBits);
}

ReplyQueue::~ReplyQueue() = default;

bool ReplyQueue::Later(const Entry& a, const Entry& b) {
  return a.due != b.due ? a.due > b.due : a.order > b.order;
}

ReplyQueue::Page* ReplyQueue::NewPage() {
  if (free_ == nullptr) {
    // Not make_unique, which would write to all of it.
    slabs_.emplace_back(new Page[kSlabPages]);
    for (size_t i = 0; i < kSlabPages; ++i) {
      slabs_.back()[i].next = free_;
      free_ = &slabs_.back()[i];
    }
  }
  Page* const page = free_;
  free_ = page->next;
  page->next = nullptr;
  page->used = 0;
  page->live = 1;
  return page;
}

void ReplyQueue::Release(Page* page) {
  if (--page->live > 0) return;
  page->next = free_;
  free_ = page;
}

ReplyQueue::Record* ReplyQueue::Append(Page*& pages, size_t bytes) {
  if (pages == nullptr || pages->used + bytes > sizeof pages->room) {
    Page* const page = NewPage();
    page->next = pages;
    pages = page;
  }
  auto* const record = new (pages->room + pages->used) Record;
  pages->used += static_cast<uint32_t>(bytes);
  ++pages->live;
  return record;
}

std::span<std::byte> ReplyQueue::Push(Instant now, Instant due, size_t length) {
  assert(now <= due);
  OpenDaysUntil(DayOf(CountOf(now)) - 1);
  const int64_t time = CountOf(due);
  const int64_t day = DayOf(time);
  const size_t bytes = Record::SizeWith(length);
  const uint64_t order = order_++;
  ++size_;

  Record* record;
  if (day <= today_) {
    Page* const before = late_;
    record = Append(late_, bytes);
    if (late_ != before && before != nullptr) {
      late_->next = nullptr;
      Release(before);
    }
    heap_.push_back({time, order, record});
    std::push_heap(heap_.begin(), heap_.end(), Later);
  } else {
    assert(day - today_ < static_cast<int64_t>(days_.size()));
    Day& slot = DayAt(day);
    if (slot.pages == nullptr) {
      const size_t index = static_cast<size_t>(day) & (days_.size() - 1);
      written_[index / kWordBits] |= uint64_t{1} << (index % kWordBits);
      slot.first_due = time;
    }
    slot.first_due = std::min(slot.first_due, time);
    record = Append(slot.pages, bytes);
  }
  record->due = time;
  record->order_and_length = order << Record::kLengthBits | length;
  return {record->bytes(), length};
}

int64_t ReplyQueue::NextDay() const {
  const auto days = static_cast<int64_t>(days_.size());
  int64_t ahead = 1;
  while (ahead < days) {
    const size_t index =
        static_cast<size_t>(today_ + ahead) & (days_.size() - 1);
    const uint64_t word = written_[index / kWordBits] >> (index % kWordBits);
    if (word != 0) return today_ + ahead + std::countr_zero(word);
    ahead += kWordBits - static_cast<int64_t>(index % kWordBits);
  }
  return today_ + days;
}

void ReplyQueue::OpenDaysUntil(int64_t day) {
  while (today_ < day) {
    const int64_t next = NextDay();
    if (next > day || next - today_ >= static_cast<int64_t>(days_.size())) {
      today_ = day;
      return;
    }
    today_ = next;
    const size_t index = static_cast<size_t>(next) & (days_.size() - 1);
    written_[index / kWordBits] &= ~(uint64_t{1} << (index % kWordBits));
    OpenDay(days_[index]);
  }
}

void ReplyQueue::OpenDay(Day& day) {
  const bool empty = heap_.empty();
  for (Page* page = day.pages; page != nullptr;) {
    Page* const next = page->next;
    for (uint32_t at = 0; at < page->used;) {
      auto* const record = reinterpret_cast<Record*>(page->room + at);
      heap_.push_back({record->due,
                       record->order_and_length >> Record::kLengthBits,
                       record});
      if (!empty) std::push_heap(heap_.begin(), heap_.end(), Later);
      at += static_cast<uint32_t>(Record::SizeWith(record->length()));
    }
    Release(page);
    page = next;
  }
  if (empty) std::make_heap(heap_.begin(), heap_.end(), Later);
  day.pages = nullptr;
}

size_t ReplyQueue::PopUntil(Instant until, std::span<RxFrame> out) {
  for (Record* record : lent_) Release(Page::Of(record));
  lent_.clear();
  const int64_t last = CountOf(until);
  OpenDaysUntil(DayOf(last));
  size_t count = 0;
  while (count < out.size() && !heap_.empty() && heap_.front().due <= last) {
    Record* const record = heap_.front().record;
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    heap_.pop_back();
    lent_.push_back(record);
    out[count++] = {.bytes = {record->bytes(), record->length()},
                    .arrival = Instant(Nanos(record->due))};
  }
  size_ -= count;
  return count;
}

std::optional<Instant> ReplyQueue::next_due() const {
  // Everything in the heap is due before any later day.
  if (!heap_.empty()) return Instant(Nanos(heap_.front().due));
  const int64_t day = NextDay();
  const size_t index = static_cast<size_t>(day) & (days_.size() - 1);
  if (days_[index].pages == nullptr) return std::nullopt;
  return Instant(Nanos(days_[index].first_due));
}

size_t ReplyQueue::page_bytes() const {
  return slabs_.size() * kSlabPages * kPageSize;
}

}  // namespace fathom::lab
