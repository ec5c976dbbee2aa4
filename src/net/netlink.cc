#include "src/net/netlink.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

// Larger than the answers of any kernel known: they are made to fit in 32 KiB.
constexpr size_t kBufferSize = 64 << 10;

// A dump of a machine with thousands of interfaces stays far below this.
constexpr size_t kMaxMessages = 1 << 16;

constexpr char kErrnoUrl[] = "fathom.netlink/errno";

constexpr size_t Align(size_t length) { return (length + 3) & ~size_t{3}; }

absl::Status Refusal(int error) {
  absl::Status status = absl::ErrnoToStatus(error, "netlink");
  status.SetPayload(kErrnoUrl, absl::Cord(absl::StrCat(error)));
  return status;
}

// Where the reading of an answer stands.
struct Answer {
  std::vector<NetlinkMessage> messages;
  bool complete = false;
};

// Takes one message into `answer`.
absl::Status Take(const nlmsghdr& header, std::span<const std::byte> body,
                  bool dump, Answer* answer) {
  if (header.nlmsg_type == NLMSG_DONE) {
    answer->complete = true;
    return absl::OkStatus();
  }
  if (header.nlmsg_type == NLMSG_ERROR) {
    if (body.size() < sizeof(int)) {
      return absl::DataLossError("netlink: error message cut short");
    }
    const int error = -Load<int>(body);
    if (error != 0) return Refusal(error);
    answer->complete = true;  // An acknowledgement.
    return absl::OkStatus();
  }
  if (header.nlmsg_type < NLMSG_MIN_TYPE) return absl::OkStatus();
  if (answer->messages.size() == kMaxMessages) {
    return absl::ResourceExhaustedError("netlink: the answer does not end");
  }
  answer->messages.push_back(
      {header.nlmsg_type, std::vector(body.begin(), body.end())});
  answer->complete = answer->complete || !dump;
  return absl::OkStatus();
}

// Takes the messages of one datagram that belong to request `sequence`.
absl::Status TakeAll(std::span<const std::byte> bytes, uint32_t sequence,
                     bool dump, Answer* answer) {
  while (bytes.size() >= sizeof(nlmsghdr)) {
    const auto header = Load<nlmsghdr>(bytes);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > bytes.size()) {
      return absl::DataLossError("netlink: message with a wrong length");
    }
    if (header.nlmsg_seq == sequence) {
      const auto body = bytes.first(header.nlmsg_len).subspan(sizeof header);
      FATHOM_RETURN_IF_ERROR(Take(header, body, dump, answer));
    }
    bytes = bytes.subspan(std::min(bytes.size(), Align(header.nlmsg_len)));
  }
  return absl::OkStatus();
}

}  // namespace

NetlinkRequest::NetlinkRequest(uint16_t type, uint16_t flags,
                               std::span<const std::byte> header)
    : flags_(flags | NLM_F_REQUEST) {
  nlmsghdr start = {};
  start.nlmsg_type = type;
  start.nlmsg_flags = flags_;
  Append(std::as_bytes(std::span(&start, 1)));
  Append(header);
}

void NetlinkRequest::Append(std::span<const std::byte> bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  bytes_.resize(Align(bytes_.size()));
}

void NetlinkRequest::Add(uint16_t attribute, std::span<const std::byte> value) {
  rtattr start = {};
  start.rta_len = static_cast<uint16_t>(sizeof start + value.size());
  start.rta_type = attribute;
  Append(std::as_bytes(std::span(&start, 1)));
  Append(value);
}

std::span<const std::byte> NetlinkRequest::Finish(uint32_t sequence) {
  auto start = Load<nlmsghdr>(bytes_);
  start.nlmsg_len = static_cast<uint32_t>(bytes_.size());
  start.nlmsg_seq = sequence;
  Store(start, bytes_);
  return bytes_;
}

std::optional<std::span<const std::byte>> FindAttribute(
    std::span<const std::byte> attributes, uint16_t attribute) {
  while (attributes.size() >= sizeof(rtattr)) {
    const auto start = Load<rtattr>(attributes);
    if (start.rta_len < sizeof start || start.rta_len > attributes.size()) {
      return std::nullopt;
    }
    if ((start.rta_type & NLA_TYPE_MASK) == attribute) {
      return attributes.first(start.rta_len).subspan(sizeof start);
    }
    attributes =
        attributes.subspan(std::min(attributes.size(), Align(start.rta_len)));
  }
  return std::nullopt;
}

std::optional<std::span<const std::byte>> NetlinkMessage::Find(
    size_t header_size, uint16_t attribute) const {
  const size_t start = Align(header_size);
  if (body.size() < start) return std::nullopt;
  return FindAttribute(std::span(body).subspan(start), attribute);
}

std::string AsText(const std::optional<std::span<const std::byte>>& value) {
  if (!value) return "";
  std::string text(value->size(), '\0');
  std::memcpy(text.data(), value->data(), value->size());
  return text.substr(0, text.find('\0'));
}

absl::StatusOr<NetlinkSocket> NetlinkSocket::Open(uint32_t groups) {
  return OpenFor(NETLINK_ROUTE, groups);
}

absl::StatusOr<NetlinkSocket> NetlinkSocket::OpenGeneric() {
  return OpenFor(NETLINK_GENERIC, 0);
}

absl::StatusOr<NetlinkSocket> NetlinkSocket::OpenFor(int protocol,
                                                     uint32_t groups) {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "open netlink socket");
  // The kernel answers at once; a lost answer must not hang the program.
  const timeval limit = {.tv_sec = 5, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_nl local = {};
  local.nl_family = AF_NETLINK;
  local.nl_groups = groups;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) !=
      0) {
    return absl::ErrnoToStatus(errno, "bind netlink socket");
  }
  return NetlinkSocket(std::move(fd));
}

absl::StatusOr<std::vector<std::byte>> NetlinkSocket::Receive() {
  std::vector<std::byte> buffer(kBufferSize);
  ssize_t length = 0;
  do {
    length = recv(fd_.get(), buffer.data(), buffer.size(), MSG_TRUNC);
  } while (length < 0 && errno == EINTR);
  if (length < 0) return absl::ErrnoToStatus(errno, "read netlink socket");
  if (static_cast<size_t>(length) > buffer.size()) {
    return absl::DataLossError("netlink: answer too large");
  }
  buffer.resize(static_cast<size_t>(length));
  return buffer;
}

absl::StatusOr<std::vector<NetlinkMessage>> NetlinkSocket::Ask(
    NetlinkRequest request) {
  const uint32_t sequence = ++sequence_;
  const auto bytes = request.Finish(sequence);
  if (send(fd_.get(), bytes.data(), bytes.size(), 0) < 0) {
    return absl::ErrnoToStatus(errno, "write netlink socket");
  }
  const bool dump = (request.flags() & NLM_F_DUMP) == NLM_F_DUMP;
  Answer answer;
  while (!answer.complete) {
    FATHOM_ASSIGN_OR_RETURN(const auto received, Receive());
    FATHOM_RETURN_IF_ERROR(TakeAll(received, sequence, dump, &answer));
  }
  return std::move(answer.messages);
}

void NetlinkSocket::Discard() {
  std::byte ignored{};
  // With a buffer this short the rest of each datagram is thrown away.
  while (recv(fd_.get(), &ignored, sizeof ignored, MSG_DONTWAIT) >= 0) {
  }
}

int ErrnoOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrnoUrl);
  int error = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &error)) return 0;
  return error;
}

}  // namespace fathom
