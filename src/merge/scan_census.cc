#include "src/merge/scan_census.h"

#include "src/links/build_dataset.h"

namespace fathom {

ScanCensus::ScanCensus(uint64_t replies)
    : paths_(stats_),
      builder_(LinkOptions().max_interval, stats_),
      census_(PlacesExpected(replies)) {}

void ScanCensus::Add(std::span<const Reply> replies) {
  paths_.Add(replies, [this](const Path& path) { Build(path); });
}

HoleCounts ScanCensus::Finish() {
  paths_.Finish([this](const Path& path) { Build(path); });
  return census_.Finish();
}

void ScanCensus::Build(const Path& path) {
  links_.clear();
  builder_.Build(path, links_);
  census_.Add(links_);
}

}  // namespace fathom
