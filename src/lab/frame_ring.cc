#include "src/lab/frame_ring.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/net/link_socket.h"

namespace fathom::lab {
namespace {

// Holds what the kernel says of a frame and the 1,514 bytes of Ethernet's
// longest. Slots divide blocks, so they lie in memory like an array.
constexpr size_t kSlot = 2048;
constexpr size_t kBlock = 512 * kSlot;

// What follows the kernel's header in a slot.
constexpr size_t kSenderAt = TPACKET_ALIGN(sizeof(tpacket2_hdr));

std::atomic_ref<uint32_t> StatusOf(std::span<std::byte> slot) {
  return std::atomic_ref<uint32_t>(
      reinterpret_cast<tpacket2_hdr*>(slot.data())->tp_status);
}

absl::Status MakeRing(const UniqueFd& socket, size_t frames) {
  const int version = TPACKET_V2;
  if (!SetOption(socket, SOL_PACKET, PACKET_VERSION, version)) {
    return OptionError("PACKET_VERSION");
  }
  const tpacket_req shape = {
      .tp_block_size = kBlock,
      .tp_block_nr = static_cast<unsigned>(frames * kSlot / kBlock),
      .tp_frame_size = kSlot,
      .tp_frame_nr = static_cast<unsigned>(frames)};
  if (!SetOption(socket, SOL_PACKET, PACKET_RX_RING, shape)) {
    return OptionError("PACKET_RX_RING");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FrameRing> FrameRing::Open(const Interface& interface,
                                          size_t frames) {
  FATHOM_ASSIGN_OR_RETURN(UniqueFd socket, OpenLinkSocket());
  const int on = 1;
  if (!SetOption(socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, on)) {
    return OptionError("PACKET_IGNORE_OUTGOING");
  }
  FATHOM_RETURN_IF_ERROR(MakeRing(socket, frames));
  const size_t size = frames * kSlot;
  void* const start =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, socket.get(), 0);
  if (start == MAP_FAILED) return absl::ErrnoToStatus(errno, "map frame ring");
  Mapping memory({static_cast<std::byte*>(start), size});
  FATHOM_RETURN_IF_ERROR(BindTo(socket, interface, ETH_P_ALL));
  return FrameRing(interface, std::move(socket), std::move(memory));
}

std::span<std::byte> FrameRing::Slot() const {
  return memory_.bytes().subspan(next_ * kSlot, kSlot);
}

std::optional<HeardFrame> FrameRing::Next() {
  if (lent_) {
    StatusOf(Slot()).store(TP_STATUS_KERNEL, std::memory_order_release);
    next_ = (next_ + 1) % (memory_.bytes().size() / kSlot);
    lent_ = false;
  }
  const auto slot = Slot();
  const uint32_t status = StatusOf(slot).load(std::memory_order_acquire);
  if ((status & TP_STATUS_USER) == 0) return std::nullopt;
  lent_ = true;

  const auto header = Load<tpacket2_hdr>(slot);
  const auto sender = Load<sockaddr_ll>(slot.subspan(kSenderAt));
  const size_t start = std::min<size_t>(header.tp_net, kSlot);
  const size_t end = std::min<size_t>(header.tp_mac + header.tp_snaplen, kSlot);
  HeardFrame frame;
  frame.packet = slot.subspan(start, end - std::min(start, end));
  frame.stamp = std::chrono::seconds(header.tp_sec) + Nanos(header.tp_nsec);
  std::memcpy(frame.from.data(), sender.sll_addr, frame.from.size());
  frame.type = __builtin_bswap16(sender.sll_protocol);
  frame.to_us = (sender.sll_pkttype == PACKET_HOST ||
                 sender.sll_pkttype == PACKET_BROADCAST) &&
                (status & TP_STATUS_VLAN_VALID) == 0;
  frame.partial_checksum = (status & TP_STATUS_CSUMNOTREADY) != 0;
  return frame;
}

absl::Status FrameRing::Wait(Nanos patience) const {
  const auto nanos = std::max(patience, Nanos::zero()).count();
  const timespec limit = {.tv_sec = nanos / 1'000'000'000,
                          .tv_nsec = nanos % 1'000'000'000};
  pollfd wanted = {.fd = socket_.get(), .events = POLLIN, .revents = 0};
  if (ppoll(&wanted, 1, &limit, nullptr) < 0 && errno != EINTR) {
    return absl::ErrnoToStatus(errno, "wait for frames");
  }
  if ((wanted.revents & (POLLERR | POLLHUP)) == 0) return absl::OkStatus();
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? absl::OkStatus() : DeviceGone(interface_, error);
}

uint32_t FrameRing::TakeDropped() const { return TakeDrops(socket_); }

}  // namespace fathom::lab
