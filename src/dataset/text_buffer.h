#ifndef FATHOM_SRC_DATASET_TEXT_BUFFER_H_
#define FATHOM_SRC_DATASET_TEXT_BUFFER_H_

#include <cassert>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "fathom/address.h"

namespace fathom {

// Text that is gathered before it is written. The room is bought once and
// checked once a row, not once a character.
class TextBuffer {
 public:
  static constexpr size_t kCapacity = 1 << 18;
  // No row of any text format is longer: extensions of kMaxExtensions bytes
  // take five characters a byte.
  static constexpr size_t kMaxRow = 8192;

  // True when the next row may no longer fit, and it is time to write text()
  // and Clear().
  bool full() const { return size_ + kMaxRow > kCapacity; }
  std::string_view text() const { return {room_.data(), size_}; }
  void Clear() { size_ = 0; }

  void Put(char c) {
    assert(size_ < kCapacity);
    room_[size_++] = c;
  }

  void Put(std::string_view text) {
    assert(text.size() <= kCapacity - size_);
    std::memcpy(&room_[size_], text.data(), text.size());
    size_ += text.size();
  }

  void PutNumber(uint64_t number) {
    const auto result =
        std::to_chars(&room_[size_], room_.data() + kCapacity, number);
    size_ = static_cast<size_t>(result.ptr - room_.data());
  }

  // A dotted quad, or RFC 5952.
  void PutAddress(const IpAddress& address) {
    if (address.family() == Family::kIpv6) return Put(address.ToString());
    const uint32_t number = address.v4();
    for (int shift = 24; shift >= 0; shift -= 8) {
      PutOctet(number >> shift & 0xff);
      if (shift != 0) Put('.');
    }
  }

 private:
  void PutOctet(uint32_t octet) {
    if (octet >= 100) Put(static_cast<char>('0' + octet / 100));
    if (octet >= 10) Put(static_cast<char>('0' + octet / 10 % 10));
    Put(static_cast<char>('0' + octet % 10));
  }

  std::vector<char> room_ = std::vector<char>(kCapacity);
  size_t size_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_SRC_DATASET_TEXT_BUFFER_H_
