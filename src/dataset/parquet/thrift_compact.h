#ifndef FATHOM_SRC_DATASET_PARQUET_THRIFT_COMPACT_H_
#define FATHOM_SRC_DATASET_PARQUET_THRIFT_COMPACT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace fathom::parquet {

// Thrift's compact protocol, in which Parquet writes its metadata: as much of
// it as Parquet uses.

enum class ThriftType : uint8_t {
  kStop = 0,
  kTrue = 1,
  kFalse = 2,
  kByte = 3,
  kI16 = 4,
  kI32 = 5,
  kI64 = 6,
  kDouble = 7,
  kBinary = 8,
  kList = 9,
  kSet = 10,
  kMap = 11,
  kStruct = 12,
};

// Writes fields in the order of the calls; ids must ascend within a struct.
// The outermost struct is open from the start.
class ThriftWriter {
 public:
  void Bool(int id, bool value);
  void Byte(int id, int8_t value);
  void I32(int id, int32_t value);
  void I64(int id, int64_t value);
  void Binary(int id, std::string_view value);
  void Struct(int id);
  // Opens a list; `count` elements must follow.
  void List(int id, ThriftType element, size_t count);

  void I32Element(int32_t value);
  void BinaryElement(std::string_view value);
  void StructElement();

  // Closes the struct opened last.
  void End();

  // Closes the outermost struct and hands over what was written.
  std::string Finish();

 private:
  void Field(int id, ThriftType type);
  void Varint(uint64_t value);
  void Zigzag(int64_t value);

  std::string out_;
  std::vector<int> last_ids_ = {0};
};

// Reads what may be any bytes at all. The first error sticks: from then on
// reads yield zeros and loops end, so that callers check once, at the end.
//
//   while (in.NextField()) {
//     switch (in.id()) {
//       case 1: count = in.Integer(); break;
//       default: in.Skip();
//     }
//   }
//
// Each field must be read or skipped exactly once.
class ThriftReader {
 public:
  explicit ThriftReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  // Steps to the next field of the struct opened last; at its end, closes it
  // and returns false.
  bool NextField();
  int id() const { return id_; }

  // The current field, or the next element of the list opened last.
  bool Bool();
  int64_t Integer();
  std::string_view Binary();  // Valid as long as the bytes are.
  void Struct();
  // Opens a list of such elements and returns how many there are: never more
  // than there are bytes left.
  size_t List(ThriftType element);
  void Skip();

  // Makes the reader fail, for callers who find the values wrong.
  void Fail(std::string_view why);

  // OK, or what is wrong and at which byte.
  absl::Status status() const;
  bool ok() const { return error_.empty(); }

  // How many bytes were read.
  size_t position() const { return position_; }

 private:
  static constexpr int kMaxDepth = 16;

  std::byte Next();
  uint64_t Varint();
  void Expect(ThriftType type);
  size_t ListHeader(ThriftType* element);
  void SkipValue(ThriftType type, int depth);
  void SkipStruct(int depth);

  std::span<const std::byte> bytes_;
  size_t position_ = 0;
  ThriftType type_ = ThriftType::kStruct;
  int id_ = 0;
  std::vector<int> last_ids_ = {0};
  std::string error_;
};

}  // namespace fathom::parquet

#endif  // FATHOM_SRC_DATASET_PARQUET_THRIFT_COMPACT_H_
