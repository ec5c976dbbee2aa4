#include "src/links/link_merger.h"

#include <algorithm>
#include <tuple>
#include <vector>

#include "src/base/status_macros.h"
#include "src/links/link_builder.h"

namespace fathom {
namespace {

constexpr size_t kBatch = 1024;

}  // namespace

Link LinkMerger::LinkOf(const Table::value_type& entry) {
  const auto& [key, sum] = entry;
  return {.near = key.near,
          .far = key.far,
          .target = sum.target,
          .paths = sum.paths,
          .first_seen = sum.first_seen,
          .last_seen = sum.last_seen,
          .min_ttl = sum.min_ttl,
          .gap = key.gap,
          .flags = sum.flags};
}

LinkMerger::Sum LinkMerger::SumOf(const Link& link) {
  return {.target = link.target,
          .paths = link.paths,
          .first_seen = link.first_seen,
          .last_seen = link.last_seen,
          .min_ttl = link.min_ttl,
          .flags = link.flags};
}

absl::Status LinkMerger::Add(std::span<const Link> links) {
  for (const Link& link : links) {
    const Key key = {.near = link.near, .far = link.far, .gap = link.gap};
    const auto [entry, is_new] = table_.try_emplace(key, SumOf(link));
    if (!is_new) {
      Link merged = LinkOf(*entry);
      MergeInto(merged, link);
      entry->second = SumOf(merged);
    } else if (table_.size() >= options_.max_links) {
      FATHOM_RETURN_IF_ERROR(Spill());
    }
  }
  return absl::OkStatus();
}

absl::Status LinkMerger::Drain(Sink sink) {
  if (!runs_) return EmitTable(sink);
  if (!table_.empty()) FATHOM_RETURN_IF_ERROR(Spill());
  return runs_->Merge(sink);
}

absl::Status LinkMerger::Spill() {
  if (!runs_) {
    FATHOM_ASSIGN_OR_RETURN(runs_, LinkRuns::Create(options_.temp_directory));
  }
  runs_->Begin();
  FATHOM_RETURN_IF_ERROR(EmitTable(
      [this](std::span<const Link> links) { return runs_->Append(links); }));
  Table().swap(table_);
  return absl::OkStatus();
}

absl::Status LinkMerger::EmitTable(Sink sink) const {
  std::vector<const Table::value_type*> order;
  order.reserve(table_.size());
  for (const auto& entry : table_) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::tie(a->first.near, a->first.far, a->first.gap) <
           std::tie(b->first.near, b->first.far, b->first.gap);
  });
  std::vector<Link> batch;
  batch.reserve(kBatch);
  for (const auto* entry : order) {
    batch.push_back(LinkOf(*entry));
    if (batch.size() == kBatch) {
      FATHOM_RETURN_IF_ERROR(sink(batch));
      batch.clear();
    }
  }
  return batch.empty() ? absl::OkStatus() : sink(batch);
}

}  // namespace fathom
