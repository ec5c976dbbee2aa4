#ifndef FATHOM_SRC_NET_NETLINK_H_
#define FATHOM_SRC_NET_NETLINK_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/base/unique_fd.h"

namespace fathom {

// Questions to the kernel's routing by rtnetlink(7), in the thread's network
// namespace: a request goes out, the messages that answer it come back whole.
//
// What is read is never trusted: headers and attributes that do not fit in the
// bytes received end the reading, they do not move it past the end.

// A request under construction: a header of the family's kind, attributes.
class NetlinkRequest {
 public:
  // `flags` are NLM_F_*; NLM_F_REQUEST is set in any case.
  template <typename Header>
  NetlinkRequest(uint16_t type, uint16_t flags, const Header& header)
      : NetlinkRequest(type, flags, std::as_bytes(std::span(&header, 1))) {}

  void Add(uint16_t attribute, std::span<const std::byte> value);

  uint16_t flags() const { return flags_; }

  // The bytes for the wire, with their length and `sequence` filled in.
  std::span<const std::byte> Finish(uint32_t sequence);

 private:
  NetlinkRequest(uint16_t type, uint16_t flags,
                 std::span<const std::byte> header);

  void Append(std::span<const std::byte> bytes);

  const uint16_t flags_;
  std::vector<std::byte> bytes_;  // A multiple of four long.
};

// One answer: the family's header, then its attributes.
struct NetlinkMessage {
  uint16_t type = 0;
  std::vector<std::byte> body;

  // The header; nullopt if the message is too short to hold one.
  template <typename Header>
  std::optional<Header> header() const {
    if (body.size() < sizeof(Header)) return std::nullopt;
    Header header;
    __builtin_memcpy(&header, body.data(), sizeof header);
    return header;
  }

  // The value of an attribute that follows a header of `header_size` bytes;
  // nullopt if there is none. Valid as long as the message.
  std::optional<std::span<const std::byte>> Find(size_t header_size,
                                                 uint16_t attribute) const;
};

// The value of the first attribute of this kind in a list of attributes.
std::optional<std::span<const std::byte>> FindAttribute(
    std::span<const std::byte> attributes, uint16_t attribute);

// An attribute that is an integer in host order; nullopt if it has not the
// integer's size.
template <typename Integer>
std::optional<Integer> AsInteger(
    const std::optional<std::span<const std::byte>>& value) {
  if (!value || value->size() != sizeof(Integer)) return std::nullopt;
  Integer integer;
  __builtin_memcpy(&integer, value->data(), sizeof integer);
  return integer;
}

// An attribute that is text, with or without its terminator.
std::string AsText(const std::optional<std::span<const std::byte>>& value);

// One socket. Used by one thread at a time.
class NetlinkSocket {
 public:
  // `groups` are the RTMGRP_* whose news Listen() waits for.
  static absl::StatusOr<NetlinkSocket> Open(uint32_t groups = 0);

  // For questions to other parts of the kernel, by generic netlink.
  static absl::StatusOr<NetlinkSocket> OpenGeneric();

  // Sends the request and returns what answers it: every message of a dump, the
  // one message of a look-up, or none for an order that was obeyed. A refusal
  // by the kernel is an error whose text is that of its errno, and which
  // ErrnoOf() gives back.
  absl::StatusOr<std::vector<NetlinkMessage>> Ask(NetlinkRequest request);

  // For poll(2).
  int fd() const { return fd_.get(); }

  // Throws away the news received so far.
  void Discard();

 private:
  explicit NetlinkSocket(UniqueFd fd) : fd_(std::move(fd)) {}

  static absl::StatusOr<NetlinkSocket> OpenFor(int protocol, uint32_t groups);
  absl::StatusOr<std::vector<std::byte>> Receive();

  UniqueFd fd_;
  uint32_t sequence_ = 0;
};

// The errno with which the kernel refused a request; 0 for any other status.
int ErrnoOf(const absl::Status& status);

}  // namespace fathom

#endif  // FATHOM_SRC_NET_NETLINK_H_
