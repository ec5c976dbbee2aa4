#include "src/schedule/targets.h"

#include <algorithm>
#include <cassert>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "src/base/hash.h"
#include "src/base/status_macros.h"
#include "src/net/special_purpose.h"
#include "src/schedule/address_sort.h"
#include "src/schedule/sampler.h"

namespace fathom {
namespace {

absl::StatusOr<AddressFileSummary> ReadAddresses(
    const TargetOptions& options, std::vector<uint32_t>& addresses) {
  const Sampler sampler(options.seed, options.per_prefix);
  return ReadAddressFile(
      options.path, [&](std::span<const AddressBlock> blocks) {
        for (const AddressBlock& block : blocks) {
          const uint64_t more = sampler.CountIn(block);
          if (more > options.max_targets - addresses.size()) {
            return absl::ResourceExhaustedError(absl::StrCat(
                "read ", options.path, ": it stands for more than ",
                options.max_targets,
                " addresses; give fewer prefixes or fewer addresses a prefix"));
          }
          sampler.Choose(block, addresses);
        }
        return absl::OkStatus();
      });
}

// Takes what is in `set` out of the ascending `addresses`; returns how many.
uint64_t CutOut(const PrefixSet& set, std::vector<uint32_t>& addresses) {
  auto kept = addresses.begin();
  auto from = addresses.begin();
  for (const PrefixSet::Range& range : set.ranges()) {
    const auto first = std::lower_bound(from, addresses.end(), range.first);
    kept = from == kept ? first : std::move(from, first, kept);
    from = std::upper_bound(first, addresses.end(), range.last);
  }
  kept = std::move(from, addresses.end(), kept);
  const auto cut = static_cast<uint64_t>(addresses.end() - kept);
  addresses.erase(kept, addresses.end());
  return cut;
}

// The special-purpose block that holds most of the ascending `addresses`.
std::string MostCommonBlock(const std::vector<uint32_t>& addresses) {
  int64_t most = 0;
  std::string name;
  for (const SpecialPurposeBlock& block : SpecialPurposeBlocks()) {
    const auto first =
        std::lower_bound(addresses.begin(), addresses.end(), block.first);
    const auto count =
        std::upper_bound(first, addresses.end(), block.last()) - first;
    if (count <= most) continue;
    most = count;
    name = block.ToString();
  }
  return name;
}

absl::Status NothingLeft(const TargetOptions& options,
                         const LoadedTargets& loaded) {
  const TargetCounts& counts = loaded.counts;
  std::string text = absl::StrCat("read ", options.path, ": ");
  if (counts.chosen == 0) {
    absl::StrAppend(&text, "no target in ", loaded.file.counts.lines,
                    " lines; put an IPv4 address or prefix a line");
    return absl::InvalidArgumentError(text);
  }
  absl::StrAppend(&text, "no target is left of ", counts.chosen, ": ",
                  counts.duplicates, " were duplicates, ", counts.excluded,
                  " excluded, ", counts.special, " special-purpose");
  if (counts.special > 0) {
    absl::StrAppend(&text, ", mostly in ", counts.special_most,
                    "; --include-special keeps these, for labs");
  }
  return absl::InvalidArgumentError(text);
}

// What decides who has an address: its /24, or its /64. Salted, since others
// hash addresses too.
uint64_t DealHash(const IpAddress& address) {
  constexpr uint64_t kSalt = 0x6465616c;
  if (address.family() == Family::kIpv4) return Mix(address.v4() >> 8 ^ kSalt);
  return Mix(address.high() ^ Mix(kSalt));
}

// For a share of so many, and a little more.
size_t RoomFor(const TargetSet& targets, size_t shares) {
  return targets.size() / shares + targets.size() / shares / 16 + 64;
}

}  // namespace

absl::StatusOr<LoadedTargets> LoadTargets(const TargetOptions& options) {
  if (options.per_prefix == 0) {
    return absl::InvalidArgumentError(
        "choose targets: at least one address a prefix is needed");
  }
  LoadedTargets loaded;
  TargetCounts& counts = loaded.counts;
  std::vector<uint32_t> addresses;
  FATHOM_ASSIGN_OR_RETURN(loaded.file, ReadAddresses(options, addresses));
  counts.chosen = addresses.size();
  SortUnique(addresses);
  counts.duplicates = counts.chosen - addresses.size();
  if (options.exclusions != nullptr) {
    counts.excluded = CutOut(*options.exclusions, addresses);
  }
  if (!options.include_special) {
    counts.special_most = MostCommonBlock(addresses);
    counts.special = CutOut(SpecialPurposeSet(), addresses);
  }
  if (addresses.empty()) return NothingLeft(options, loaded);
  // A list of many repeats would go on holding their room.
  if (addresses.capacity() / 2 > addresses.size()) addresses.shrink_to_fit();
  loaded.targets = TargetSet(std::move(addresses));
  return loaded;
}

size_t ShardOf(const IpAddress& address, size_t shards) {
  // The upper half, scaled down.
  return static_cast<size_t>((DealHash(address) >> 32) * shards >> 32);
}

size_t LaneOf(const IpAddress& address, size_t lanes) {
  return static_cast<size_t>((DealHash(address) & 0xffffffff) * lanes >> 32);
}

std::vector<TargetSet> DealToLanes(const TargetSet& targets, size_t lanes) {
  std::vector<std::vector<uint32_t>> shares(lanes);
  for (auto& share : shares) share.reserve(RoomFor(targets, lanes));
  for (size_t i = 0; i < targets.size(); ++i) {
    const IpAddress target = targets[i];
    shares[LaneOf(target, lanes)].push_back(target.v4());
  }
  std::vector<TargetSet> dealt;
  for (auto& share : shares) dealt.emplace_back(std::move(share));
  return dealt;
}

TargetSet Deal(const TargetSet& targets, size_t shard, size_t shards) {
  assert(shard < shards);
  std::vector<uint32_t> share;
  share.reserve(RoomFor(targets, shards));
  for (size_t i = 0; i < targets.size(); ++i) {
    const IpAddress target = targets[i];
    if (ShardOf(target, shards) == shard) share.push_back(target.v4());
  }
  return TargetSet(std::move(share));
}

std::optional<size_t> TargetSet::Find(const IpAddress& address) const {
  if (address.family() != Family::kIpv4) return std::nullopt;
  const size_t index = LowerBound(address);
  if (index == size() || addresses_[index] != address.v4()) return std::nullopt;
  return index;
}

size_t TargetSet::LowerBound(const IpAddress& address) const {
  if (empty()) return 0;
  // A binary search without branches to mispredict, which asks for both places
  // where it may look next: millions of targets are in no cache.
  const uint32_t wanted = address.v4();
  const uint32_t* base = addresses_.data();
  for (size_t length = addresses_.size(); length > 1;) {
    const size_t half = length / 2;
    length -= half;
    __builtin_prefetch(base + length / 2);
    __builtin_prefetch(base + half + length / 2);
    base = base[half] <= wanted ? base + half : base;
  }
  // Now the last that is not above, or the first of all.
  return static_cast<size_t>(base - addresses_.data()) + (*base < wanted);
}

}  // namespace fathom
