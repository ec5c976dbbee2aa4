#include "backends/io_uring_rx.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backends/packet_socket.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/net/link_socket.h"

namespace fathom {
namespace {

constexpr size_t kPage = 4096;

// A buffer holds what the kernel says of the packet, then the packet: enough
// for Ethernet's 1,514 bytes, and for all that an ICMP error should quote.
constexpr size_t kBufferSize = 2048;
constexpr size_t kControlSize = CMSG_SPACE(sizeof(timespec));
constexpr size_t kMaxLength =
    kBufferSize - sizeof(io_uring_recvmsg_out) - kControlSize;

// The time stamp among the control messages, each checked against their end.
std::optional<timespec> FindStamp(std::span<const std::byte> control) {
  while (control.size() >= sizeof(cmsghdr)) {
    const auto header = Load<cmsghdr>(control);
    if (header.cmsg_len < CMSG_LEN(0) || header.cmsg_len > control.size()) {
      return std::nullopt;
    }
    const auto data = control.first(header.cmsg_len).subspan(CMSG_LEN(0));
    if (header.cmsg_level == SOL_SOCKET &&
        header.cmsg_type == SCM_TIMESTAMPNS &&
        data.size() >= sizeof(timespec)) {
      return Load<timespec>(data);
    }
    control =
        control.subspan(std::min(control.size(), CMSG_ALIGN(header.cmsg_len)));
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<UringRx::Memory> UringRx::Allocate(size_t count) {
  const size_t ring_size =
      (count * sizeof(io_uring_buf) + kPage - 1) / kPage * kPage;
  Memory memory;
  memory.ring.reset(
      static_cast<io_uring_buf_ring*>(std::aligned_alloc(kPage, ring_size)));
  memory.buffers.reset(static_cast<std::byte*>(
      std::aligned_alloc(kPage, std::max(kPage, count * kBufferSize))));
  if (memory.ring == nullptr || memory.buffers == nullptr) {
    return absl::ResourceExhaustedError("no memory for receive buffers");
  }
  std::memset(memory.ring.get(), 0, ring_size);
  // Touched now, so that no packet waits for a page later.
  std::memset(memory.buffers.get(), 0, count * kBufferSize);
  return memory;
}

absl::StatusOr<std::unique_ptr<UringRx>> UringRx::Open(const Options& options) {
  FATHOM_ASSIGN_OR_RETURN(
      UniqueFd socket,
      OpenReceiver(options.interface, options.address, kMaxLength));
  const size_t count = std::bit_ceil(options.frames);
  FATHOM_ASSIGN_OR_RETURN(Memory memory, Allocate(count));
  FATHOM_ASSIGN_OR_RETURN(
      auto ring, Uring::Make({.file = socket.get(),
                              .entries = 8,
                              .completions = std::max(
                                  16U, static_cast<unsigned>(2 * count)),
                              .buffers = memory.ring.get(),
                              .buffer_count = static_cast<unsigned>(count)}));
  return std::unique_ptr<UringRx>(new UringRx(
      options, std::move(socket), std::move(memory), std::move(ring)));
}

UringRx::UringRx(const Options& options, UniqueFd socket, Memory memory,
                 std::unique_ptr<Uring> ring)
    : interface_(options.interface),
      clock_(*options.clock),
      link_header_(LinkHeaderSize(options.interface)),
      count_(std::bit_ceil(options.frames)),
      socket_(std::move(socket)),
      memory_(std::move(memory)),
      ring_(std::move(ring)) {
  shape_.msg_controllen = kControlSize;
  lent_.reserve(count_);
  used_.resize(count_);
  std::iota(used_.begin(), used_.end(), uint16_t{0});
}

absl::StatusOr<std::span<const RxFrame>> UringRx::Receive(Nanos patience) {
  lent_.clear();
  if (!lost_.ok()) return lost_;
  GiveBack(used_);
  used_.clear();
  Collect();
  while (used_.empty()) {
    // The news that the device is gone come first; what came in before it went
    // is still in the socket, and is lent before the news are told.
    const bool going = !going_.ok();
    FATHOM_RETURN_IF_ERROR(Wait(going ? Nanos::zero() : patience));
    Collect();
    if (going_.ok()) break;
    if (going && used_.empty()) {
      lost_ = going_;
      return lost_;
    }
  }
  return lent_;
}

uint64_t UringRx::TakeDropped() const {
  const uint64_t more = TakeDrops(socket_);
  return dropped_.fetch_add(more, std::memory_order_relaxed) + more;
}

// Makes the ring this thread's. All buffers are ours at this point, but a new
// ring does not know of them.
absl::Status UringRx::Adopt() {
  FATHOM_ASSIGN_OR_RETURN(const bool anew, ring_->Adopt());
  if (!anew) return absl::OkStatus();
  armed_ = false;
  std::vector<uint16_t> all(count_);
  std::iota(all.begin(), all.end(), uint16_t{0});
  GiveBack(all);
  return absl::OkStatus();
}

// Makes the one request that stands for all packets to come.
absl::Status UringRx::Arm() {
  io_uring_sqe* const sqe = io_uring_get_sqe(ring_->get());
  if (sqe == nullptr)
    return absl::InternalError("io_uring: no room to receive");
  io_uring_prep_recvmsg_multishot(sqe, 0, &shape_, 0);
  io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT);
  sqe->buf_group = 0;
  armed_ = true;
  return absl::OkStatus();
}

absl::Status UringRx::Wait(Nanos patience) {
  FATHOM_RETURN_IF_ERROR(Adopt());
  if (!armed_) FATHOM_RETURN_IF_ERROR(Arm());
  const auto nanos = std::max(patience, Nanos::zero()).count();
  __kernel_timespec limit = {.tv_sec = nanos / 1'000'000'000,
                             .tv_nsec = nanos % 1'000'000'000};
  io_uring_cqe* first = nullptr;
  const int result = io_uring_submit_and_wait_timeout(ring_->get(), &first, 1,
                                                      &limit, nullptr);
  if (result >= 0 || result == -ETIME || result == -EINTR ||
      result == -EAGAIN || result == -EBUSY) {
    return absl::OkStatus();
  }
  return DeviceGone(interface_, -result);
}

// Takes what the kernel has written, without entering it.
void UringRx::Collect() {
  unsigned head = 0;
  unsigned count = 0;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(ring_->get(), head, cqe) {
    if (count == 0) offset_ = clock_.OffsetOfRealtime();
    Take(*cqe);
    ++count;
  }
  io_uring_cq_advance(ring_->get(), count);
}

void UringRx::Take(const io_uring_cqe& completion) {
  if ((completion.flags & IORING_CQE_F_MORE) == 0) armed_ = false;
  if (completion.res < 0) {
    End(-completion.res);
    return;
  }
  if ((completion.flags & IORING_CQE_F_BUFFER) == 0) return;
  const auto buffer =
      static_cast<uint16_t>(completion.flags >> IORING_CQE_BUFFER_SHIFT);
  used_.push_back(buffer);
  Lend(buffer, static_cast<size_t>(completion.res));
}

// Lends the packet in the first `length` bytes of a buffer.
void UringRx::Lend(uint16_t buffer, size_t length) {
  constexpr size_t kBeforeFrame = sizeof(io_uring_recvmsg_out) + kControlSize;
  if (length < kBeforeFrame + link_header_) return;
  const std::span<const std::byte> bytes(Start(buffer), length);
  const auto about = Load<io_uring_recvmsg_out>(bytes);
  const auto control =
      bytes.subspan(sizeof about)
          .first(std::min<size_t>(about.controllen, kControlSize));
  const auto stamp = FindStamp(control);
  const Instant arrival =
      stamp ? Instant(WallClock::ToNanos(*stamp) + offset_) : clock_.Now();
  lent_.push_back({.bytes = bytes.subspan(kBeforeFrame + link_header_),
                   .arrival = arrival});
}

// The request has ended with an error.
void UringRx::End(int error) {
  switch (error) {
    case ENOBUFS:  // All buffers were in use.
    case EINTR:
    case EAGAIN:
    case ENOMEM:
    case ECANCELED:
      rearmed_.store(rearmed_.load(std::memory_order_relaxed) + 1,
                     std::memory_order_relaxed);
      return;
    default:
      going_ = DeviceGone(interface_, error);
  }
}

void UringRx::GiveBack(std::span<const uint16_t> buffers) {
  io_uring_buf_ring* const ring = memory_.ring.get();
  const int mask = io_uring_buf_ring_mask(static_cast<__u32>(count_));
  int offset = 0;
  for (const uint16_t buffer : buffers) {
    io_uring_buf_ring_add(ring, Start(buffer), kBufferSize, buffer, mask,
                          offset++);
  }
  io_uring_buf_ring_advance(ring, offset);
}

std::byte* UringRx::Start(uint16_t buffer) const {
  return memory_.buffers.get() + buffer * kBufferSize;
}

}  // namespace fathom
