#include "src/links/spool_format.h"

#include <xxhash.h>
#include <zstd.h>

#include <array>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "src/base/bytes.h"

namespace fathom {
namespace {

constexpr std::array<char, 8> kHeadMagic = {'F', 'A', 'T', 'H',
                                            'O', 'M', 'S', 'P'};
constexpr size_t kAddressSize = 16;

// The first bytes of every frame, least significant first; the kind is the
// fourth.
constexpr uint32_t kFrameMagic = 0x004c'5046;  // "FPL"
constexpr uint32_t kFrameMagicMask = 0x00ff'ffff;

uint64_t HeadHash(std::span<const std::byte> bytes) {
  const uint64_t seed = XXH3_64bits(bytes.data(), 24);
  return XXH3_64bits_withSeed(bytes.data() + kSpoolHeadSize,
                              bytes.size() - kSpoolHeadSize, seed);
}

std::optional<FrameKind> KindOf(uint32_t magic) {
  if ((magic & kFrameMagicMask) != kFrameMagic) return std::nullopt;
  switch (magic >> 24) {
    case '4':
      return FrameKind::kNarrow;
    case '6':
      return FrameKind::kWide;
    case 'E':
      return FrameKind::kEnd;
    case 'J':
      return FrameKind::kJournal;
    case 'M':
      return FrameKind::kMark;
    case 'R':
      return FrameKind::kResume;
    default:
      return std::nullopt;
  }
}

uint32_t MagicOf(FrameKind kind) {
  constexpr std::array<uint32_t, 6> kLetters = {'4', '6', 'E', 'J', 'M', 'R'};
  return kFrameMagic | kLetters[static_cast<size_t>(kind)] << 24;
}

bool Plausible(const FrameHeader& header) {
  if (!HoldsReplies(header.kind)) return header.size <= kMaxMetadata;
  const size_t record = RecordSize(WidthOf(header.kind)) + kMaxExtensions;
  return header.records > 0 && header.records <= kMaxFrameRecords &&
         header.size <= ZSTD_compressBound(
                            std::min(header.records * record, kMaxFrameBytes));
}

}  // namespace

uint64_t SpoolHash(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

void AppendHead(const SpoolHead& head, std::vector<std::byte>& bytes) {
  const size_t begin = bytes.size();
  const size_t addresses = head.boundaries.size() * kAddressSize;
  bytes.resize(begin + kSpoolHeadSize + addresses + head.metadata.size());
  const std::span<std::byte> out = std::span(bytes).subspan(begin);
  Store(kHeadMagic, out);
  Store(kSpoolVersion, out.subspan(8));
  Store(static_cast<uint32_t>(head.boundaries.size()), out.subspan(12));
  Store(static_cast<uint32_t>(head.metadata.size()), out.subspan(16));
  Store(uint32_t{0}, out.subspan(20));
  size_t at = kSpoolHeadSize;
  for (const IpAddress& boundary : head.boundaries) {
    Store(boundary.low(), out.subspan(at));
    Store(boundary.high(), out.subspan(at + 8));
    at += kAddressSize;
  }
  // An empty string's data may not be handed to memcpy with an empty span's.
  if (!head.metadata.empty()) {
    std::memcpy(out.data() + at, head.metadata.data(), head.metadata.size());
  }
  Store(HeadHash(out), out.subspan(24));
}

absl::StatusOr<size_t> HeadSize(std::span<const std::byte> bytes) {
  if (bytes.size() < kSpoolHeadSize) {
    return absl::DataLossError("its head is cut off");
  }
  if (Load<std::array<char, 8>>(bytes) != kHeadMagic) {
    return absl::InvalidArgumentError("it is no spool");
  }
  const auto version = Load<uint32_t>(bytes.subspan(8));
  if (version < kOldestSpoolVersion || version > kSpoolVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat("its version is ", version, ", not ", kOldestSpoolVersion,
                     " to ", kSpoolVersion));
  }
  const auto boundaries = Load<uint32_t>(bytes.subspan(12));
  const auto metadata = Load<uint32_t>(bytes.subspan(16));
  if (boundaries > kMaxBoundaries || metadata > kMaxMetadata) {
    return absl::DataLossError("its head is damaged");
  }
  return kSpoolHeadSize + boundaries * kAddressSize + metadata;
}

absl::StatusOr<SpoolHead> ReadHead(std::span<const std::byte> bytes) {
  if (Load<uint64_t>(bytes.subspan(24)) != HeadHash(bytes)) {
    return absl::DataLossError("its head is damaged");
  }
  SpoolHead head;
  size_t at = kSpoolHeadSize;
  const auto boundaries = Load<uint32_t>(bytes.subspan(12));
  for (uint32_t i = 0; i < boundaries; ++i) {
    const auto low = Load<uint64_t>(bytes.subspan(at));
    head.boundaries.push_back(
        IpAddress::V6(Load<uint64_t>(bytes.subspan(at + 8)), low));
    at += kAddressSize;
    if (i > 0 && head.boundaries[i] <= head.boundaries[i - 1]) {
      return absl::DataLossError("its buckets are out of order");
    }
  }
  const auto rest = bytes.subspan(at);
  head.metadata.assign(reinterpret_cast<const char*>(rest.data()), rest.size());
  return head;
}

void StoreFrameHeader(const FrameHeader& header, std::span<std::byte> bytes) {
  Store(MagicOf(header.kind), bytes);
  Store(header.bucket, bytes.subspan(4));
  Store(header.records, bytes.subspan(8));
  Store(header.size, bytes.subspan(12));
  Store(int64_t{header.sealed.time_since_epoch().count()}, bytes.subspan(16));
  Store(header.payload_hash, bytes.subspan(24));
  Store(SpoolHash(bytes.first(32)), bytes.subspan(32));
}

std::optional<FrameHeader> LoadFrameHeader(std::span<const std::byte> bytes) {
  const auto kind = KindOf(Load<uint32_t>(bytes));
  if (!kind) return std::nullopt;
  if (Load<uint64_t>(bytes.subspan(32)) != SpoolHash(bytes.first(32))) {
    return std::nullopt;
  }
  const FrameHeader header = {
      .kind = *kind,
      .bucket = Load<uint32_t>(bytes.subspan(4)),
      .records = Load<uint32_t>(bytes.subspan(8)),
      .size = Load<uint32_t>(bytes.subspan(12)),
      .sealed = Instant(Nanos(Load<int64_t>(bytes.subspan(16)))),
      .payload_hash = Load<uint64_t>(bytes.subspan(24))};
  if (!Plausible(header)) return std::nullopt;
  return header;
}

size_t FindFrameMagic(std::span<const std::byte> bytes, size_t from) {
  while (from < bytes.size()) {
    const void* const found = std::memchr(
        bytes.data() + from, kFrameMagic & 0xff, bytes.size() - from);
    if (found == nullptr) return bytes.size();
    from = static_cast<size_t>(static_cast<const std::byte*>(found) -
                               bytes.data());
    if (bytes.size() - from < sizeof(uint32_t)) return from;
    if (KindOf(Load<uint32_t>(bytes.subspan(from)))) return from;
    ++from;
  }
  return bytes.size();
}

}  // namespace fathom
