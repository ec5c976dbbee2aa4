#include "src/dataset/parquet/thrift_compact.h"

#include <cassert>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fathom::parquet {
namespace {

// Lists of up to this many elements have their count in the header byte.
constexpr size_t kShortList = 14;
constexpr uint8_t kLongList = 15;

}  // namespace

void ThriftWriter::Bool(int id, bool value) {
  Field(id, value ? ThriftType::kTrue : ThriftType::kFalse);
}

void ThriftWriter::Byte(int id, int8_t value) {
  Field(id, ThriftType::kByte);
  out_.push_back(static_cast<char>(value));
}

void ThriftWriter::I32(int id, int32_t value) {
  Field(id, ThriftType::kI32);
  Zigzag(value);
}

void ThriftWriter::I64(int id, int64_t value) {
  Field(id, ThriftType::kI64);
  Zigzag(value);
}

void ThriftWriter::Binary(int id, std::string_view value) {
  Field(id, ThriftType::kBinary);
  BinaryElement(value);
}

void ThriftWriter::Struct(int id) {
  Field(id, ThriftType::kStruct);
  StructElement();
}

void ThriftWriter::List(int id, ThriftType element, size_t count) {
  Field(id, ThriftType::kList);
  const auto type = static_cast<uint8_t>(element);
  if (count <= kShortList) {
    out_.push_back(static_cast<char>(count << 4 | type));
  } else {
    out_.push_back(static_cast<char>(kLongList << 4 | type));
    Varint(count);
  }
}

void ThriftWriter::I32Element(int32_t value) { Zigzag(value); }

void ThriftWriter::BinaryElement(std::string_view value) {
  Varint(value.size());
  out_.append(value);
}

void ThriftWriter::StructElement() { last_ids_.push_back(0); }

void ThriftWriter::End() {
  out_.push_back(static_cast<char>(ThriftType::kStop));
  last_ids_.pop_back();
}

std::string ThriftWriter::Finish() {
  End();
  return std::move(out_);
}

void ThriftWriter::Field(int id, ThriftType type) {
  // Larger steps have a longer form, which no struct of Parquet needs.
  const int step = id - last_ids_.back();
  assert(step > 0 && step <= 15);
  last_ids_.back() = id;
  out_.push_back(static_cast<char>(step << 4 | static_cast<int>(type)));
}

void ThriftWriter::Varint(uint64_t value) {
  for (; value >= 0x80; value >>= 7) {
    out_.push_back(static_cast<char>(value | 0x80));
  }
  out_.push_back(static_cast<char>(value));
}

void ThriftWriter::Zigzag(int64_t value) {
  Varint(static_cast<uint64_t>(value) << 1 ^
         static_cast<uint64_t>(value >> 63));
}

bool ThriftReader::NextField() {
  if (last_ids_.empty()) return false;
  const auto header = std::to_integer<uint8_t>(Next());
  if (!ok()) return false;
  type_ = static_cast<ThriftType>(header & 0xf);
  if (type_ == ThriftType::kStop) {
    last_ids_.pop_back();
    // What ended may have been one of a list of structs.
    type_ = ThriftType::kStruct;
    return false;
  }
  const int step = header >> 4;
  if (step != 0) {
    id_ = last_ids_.back() + step;
  } else {
    const uint64_t zigzag = Varint();
    id_ = static_cast<int16_t>(zigzag >> 1 ^ (0 - (zigzag & 1)));
  }
  last_ids_.back() = id_;
  return ok();
}

bool ThriftReader::Bool() {
  if (type_ != ThriftType::kTrue) Expect(ThriftType::kFalse);
  return type_ == ThriftType::kTrue;
}

int64_t ThriftReader::Integer() {
  if (type_ == ThriftType::kByte) return std::to_integer<int8_t>(Next());
  if (type_ != ThriftType::kI16 && type_ != ThriftType::kI32) {
    Expect(ThriftType::kI64);
  }
  const uint64_t zigzag = Varint();
  return static_cast<int64_t>(zigzag >> 1 ^ (0 - (zigzag & 1)));
}

std::string_view ThriftReader::Binary() {
  Expect(ThriftType::kBinary);
  const uint64_t size = Varint();
  if (size > bytes_.size() - position_) {
    Fail(absl::StrCat("a string of ", size, " bytes where ",
                      bytes_.size() - position_, " are left"));
    return {};
  }
  const auto* text = reinterpret_cast<const char*>(bytes_.data() + position_);
  position_ += size;
  return {text, size};
}

void ThriftReader::Struct() {
  Expect(ThriftType::kStruct);
  if (last_ids_.size() >= kMaxDepth) Fail("structs nested too deep");
  if (ok()) last_ids_.push_back(0);
}

size_t ThriftReader::List(ThriftType element) {
  Expect(ThriftType::kList);
  ThriftType found = ThriftType::kStop;
  const size_t count = ListHeader(&found);
  if (ok() && found != element) {
    Fail(absl::StrCat("a list of type ", static_cast<int>(found),
                      " where type ", static_cast<int>(element), " belongs"));
  }
  type_ = element;
  return ok() ? count : 0;
}

void ThriftReader::Skip() { SkipValue(type_, 0); }

void ThriftReader::Fail(std::string_view why) {
  if (!ok()) return;
  error_ = absl::StrCat(absl::string_view(why.data(), why.size()), " at byte ",
                        position_);
}

absl::Status ThriftReader::status() const {
  return ok() ? absl::OkStatus() : absl::DataLossError(error_);
}

std::byte ThriftReader::Next() {
  if (position_ >= bytes_.size()) Fail("unexpected end");
  if (!ok()) return std::byte{0};
  return bytes_[position_++];
}

uint64_t ThriftReader::Varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = std::to_integer<uint64_t>(Next());
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return ok() ? value : 0;
  }
  Fail("an integer of more than 64 bits");
  return 0;
}

void ThriftReader::Expect(ThriftType type) {
  if (type_ == type) return;
  Fail(absl::StrCat("field ", id_, " of type ", static_cast<int>(type_),
                    " where type ", static_cast<int>(type), " belongs"));
}

size_t ThriftReader::ListHeader(ThriftType* element) {
  const auto header = std::to_integer<uint8_t>(Next());
  *element = static_cast<ThriftType>(header & 0xf);
  const uint64_t count = header >> 4 == kLongList ? Varint() : header >> 4;
  if (count > bytes_.size() - position_) {
    Fail(absl::StrCat("a list of ", count, " elements where ",
                      bytes_.size() - position_, " bytes are left"));
  }
  return ok() ? count : 0;
}

void ThriftReader::SkipValue(ThriftType type, int depth) {
  if (depth > kMaxDepth) Fail("values nested too deep");
  if (!ok()) return;
  switch (type) {
    case ThriftType::kTrue:
    case ThriftType::kFalse:
      // In a field, the type is the value; see below for lists.
      return;
    case ThriftType::kByte:
      Next();
      return;
    case ThriftType::kI16:
    case ThriftType::kI32:
    case ThriftType::kI64:
      Varint();
      return;
    case ThriftType::kDouble:
      for (int i = 0; i < 8; ++i) Next();
      return;
    case ThriftType::kBinary:
      type_ = type;
      Binary();
      return;
    case ThriftType::kList:
    case ThriftType::kSet: {
      ThriftType element = ThriftType::kStop;
      const size_t count = ListHeader(&element);
      // Truth values take a byte each in lists.
      if (element <= ThriftType::kFalse) element = ThriftType::kByte;
      for (size_t i = 0; i < count && ok(); ++i) SkipValue(element, depth + 1);
      return;
    }
    case ThriftType::kStruct:
      SkipStruct(depth);
      return;
    case ThriftType::kStop:
    case ThriftType::kMap:
      break;
  }
  Fail(absl::StrCat("a value of type ", static_cast<int>(type)));
}

void ThriftReader::SkipStruct(int depth) {
  while (ok()) {
    const auto header = std::to_integer<uint8_t>(Next());
    const auto type = static_cast<ThriftType>(header & 0xf);
    if (type == ThriftType::kStop) return;
    if (header >> 4 == 0) Varint();
    SkipValue(type, depth + 1);
  }
}

}  // namespace fathom::parquet
