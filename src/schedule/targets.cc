#include "src/schedule/targets.h"

#include <algorithm>
#include <cassert>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "fathom/block.h"
#include "src/base/hash.h"
#include "src/base/status_macros.h"
#include "src/net/special_purpose.h"
#include "src/schedule/address_sort.h"
#include "src/schedule/sampler.h"

namespace fathom {
namespace {

const char* NameOf(Family family) {
  return family == Family::kIpv4 ? "IPv4" : "IPv6";
}

// The addresses that a list stands for: those of one family, that of the
// options or else of its first line. Those of the other are for counting only.
class Reader {
 public:
  explicit Reader(const TargetOptions& options)
      : options_(options),
        sampler_({.seed = options.seed,
                  .count = options.per_prefix,
                  .granularity = options.granularity}),
        family_(options.family) {}

  absl::StatusOr<AddressFileSummary> Read() {
    FATHOM_ASSIGN_OR_RETURN(AddressFileSummary file,
                            ReadAddressFile(options_.path, [this](auto blocks) {
                              for (const AddressBlock& block : blocks) {
                                FATHOM_RETURN_IF_ERROR(Take(block));
                              }
                              return absl::OkStatus();
                            }));
    const AddressListCounts& counts = file.counts;
    const uint64_t ipv4 = counts.addresses + counts.prefixes - counts.ipv6;
    if (options_.family || ipv4 == 0 || counts.ipv6 == 0) return file;
    return absl::InvalidArgumentError(
        absl::StrCat("read ", options_.path, ": ", ipv4,
                     " lines are of IPv4 and ", counts.ipv6,
                     " of IPv6; a scan is of one family: choose with --ipv4 "
                     "(-4) or --ipv6 (-6)"));
  }

  std::vector<uint32_t>& ipv4() { return ipv4_; }
  std::vector<IpAddress>& ipv6() { return ipv6_; }
  Family family() const { return family_.value_or(Family::kIpv4); }

 private:
  absl::Status Take(const AddressBlock& block) {
    const Family family = block.first.family();
    if (!family_) family_ = family;
    if (family != *family_) return absl::OkStatus();
    const size_t held = ipv4_.size() + ipv6_.size();
    if (sampler_.CountIn(block) > options_.max_targets - held) {
      return absl::InvalidArgumentError(absl::StrCat(
          "read ", options_.path, ": it stands for more than ",
          options_.max_targets, " addresses; give fewer prefixes, ",
          family == Family::kIpv4 ? "" : "a coarser --granularity, ",
          "or fewer addresses a prefix"));
    }
    if (family == Family::kIpv4) {
      sampler_.Choose(block, ipv4_);
    } else {
      sampler_.Choose(block, ipv6_);
    }
    return absl::OkStatus();
  }

  const TargetOptions& options_;
  const Sampler sampler_;
  std::optional<Family> family_;
  // One of them is empty.
  std::vector<uint32_t> ipv4_;
  std::vector<IpAddress> ipv6_;
};

// Takes what is in the ascending `ranges` out of the ascending `addresses`;
// returns how many.
template <typename Range, typename Address>
uint64_t CutOut(std::span<const Range> ranges,
                std::vector<Address>& addresses) {
  auto kept = addresses.begin();
  auto from = addresses.begin();
  for (const Range& range : ranges) {
    const auto first = std::lower_bound(from, addresses.end(), range.first);
    kept = from == kept ? first : std::move(from, first, kept);
    from = std::upper_bound(first, addresses.end(), range.last);
  }
  kept = std::move(from, addresses.end(), kept);
  const auto cut = static_cast<uint64_t>(addresses.end() - kept);
  addresses.erase(kept, addresses.end());
  return cut;
}

uint64_t CutOut(const PrefixSet& set, std::vector<uint32_t>& addresses) {
  return CutOut(set.ranges(), addresses);
}
uint64_t CutOut(const PrefixSet& set, std::vector<IpAddress>& addresses) {
  return CutOut(set.ranges6(), addresses);
}

// The number that an IPv4 address is held as, or the IPv6 address itself.
template <typename Address>
Address HeldAs(const IpAddress& address);
template <>
uint32_t HeldAs(const IpAddress& address) {
  return address.v4();
}
template <>
IpAddress HeldAs(const IpAddress& address) {
  return address;
}

template <typename Address>
constexpr Family kFamilyOf =
    std::is_same_v<Address, uint32_t> ? Family::kIpv4 : Family::kIpv6;

// The special-purpose block that holds most of the ascending `addresses`.
template <typename Address>
std::string MostCommonBlock(const std::vector<Address>& addresses) {
  int64_t most = 0;
  std::string name;
  for (const SpecialPurposeBlock& block : SpecialPurposeBlocks()) {
    if (block.first.family() != kFamilyOf<Address>) continue;
    const auto first = std::lower_bound(addresses.begin(), addresses.end(),
                                        HeldAs<Address>(block.first));
    const auto count =
        std::upper_bound(first, addresses.end(),
                         HeldAs<Address>(block.prefix().last())) -
        first;
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
    const AddressListCounts& lines = loaded.file.counts;
    absl::StrAppend(&text, "no target in ", lines.lines, " lines; ");
    if (lines.addresses + lines.prefixes > 0) {
      absl::StrAppend(&text, "all are of the other family than ",
                      NameOf(*options.family));
    } else {
      absl::StrAppend(&text, "put an address or prefix a line");
    }
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

// Cuts out what may not be probed, and counts it.
template <typename Address>
absl::Status Settle(const TargetOptions& options,
                    std::vector<Address>& addresses, LoadedTargets& loaded) {
  TargetCounts& counts = loaded.counts;
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
  return absl::OkStatus();
}

// What decides who has an address: its block. Salted, since others hash
// addresses too.
uint64_t DealHash(const IpAddress& address) {
  constexpr uint64_t kSalt = 0x6465616c;
  const uint64_t block = BlockNumber(address);
  if (address.family() == Family::kIpv4) return Mix(block ^ kSalt);
  return Mix(block ^ Mix(kSalt));
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
  Reader reader(options);
  FATHOM_ASSIGN_OR_RETURN(loaded.file, reader.Read());
  FATHOM_RETURN_IF_ERROR(reader.family() == Family::kIpv4
                             ? Settle(options, reader.ipv4(), loaded)
                             : Settle(options, reader.ipv6(), loaded));
  return loaded;
}

size_t ShardOf(const IpAddress& address, size_t shards) {
  // The upper half, scaled down.
  return static_cast<size_t>((DealHash(address) >> 32) * shards >> 32);
}

size_t LaneOf(const IpAddress& address, size_t lanes) {
  return static_cast<size_t>((DealHash(address) & 0xffffffff) * lanes >> 32);
}

namespace {

// The targets dealt to so many, each to that which `whose` says.
template <typename Address, typename Whose>
std::vector<TargetSet> DealBy(const TargetSet& targets, size_t shares,
                              const Whose& whose) {
  std::vector<std::vector<Address>> lists(shares);
  for (auto& list : lists) list.reserve(RoomFor(targets, shares));
  for (size_t i = 0; i < targets.size(); ++i) {
    const IpAddress target = targets[i];
    lists[whose(target)].push_back(HeldAs<Address>(target));
  }
  std::vector<TargetSet> dealt;
  dealt.reserve(shares);
  for (auto& list : lists) dealt.emplace_back(std::move(list));
  return dealt;
}

template <typename Address>
TargetSet ShareOf(const TargetSet& targets, size_t shard, size_t shards) {
  std::vector<Address> share;
  share.reserve(RoomFor(targets, shards));
  for (size_t i = 0; i < targets.size(); ++i) {
    const IpAddress target = targets[i];
    if (ShardOf(target, shards) == shard) {
      share.push_back(HeldAs<Address>(target));
    }
  }
  return TargetSet(std::move(share));
}

// A binary search without branches to mispredict, which asks for both places
// where it may look next: millions of targets are in no cache.
template <typename Address>
size_t LowerBoundIn(const std::vector<Address>& addresses,
                    const Address& wanted) {
  const Address* base = addresses.data();
  for (size_t length = addresses.size(); length > 1;) {
    const size_t half = length / 2;
    length -= half;
    __builtin_prefetch(base + length / 2);
    __builtin_prefetch(base + half + length / 2);
    base = base[half] <= wanted ? base + half : base;
  }
  // Now the last that is not above, or the first of all.
  return static_cast<size_t>(base - addresses.data()) +
         (*base < wanted ? 1 : 0);
}

}  // namespace

std::vector<TargetSet> DealToLanes(const TargetSet& targets, size_t lanes) {
  const auto whose = [lanes](const IpAddress& target) {
    return LaneOf(target, lanes);
  };
  return targets.family() == Family::kIpv4
             ? DealBy<uint32_t>(targets, lanes, whose)
             : DealBy<IpAddress>(targets, lanes, whose);
}

TargetSet Deal(const TargetSet& targets, size_t shard, size_t shards) {
  assert(shard < shards);
  return targets.family() == Family::kIpv4
             ? ShareOf<uint32_t>(targets, shard, shards)
             : ShareOf<IpAddress>(targets, shard, shards);
}

std::optional<size_t> TargetSet::Find(const IpAddress& address) const {
  if (empty() || address.family() != family()) return std::nullopt;
  const size_t index = LowerBound(address);
  if (index == size() || (*this)[index] != address) return std::nullopt;
  return index;
}

size_t TargetSet::LowerBound(const IpAddress& address) const {
  if (empty()) return 0;
  return ipv6_.empty() ? LowerBoundIn(ipv4_, address.v4())
                       : LowerBoundIn(ipv6_, address);
}

}  // namespace fathom
