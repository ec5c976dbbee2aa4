#include "src/dataset/parquet/dictionary.h"

#include <algorithm>
#include <numeric>

#include "src/dataset/parquet/schema.h"

namespace fathom::parquet {
namespace {

constexpr size_t kSlots = 2 * kMaxDictionary;
constexpr int kSlotBits = 17;
static_assert(kSlots == size_t{1} << kSlotBits);

// Fibonacci hashing: cheap, and addresses that differ anywhere spread well.
size_t FirstSlot(uint64_t value) {
  return (value * 0x9e3779b97f4a7c15) >> (64 - kSlotBits);
}

}  // namespace

template <typename T>
bool DictionaryBuilder::Build(std::span<const T> values, T min, T max) {
  distinct_.clear();
  indices_.resize(values.size());
  if (max - min < kSlots) return NumberByTable(values, min, max);
  return NumberByHash(values);
}

template <typename T>
bool DictionaryBuilder::NumberByTable(std::span<const T> values, T min, T max) {
  slots_.assign(static_cast<size_t>(max - min) + 1, 0);
  for (const T value : values) slots_[value - min] = 1;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i] == 0) continue;
    slots_[i] = static_cast<uint32_t>(distinct_.size());
    distinct_.push_back(uint64_t{min} + i);
  }
  if (distinct_.size() > kMaxDictionary) return false;
  for (size_t i = 0; i < values.size(); ++i) {
    indices_[i] = slots_[values[i] - min];
  }
  return true;
}

template <typename T>
bool DictionaryBuilder::NumberByHash(std::span<const T> values) {
  slots_.assign(kSlots, 0);
  for (size_t i = 0; i < values.size(); ++i) {
    const T value = values[i];
    if (i > 0 && value == values[i - 1]) {
      indices_[i] = indices_[i - 1];
      continue;
    }
    size_t slot = FirstSlot(value);
    while (slots_[slot] != 0 && distinct_[slots_[slot] - 1] != value) {
      slot = (slot + 1) % kSlots;
    }
    if (slots_[slot] == 0) {
      if (distinct_.size() == kMaxDictionary) return false;
      distinct_.push_back(value);
      slots_[slot] = static_cast<uint32_t>(distinct_.size());
    }
    indices_[i] = slots_[slot] - 1;
  }
  SortByValue();
  return true;
}

void DictionaryBuilder::SortByValue() {
  std::vector<uint32_t> order(distinct_.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [this](uint32_t a, uint32_t b) {
    return distinct_[a] < distinct_[b];
  });
  std::vector<uint32_t> ranks(order.size());
  for (uint32_t rank = 0; rank < order.size(); ++rank) {
    ranks[order[rank]] = rank;
  }
  for (uint32_t& index : indices_) index = ranks[index];
  std::sort(distinct_.begin(), distinct_.end());
}

template bool DictionaryBuilder::Build(std::span<const uint32_t>, uint32_t,
                                       uint32_t);
template bool DictionaryBuilder::Build(std::span<const uint64_t>, uint64_t,
                                       uint64_t);

}  // namespace fathom::parquet
