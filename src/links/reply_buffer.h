#ifndef FATHOM_SRC_LINKS_REPLY_BUFFER_H_
#define FATHOM_SRC_LINKS_REPLY_BUFFER_H_

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "fathom/probe.h"

namespace fathom {

// Replies with all that they borrow: what packets and frames of the spool lent
// them is copied, and lasts as long as the buffer. 80 bytes a reply, and what
// extensions there are.
class ReplyBuffer {
 public:
  ReplyBuffer() = default;
  ReplyBuffer(ReplyBuffer&&) = default;
  ReplyBuffer& operator=(ReplyBuffer&&) = default;

  void Reserve(size_t replies) { replies_.reserve(replies); }

  void Add(const Reply& reply) {
    replies_.push_back(reply);
    const auto bytes = reply.extensions.bytes;
    if (!bytes.empty()) replies_.back().extensions.bytes = Copy(bytes);
  }

  // Valid until the next call that changes the buffer; what the replies borrow
  // until Clear().
  const std::vector<Reply>& replies() const { return replies_; }
  size_t size() const { return replies_.size(); }
  bool empty() const { return replies_.empty(); }

  // Keeps the room for as many replies again.
  void Clear() {
    replies_.clear();
    chunks_.resize(std::min<size_t>(chunks_.size(), 1));
    used_ = 0;
  }

 private:
  static constexpr size_t kChunk = 16 * kMaxExtensions;

  // REQUIRES: at most kMaxExtensions bytes.
  std::span<const std::byte> Copy(std::span<const std::byte> bytes) {
    if (chunks_.empty() || kChunk - used_ < bytes.size()) {
      chunks_.push_back(std::make_unique<std::byte[]>(kChunk));
      used_ = 0;
    }
    std::byte* const at = chunks_.back().get() + used_;
    std::copy(bytes.begin(), bytes.end(), at);
    used_ += bytes.size();
    return {at, bytes.size()};
  }

  std::vector<Reply> replies_;
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  size_t used_ = 0;  // Of the last chunk.
};

}  // namespace fathom

#endif  // FATHOM_SRC_LINKS_REPLY_BUFFER_H_
