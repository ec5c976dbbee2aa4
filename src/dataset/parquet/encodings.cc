#include "src/dataset/parquet/encodings.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>
#include <limits>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/dataset/parquet/bit_packing.h"

namespace fathom::parquet {
namespace {

// The block of DELTA_BINARY_PACKED. Packs of 32 and no others, since readers
// exist that cannot skip larger ones.
constexpr size_t kBlock = 128;
constexpr size_t kPacks = kBlock / kPack;

// A run of equal indices is worth its own header from this length on; zstd
// takes care of shorter ones.
constexpr size_t kMinRun = 64;

std::byte* PutVarint(uint64_t value, std::byte* out) {
  for (; value >= 0x80; value >>= 7) *out++ = std::byte((value & 0x7f) | 0x80);
  *out++ = std::byte(value);
  return out;
}

// Of `value` taken as a signed integer of T's width.
template <typename T>
std::byte* PutZigzag(T value, std::byte* out) {
  const auto wide =
      static_cast<int64_t>(static_cast<std::make_signed_t<T>>(value));
  return PutVarint(
      static_cast<uint64_t>(wide) << 1 ^ static_cast<uint64_t>(wide >> 63),
      out);
}

// Reads varints off the front of bytes that may end at any point.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : left_(bytes) {}

  std::span<const std::byte> left() const { return left_; }

  // False if the bytes end, or the number does not, within 64 bits.
  bool Varint(uint64_t* value) {
    *value = 0;
    for (size_t i = 0; i < left_.size() && i < 10; ++i) {
      const auto byte = std::to_integer<uint64_t>(left_[i]);
      *value |= (byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        left_ = left_.subspan(i + 1);
        return true;
      }
    }
    return false;
  }

  bool Zigzag(uint64_t* value) {
    if (!Varint(value)) return false;
    *value = *value >> 1 ^ (0 - (*value & 1));
    return true;
  }

  // REQUIRES: count <= left().size().
  void Skip(size_t count) { left_ = left_.subspan(count); }

 private:
  std::span<const std::byte> left_;
};

absl::Status EndsEarly(size_t decoded, size_t wanted) {
  return absl::DataLossError(
      absl::StrCat("the page ends after ", decoded, " of ", wanted, " values"));
}

absl::Status CheckEnd(size_t left) {
  if (left == 0) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(left, " bytes too many after the last value"));
}

// Encodes the differences of one block and returns the end. `deltas` is filled
// up to kBlock with its own least value.
template <typename T>
std::byte* PutBlock(std::array<T, kBlock>& deltas, size_t count,
                    std::byte* out) {
  using Signed = std::make_signed_t<T>;
  auto least = static_cast<Signed>(deltas[0]);
  for (size_t i = 1; i < count; ++i) {
    least = std::min(least, static_cast<Signed>(deltas[i]));
  }
  const auto base = static_cast<T>(least);
  for (size_t i = 0; i < count; ++i) deltas[i] -= base;
  std::fill(deltas.begin() + count, deltas.end(), T{0});

  out = PutZigzag(base, out);
  std::byte* const widths = out;
  out += kPacks;
  for (size_t pack = 0; pack < kPacks; ++pack) {
    const T* const values = deltas.data() + pack * kPack;
    T all = 0;
    for (size_t i = 0; i < kPack; ++i) all |= values[i];
    const int width = std::bit_width(all);
    widths[pack] = std::byte(width);
    if (width != 0) out = Pack(values, width, out);
  }
  return out;
}

// Decodes the packs of one block and sums them up. `out` has at most kBlock
// values to go; `last` is the value before them, then the last of them.
template <typename T>
absl::Status GetBlock(Cursor& in, std::span<T> out, T* last) {
  uint64_t base = 0;
  if (!in.Zigzag(&base) || in.left().size() < kPacks) {
    return absl::DataLossError("the page ends in the head of a block");
  }
  const auto widths = in.left().first(kPacks);
  in.Skip(kPacks);
  std::array<T, kPack> deltas;
  for (size_t pack = 0; pack * kPack < out.size(); ++pack) {
    const int width = std::to_integer<int>(widths[pack]);
    if (width > std::numeric_limits<T>::digits) {
      return absl::DataLossError(absl::StrCat("a pack of ", width, " bits"));
    }
    const size_t size = PackedSize(width);
    if (in.left().size() < size) {
      return absl::DataLossError("the page ends in a pack");
    }
    Unpack(in.left().data(), in.left().size(), width, deltas.data());
    in.Skip(size);
    const auto values =
        out.subspan(pack * kPack, std::min(kPack, out.size() - pack * kPack));
    T sum = *last;
    for (size_t i = 0; i < values.size(); ++i) {
      sum += static_cast<T>(base) + deltas[i];
      values[i] = sum;
    }
    *last = sum;
  }
  return absl::OkStatus();
}

size_t RunLength(std::span<const uint32_t> indices) {
  size_t length = 1;
  while (length < indices.size() && indices[length] == indices[0]) ++length;
  return length;
}

// Packs a stretch, filled up to a multiple of eight, and returns the end.
std::byte* PutStretch(std::span<const uint32_t> indices, int width,
                      std::byte* out) {
  const size_t groups = (indices.size() + 7) / 8;
  if (groups == 0) return out;
  out = PutVarint(groups << 1 | 1, out);
  std::byte* const end = out + groups * static_cast<size_t>(width);
  size_t i = 0;
  for (; i + kPack <= indices.size(); i += kPack) {
    out = Pack(indices.data() + i, width, out);
  }
  std::array<uint32_t, kPack> rest{};
  std::copy(indices.begin() + i, indices.end(), rest.begin());
  if (i < indices.size()) Pack(rest.data(), width, out);
  return end;
}

// Decodes `groups` of eight indices into the front of `out`, as many as go.
// `in` has the bytes of all of them.
void GetStretch(std::span<const std::byte> in, int width,
                std::span<uint32_t> out) {
  std::array<uint32_t, kPack> unpacked;
  for (size_t i = 0; i < out.size(); i += kPack) {
    const size_t at = i / 8 * static_cast<size_t>(width);
    Unpack(in.data() + at, in.size() - at, width, unpacked.data());
    const size_t count = std::min(kPack, out.size() - i);
    std::memcpy(&out[i], unpacked.data(), count * sizeof(uint32_t));
  }
}

}  // namespace

template <typename T>
size_t EncodePlain(std::span<const T> values, std::span<std::byte> out) {
  assert(out.size() >= values.size_bytes());
  if (!values.empty()) {
    std::memcpy(out.data(), values.data(), values.size_bytes());
  }
  return values.size_bytes();
}

template <typename T>
absl::Status DecodePlain(std::span<const std::byte> bytes,
                         std::span<T> values) {
  if (bytes.size() != values.size_bytes()) {
    return absl::DataLossError(absl::StrCat(bytes.size(), " bytes of ",
                                            values.size(), " plain values"));
  }
  if (!values.empty()) {
    std::memcpy(values.data(), bytes.data(), bytes.size());
  }
  return absl::OkStatus();
}

template <typename T>
size_t EncodeDelta(std::span<const T> values, std::span<std::byte> out) {
  assert(!values.empty() && out.size() >= MaxEncodedSize<T>(values.size()));
  std::byte* end = PutVarint(kBlock, out.data());
  end = PutVarint(kPacks, end);
  end = PutVarint(values.size(), end);
  end = PutZigzag(values[0], end);
  std::array<T, kBlock> deltas;
  for (size_t i = 1; i < values.size(); i += kBlock) {
    const size_t count = std::min(kBlock, values.size() - i);
    for (size_t j = 0; j < count; ++j) {
      deltas[j] = values[i + j] - values[i + j - 1];
    }
    end = PutBlock(deltas, count, end);
  }
  return static_cast<size_t>(end - out.data());
}

template <typename T>
absl::Status DecodeDelta(std::span<const std::byte> bytes,
                         std::span<T> values) {
  assert(!values.empty());
  Cursor in(bytes);
  uint64_t block = 0;
  uint64_t packs = 0;
  uint64_t count = 0;
  uint64_t first = 0;
  if (!in.Varint(&block) || !in.Varint(&packs) || !in.Varint(&count) ||
      !in.Zigzag(&first)) {
    return absl::DataLossError("the page ends in the head of its deltas");
  }
  if (block != kBlock || packs != kPacks || count != values.size()) {
    return absl::DataLossError(absl::StrCat(
        count, " deltas in blocks of ", block, " in ", packs, " packs, not ",
        values.size(), " in blocks of ", kBlock, " in ", kPacks));
  }
  auto last = static_cast<T>(first);
  values[0] = last;
  for (size_t i = 1; i < values.size(); i += kBlock) {
    FATHOM_RETURN_IF_ERROR(GetBlock(
        in, values.subspan(i, std::min(kBlock, values.size() - i)), &last));
  }
  return CheckEnd(in.left().size());
}

size_t EncodeIndices(std::span<const uint32_t> indices, int width,
                     std::span<std::byte> out) {
  assert(width >= 1 && width <= 32 &&
         out.size() >= MaxEncodedSize<uint32_t>(indices.size()));
  std::byte* end = out.data();
  *end++ = std::byte(width);
  size_t start = 0;  // Of the stretch that waits to be packed.
  size_t i = 0;
  while (i < indices.size()) {
    const size_t run = RunLength(indices.subspan(i));
    if (run < kMinRun) {
      // A stretch can only end after a multiple of eight indices.
      i += std::max<size_t>(run / 8 * 8, 8);
      continue;
    }
    end = PutStretch(indices.subspan(start, i - start), width, end);
    end = PutVarint(run << 1, end);
    std::memcpy(end, &indices[i], sizeof(uint32_t));
    end += (width + 7) / 8;
    i += run;
    start = i;
  }
  end = PutStretch(indices.subspan(start), width, end);
  return static_cast<size_t>(end - out.data());
}

size_t EncodeZeroIndices(size_t count, int width, std::span<std::byte> out) {
  constexpr std::array<uint32_t, kMinRun> kZeros{};
  if (count <= kMinRun) {
    return EncodeIndices(std::span(kZeros).first(count), width, out);
  }
  std::byte* end = out.data();
  *end++ = std::byte(width);
  end = PutVarint(count << 1, end);
  const auto value_bytes = static_cast<size_t>(width + 7) / 8;
  std::fill_n(end, value_bytes, std::byte(0));
  return static_cast<size_t>(end - out.data()) + value_bytes;
}

absl::Status DecodeIndices(std::span<const std::byte> bytes, uint32_t limit,
                           std::span<uint32_t> indices) {
  const int width = bytes.empty() ? 0 : std::to_integer<int>(bytes[0]);
  if (width < 1 || width > 32) {
    return absl::DataLossError(absl::StrCat("indices of ", width, " bits"));
  }
  Cursor in(bytes.subspan(1));
  const size_t value_bytes = static_cast<size_t>(width + 7) / 8;
  for (size_t i = 0; i < indices.size();) {
    const auto room = indices.subspan(i);
    uint64_t header = 0;
    if (!in.Varint(&header)) return EndsEarly(i, indices.size());
    const uint64_t length = header >> 1;
    // A stretch counts by eights and may have padding in its last eight.
    const uint64_t most =
        (header & 1) != 0 ? (room.size() + 7) / 8 : room.size();
    if (length == 0 || length > most) {
      return absl::DataLossError(
          absl::StrCat("a run of ", length, " where ", most, " are the most"));
    }
    const size_t size =
        (header & 1) != 0 ? length * static_cast<size_t>(width) : value_bytes;
    if (in.left().size() < size) return EndsEarly(i, indices.size());
    const auto run = in.left().first(size);
    in.Skip(size);
    if ((header & 1) != 0) {
      const size_t count = std::min<size_t>(room.size(), length * 8);
      GetStretch(run, width, room.first(count));
      i += count;
    } else {
      uint32_t value = 0;
      std::memcpy(&value, run.data(), size);
      std::fill_n(room.begin(), length, value);
      i += length;
    }
  }
  uint32_t greatest = 0;
  for (const uint32_t index : indices) greatest = std::max(greatest, index);
  if (greatest >= limit) {
    return absl::DataLossError(
        absl::StrCat("index ", greatest, " into a dictionary of ", limit));
  }
  return CheckEnd(in.left().size());
}

template size_t EncodePlain(std::span<const uint32_t>, std::span<std::byte>);
template size_t EncodePlain(std::span<const uint64_t>, std::span<std::byte>);
template absl::Status DecodePlain(std::span<const std::byte>,
                                  std::span<uint32_t>);
template absl::Status DecodePlain(std::span<const std::byte>,
                                  std::span<uint64_t>);
template size_t EncodeDelta(std::span<const uint32_t>, std::span<std::byte>);
template size_t EncodeDelta(std::span<const uint64_t>, std::span<std::byte>);
template absl::Status DecodeDelta(std::span<const std::byte>,
                                  std::span<uint32_t>);
template absl::Status DecodeDelta(std::span<const std::byte>,
                                  std::span<uint64_t>);

}  // namespace fathom::parquet
