#include "src/dataset/parquet/encodings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/dataset/parquet/dictionary.h"
#include "src/dataset/parquet/schema.h"
#include "src/dataset/parquet/thrift_compact.h"

namespace fathom::parquet {
namespace {

using Bytes = std::vector<std::byte>;

Bytes ToBytes(std::initializer_list<int> values) {
  Bytes bytes;
  for (const int value : values) bytes.push_back(std::byte(value));
  return bytes;
}

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text));
}

template <typename T>
Bytes Plain(const std::vector<T>& values) {
  Bytes out(MaxEncodedSize<T>(values.size()));
  out.resize(EncodePlain(std::span<const T>(values), out));
  return out;
}

template <typename T>
Bytes Delta(const std::vector<T>& values) {
  Bytes out(MaxEncodedSize<T>(values.size()));
  out.resize(EncodeDelta(std::span<const T>(values), out));
  return out;
}

Bytes Indices(const std::vector<uint32_t>& indices, int width) {
  Bytes out(MaxEncodedSize<uint32_t>(indices.size()));
  out.resize(EncodeIndices(indices, width, out));
  return out;
}

// Counts around which blocks, packs, groups and runs begin and end.
constexpr size_t kCounts[] = {1,   2,   7,   8,   9,   31,  32,  33,
                              63,  64,  65,  127, 128, 129, 130, 160,
                              161, 255, 256, 257, 383, 384, 385, 1000};

// Values of many kinds: of every width, in order and not, with long runs.
template <typename T>
std::vector<std::vector<T>> Samples(size_t count) {
  std::mt19937_64 random(count);
  std::vector<std::vector<T>> samples;
  constexpr int kBits = std::numeric_limits<T>::digits;
  for (int width = 0; width <= kBits; ++width) {
    std::vector<T> values(count);
    for (T& value : values) {
      value = width == 0 ? T{0} : static_cast<T>(random()) >> (kBits - width);
    }
    samples.push_back(values);
    std::sort(values.begin(), values.end());
    samples.push_back(values);
    std::reverse(values.begin(), values.end());
    samples.push_back(values);
  }
  constexpr T kMax = std::numeric_limits<T>::max();
  for (const T step : {T{0}, T{1}, kMax, T(kMax / 2), T(kMax / 2 + 1)}) {
    std::vector<T> values(count, kMax);
    for (size_t i = 1; i < count; ++i) values[i] = values[i - 1] + step;
    samples.push_back(values);
    for (size_t i = 0; i < count; ++i)
      values[i] = random() % 90 == 0 ? step : 7;
    samples.push_back(values);
  }
  return samples;
}

template <typename T>
class EncodingsTest : public testing::Test {};
using Types = testing::Types<uint32_t, uint64_t>;
TYPED_TEST_SUITE(EncodingsTest, Types);

TYPED_TEST(EncodingsTest, DecodeWhatTheyEncoded) {
  using T = TypeParam;
  for (const size_t count : kCounts) {
    for (const std::vector<T>& values : Samples<T>(count)) {
      std::vector<T> decoded(count, T{99});
      ASSERT_TRUE(DecodePlain(Plain(values), std::span<T>(decoded)).ok());
      ASSERT_EQ(decoded, values);
      std::fill(decoded.begin(), decoded.end(), T{99});
      const auto status = DecodeDelta(Delta(values), std::span<T>(decoded));
      ASSERT_TRUE(status.ok()) << status << " of " << count;
      ASSERT_EQ(decoded, values);
    }
  }
}

TYPED_TEST(EncodingsTest, SurviveEveryTruncation) {
  using T = TypeParam;
  for (const size_t count : {1, 33, 200}) {
    for (const std::vector<T>& values : Samples<T>(count)) {
      const Bytes bytes = Delta(values);
      std::vector<T> decoded(count);
      for (size_t size = 0; size < bytes.size(); ++size) {
        // A copy, so that a sanitizer sees any read past the end.
        const Bytes cut(bytes.begin(), bytes.begin() + size);
        ASSERT_FALSE(DecodeDelta(cut, std::span<T>(decoded)).ok());
      }
      Bytes longer = bytes;
      longer.push_back(std::byte{0});
      ASSERT_FALSE(DecodeDelta(longer, std::span<T>(decoded)).ok());
    }
  }
}

TYPED_TEST(EncodingsTest, BearAnyBytes) {
  using T = TypeParam;
  std::mt19937_64 random(7);
  std::vector<T> decoded(200);
  std::vector<uint32_t> indices(200);
  std::vector<T> sample(200);
  for (size_t i = 0; i < sample.size(); ++i) sample[i] = i * i * i;
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes = Delta(sample);
    for (int i = 0; i < 3; ++i) {
      bytes[random() % bytes.size()] = std::byte(random() & 0xff);
    }
    DecodeDelta(bytes, std::span<T>(decoded)).IgnoreError();
    if (DecodeIndices(bytes, 50, indices).ok()) {
      ASSERT_LT(*std::max_element(indices.begin(), indices.end()), 50U);
    }
  }
}

// Section "Delta Encoding" of Parquet's Encodings.md, example 2, with our block
// of 128 in 4 packs.
TEST(Encodings, AgreeWithTheExampleOfTheSpecification) {
  // 7, then deltas -2 -2 -2 1 1 1 1: least -2, packed 0 0 0 3 3 3 3 by 2 bits.
  const Bytes bytes = Delta<uint32_t>({7, 5, 3, 1, 2, 3, 4, 5});
  EXPECT_EQ(bytes, ToBytes({0x80, 0x01, 4, 8, 14, 3, 2, 0, 0, 0, 0b11000000,
                            0b00111111, 0, 0, 0, 0, 0, 0}));
}

// Section "RLE/Bit-Packing Hybrid": 0 to 7 by 3 bits.
TEST(Encodings, PackAsTheSpecificationDoes) {
  EXPECT_EQ(Indices({0, 1, 2, 3, 4, 5, 6, 7}, 3),
            ToBytes({3, 1 << 1 | 1, 0b10001000, 0b11000110, 0b11111010}));
  EXPECT_EQ(Indices(std::vector<uint32_t>(100, 4), 3),
            ToBytes({3, 0xc8, 0x01, 4}));
}

TEST(Encodings, KeepIndicesOfEveryWidth) {
  std::mt19937_64 random(3);
  for (int width = 1; width <= 32; ++width) {
    for (const size_t count : kCounts) {
      std::vector<uint32_t> indices(count);
      const uint32_t mask = 0xffff'ffff >> (32 - width);
      for (size_t i = 0; i < count;) {
        const size_t run = random() % 4 == 0 ? random() % 150 + 1 : 1;
        const auto value = static_cast<uint32_t>(random()) & mask;
        for (size_t j = 0; j < run && i < count; ++j) indices[i++] = value;
      }
      // 2^32 - 1 cannot be an index, since it would need a limit of 2^32.
      const uint32_t limit = mask == 0xffff'ffff ? mask : mask + 1;
      for (uint32_t& index : indices) index = std::min(index, limit - 1);
      const Bytes bytes = Indices(indices, width);
      std::vector<uint32_t> decoded(count, 99);
      const auto status = DecodeIndices(bytes, limit, decoded);
      ASSERT_TRUE(status.ok()) << status << " width " << width;
      ASSERT_EQ(decoded, indices);
      for (size_t size = 0; size < bytes.size(); ++size) {
        const Bytes cut(bytes.begin(), bytes.begin() + size);
        ASSERT_FALSE(DecodeIndices(cut, limit, decoded).ok());
      }
    }
  }
}

TEST(Encodings, KeepZerosAsAnyIndices) {
  for (const int width : {1, 8, 9, 32}) {
    for (const size_t count : kCounts) {
      const std::vector<uint32_t> zeros(count);
      Bytes bytes(MaxEncodedSize<uint32_t>(count));
      bytes.resize(EncodeZeroIndices(count, width, bytes));
      ASSERT_EQ(bytes, Indices(zeros, width)) << count;
    }
  }
}

TEST(Encodings, RefuseIndicesBeyondTheDictionary) {
  std::vector<uint32_t> decoded(3);
  EXPECT_TRUE(DecodeIndices(Indices({0, 6, 2}, 3), 7, decoded).ok());
  EXPECT_FALSE(DecodeIndices(Indices({0, 6, 2}, 3), 6, decoded).ok());
}

template <typename T>
bool Build(const std::vector<T>& values, DictionaryBuilder* dictionary) {
  const auto [min, max] = Range(std::span<const T>(values));
  return dictionary->Build(std::span<const T>(values), min, max);
}

// Values `spread` apart: close ones go by table, others by hash.
TYPED_TEST(EncodingsTest, NumberDistinctValuesByRank) {
  using T = TypeParam;
  std::mt19937_64 random(5);
  DictionaryBuilder dictionary;
  for (const size_t distinct : {size_t{1}, size_t{300}, kMaxDictionary}) {
    for (const T spread : {T{1}, T{2}, T{3}, T{60'000}}) {
      std::vector<T> values(kRowGroupRows);
      for (size_t i = 0; i < values.size(); ++i) {
        const size_t number = i < distinct ? i : random() % distinct;
        values[i] = static_cast<T>(7 + number * spread);
      }
      std::shuffle(values.begin(), values.end(), random);
      ASSERT_TRUE(Build(values, &dictionary));
      const auto sorted = dictionary.distinct();
      ASSERT_EQ(sorted.size(), distinct);
      ASSERT_EQ(std::adjacent_find(sorted.begin(), sorted.end(),
                                   std::greater_equal<>()),
                sorted.end());
      for (size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ(sorted[dictionary.indices()[i]], values[i]);
      }
    }
  }
}

TYPED_TEST(EncodingsTest, NumberValuesAtTheEndsOfTheirRange) {
  using T = TypeParam;
  constexpr T kMax = std::numeric_limits<T>::max();
  DictionaryBuilder dictionary;
  ASSERT_TRUE(Build(std::vector<T>{kMax, 0, kMax, kMax - 1}, &dictionary));
  EXPECT_EQ(std::vector<uint64_t>(dictionary.distinct().begin(),
                                  dictionary.distinct().end()),
            (std::vector<uint64_t>{0, kMax - 1, kMax}));
  ASSERT_TRUE(Build(std::vector<T>{kMax, kMax - 1, kMax}, &dictionary));
  EXPECT_EQ(std::vector<uint32_t>(dictionary.indices().begin(),
                                  dictionary.indices().end()),
            (std::vector<uint32_t>{1, 0, 1}));
}

TYPED_TEST(EncodingsTest, GiveUpOnTooManyDistinctValues) {
  using T = TypeParam;
  DictionaryBuilder dictionary;
  for (const T spread : {T{1}, T{3}}) {
    std::vector<T> values(kMaxDictionary + 1);
    for (size_t i = 0; i < values.size(); ++i) values[i] = i * spread;
    EXPECT_FALSE(Build(values, &dictionary));
    values.pop_back();
    EXPECT_TRUE(Build(values, &dictionary));
  }
}

TEST(Thrift, ReadsWhatItWrote) {
  ThriftWriter out;
  out.Bool(1, true);
  out.Bool(2, false);
  out.Byte(3, -3);
  out.I32(5, std::numeric_limits<int32_t>::min());
  out.I64(20, std::numeric_limits<int64_t>::max());
  out.Binary(21, std::string_view("a\0b", 3));
  out.Struct(22);
  out.I32(1, 1);
  out.End();
  out.List(23, ThriftType::kI32, 20);
  for (int i = 0; i < 20; ++i) out.I32Element(i - 10);
  out.List(24, ThriftType::kStruct, 2);
  for (int i = 0; i < 2; ++i) {
    out.StructElement();
    out.Binary(7, "x");
    out.End();
  }
  const std::string bytes = out.Finish();

  ThriftReader in(BytesOf(bytes));
  ASSERT_TRUE(in.NextField());
  EXPECT_TRUE(in.Bool());
  ASSERT_TRUE(in.NextField());
  EXPECT_FALSE(in.Bool());
  ASSERT_TRUE(in.NextField());
  EXPECT_EQ(in.Integer(), -3);
  ASSERT_TRUE(in.NextField());
  EXPECT_EQ(in.id(), 5);
  EXPECT_EQ(in.Integer(), std::numeric_limits<int32_t>::min());
  ASSERT_TRUE(in.NextField());
  EXPECT_EQ(in.id(), 20);
  EXPECT_EQ(in.Integer(), std::numeric_limits<int64_t>::max());
  ASSERT_TRUE(in.NextField());
  EXPECT_EQ(in.Binary(), std::string_view("a\0b", 3));
  ASSERT_TRUE(in.NextField());
  in.Struct();
  ASSERT_TRUE(in.NextField());
  EXPECT_EQ(in.Integer(), 1);
  EXPECT_FALSE(in.NextField());
  ASSERT_TRUE(in.NextField());
  ASSERT_EQ(in.List(ThriftType::kI32), 20U);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(in.Integer(), i - 10);
  ASSERT_TRUE(in.NextField());
  ASSERT_EQ(in.List(ThriftType::kStruct), 2U);
  for (int i = 0; i < 2; ++i) {
    in.Struct();
    ASSERT_TRUE(in.NextField());
    EXPECT_EQ(in.id(), 7);
    EXPECT_EQ(in.Binary(), "x");
    EXPECT_FALSE(in.NextField());
  }
  EXPECT_FALSE(in.NextField());
  EXPECT_TRUE(in.ok()) << in.status();
  EXPECT_EQ(in.position(), bytes.size());

  // Skipping comes to the same end, and no start of the bytes does.
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);
    ThriftReader skipper(BytesOf(cut));
    while (skipper.NextField()) skipper.Skip();
    EXPECT_EQ(skipper.ok(), size == bytes.size());
  }
}

TEST(Thrift, DoesNotFollowEndlessNesting) {
  for (const int byte : {0x1c, 0x19, 0x1a}) {  // Structs, lists, sets.
    const std::string deep(100'000, static_cast<char>(byte));
    ThriftReader in(BytesOf(deep));
    while (in.NextField()) in.Skip();
    EXPECT_FALSE(in.ok());
  }
}

TEST(Thrift, BelievesNoLengthBeyondTheBytes) {
  for (const std::string& bytes :
       {std::string("\x18\xff\xff\xff\x7f", 5),         // A string of 2^28.
        std::string("\x19\xfc\xff\xff\xff\x7f", 6)}) {  // As many structs.
    ThriftReader in(BytesOf(bytes));
    while (in.NextField()) in.Skip();
    EXPECT_FALSE(in.ok());
  }
}

}  // namespace
}  // namespace fathom::parquet
