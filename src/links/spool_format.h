#ifndef FATHOM_SRC_LINKS_SPOOL_FORMAT_H_
#define FATHOM_SRC_LINKS_SPOOL_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "fathom/probe.h"
#include "src/links/reply_record.h"

namespace fathom {

// The bytes of a spool file: a head, then frames, one after the other, each of
// which can be checked and read without any other. All integers are
// little-endian; hashes are XXH3, 64 bits.
//
// Head:
//    0  magic "FATHOMSP"
//    8  version, u32
//   12  number of bucket boundaries, u32
//   16  size of the metadata in bytes, u32
//   20  zero, u32
//   24  hash of what follows, seeded with the hash of the 24 bytes before
//   32  boundaries, 16 bytes each: low u64, high u64
//       metadata
//
// Frame:
//    0  magic u32, which also tells the kind
//    4  bucket, u32
//    8  number of records, u32
//   12  size of the payload in bytes, u32
//   16  when the frame was sealed, ns since 1970, i64
//   24  hash of the payload
//   32  hash of the 32 bytes before
//   40  payload: records in zstd (see reply_record.h); for the end frame the
//       final JSON as it is; for the others what they are given
//
// The end frame says that the scan closed its spool itself; nothing follows it
// but a resume frame, from which on another run of the scan goes on. A torn
// tail is whatever stands after the last good frame.
//
// Between the replies stand notes of the scan to itself, which the spool keeps
// in order with them: segments of the lanes' journals, the bucket of which is
// the lane, and marks. A resume frame is a mark that says besides which probes
// of the run before it count: see spool_reader.h. Its payload begins with:
//
//    0  the time from which on the earlier run's probes do not, i64

inline constexpr uint32_t kSpoolVersion = 3;
inline constexpr uint32_t kOldestSpoolVersion = 2;  // It had no notes.
inline constexpr size_t kSpoolHeadSize = 32;
inline constexpr size_t kFrameHeaderSize = 40;

// Bounds on what a reader believes, so that no file can make it allocate more.
inline constexpr uint32_t kMaxBoundaries = 1 << 16;
inline constexpr uint32_t kMaxMetadata = 1 << 26;
inline constexpr uint32_t kMaxFrameRecords = 1 << 20;
inline constexpr size_t kMaxFrameBytes = 64 << 20;  // Unpacked.

struct SpoolHead {
  std::vector<IpAddress> boundaries;
  std::string metadata;

  friend bool operator==(const SpoolHead&, const SpoolHead&) = default;
};

// Appends the bytes of `head`.
// REQUIRES: no more boundaries and metadata than the bounds above.
void AppendHead(const SpoolHead& head, std::vector<std::byte>& bytes);

// How long the head is that begins with `bytes`, from which it also tells
// whether this is a spool at all.
absl::StatusOr<size_t> HeadSize(std::span<const std::byte> bytes);

// Reads a head. REQUIRES: bytes.size() == *HeadSize(bytes).
absl::StatusOr<SpoolHead> ReadHead(std::span<const std::byte> bytes);

enum class FrameKind : uint8_t {
  kNarrow,   // Replies.
  kWide,     // Likewise.
  kEnd,      // The scan closed its spool.
  kJournal,  // A segment of a lane's journal.
  kMark,     // A note of the scan.
  kResume,   // Likewise: from here on another run.
};

constexpr bool HoldsReplies(FrameKind kind) { return kind <= FrameKind::kWide; }

struct FrameHeader {
  FrameKind kind = FrameKind::kNarrow;
  uint32_t bucket = 0;
  uint32_t records = 0;
  uint32_t size = 0;  // Of the payload, in bytes.
  Instant sealed{};
  uint64_t payload_hash = 0;

  friend bool operator==(const FrameHeader&, const FrameHeader&) = default;
};

void StoreFrameHeader(const FrameHeader& header, std::span<std::byte> bytes);

// nullopt if these bytes are no header: wrong magic or hash, or sizes that no
// writer writes. REQUIRES: bytes.size() >= kFrameHeaderSize.
std::optional<FrameHeader> LoadFrameHeader(std::span<const std::byte> bytes);

// Where a frame header may begin at the earliest, at or after `from`: for
// finding the next frame behind a damaged one. bytes.size() if nowhere.
size_t FindFrameMagic(std::span<const std::byte> bytes, size_t from);

// REQUIRES: HoldsReplies(kind).
constexpr RecordWidth WidthOf(FrameKind kind) {
  return kind == FrameKind::kNarrow ? RecordWidth::kNarrow : RecordWidth::kWide;
}

uint64_t SpoolHash(std::span<const std::byte> bytes);

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_SPOOL_FORMAT_H_
