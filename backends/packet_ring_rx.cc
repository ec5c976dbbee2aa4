#include "backends/packet_ring_rx.h"

#include <linux/if_packet.h>
#include <poll.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "backends/packet_socket.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/net/link_socket.h"

namespace fathom {
namespace {

// Holds some 400 replies. A block that its age closes is mostly empty, so their
// number matters too: at the slowest rates, 512 of them last a second.
constexpr size_t kBlock = 64 << 10;
constexpr size_t kMostBlocks = 512;
constexpr size_t kFewBlocks = 64;
// All queues together: 400,000 replies.
constexpr size_t kBlocksInAll = 1024;
constexpr unsigned kBlockAgeMs = 2;

// The block that is being filled when the interface goes is handed over by the
// kernel's timer; this is as long as it may be late.
constexpr Nanos kLastBlock = std::chrono::milliseconds(50 * kBlockAgeMs);

// The longest of Ethernet, without what a jumbo frame would quote in vain.
constexpr size_t kMaxLength = 1514;

absl::Status MakeRing(const UniqueFd& socket, size_t blocks) {
  const int version = TPACKET_V3;
  if (!SetOption(socket, SOL_PACKET, PACKET_VERSION, version)) {
    return OptionError("PACKET_VERSION");
  }
  // The kernel wants frames that divide a block, and ignores them otherwise.
  constexpr unsigned kFrame = 2048;
  const tpacket_req3 shape = {
      .tp_block_size = kBlock,
      .tp_block_nr = static_cast<unsigned>(blocks),
      .tp_frame_size = kFrame,
      .tp_frame_nr = static_cast<unsigned>(blocks * kBlock / kFrame),
      .tp_retire_blk_tov = kBlockAgeMs,
      .tp_sizeof_priv = 0,
      .tp_feature_req_word = 0};
  if (!SetOption(socket, SOL_PACKET, PACKET_RX_RING, shape)) {
    return OptionError("PACKET_RX_RING");
  }
  return absl::OkStatus();
}

std::atomic_ref<uint32_t> StatusOf(std::span<std::byte> block) {
  return std::atomic_ref<uint32_t>(
      reinterpret_cast<tpacket_block_desc*>(block.data())
          ->hdr.bh1.block_status);
}

}  // namespace

absl::StatusOr<std::unique_ptr<PacketRingRx>> PacketRingRx::Make(
    const Options& options, size_t blocks) {
  FATHOM_ASSIGN_OR_RETURN(
      UniqueFd socket, OpenDeaf(options.interface, options.address.family()));
  FATHOM_RETURN_IF_ERROR(MakeRing(socket, blocks));
  const size_t size = blocks * kBlock;
  // Touched now, so that no packet waits for a page later.
  void* const start = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_POPULATE, socket.get(), 0);
  if (start == MAP_FAILED) return absl::ErrnoToStatus(errno, "map packet ring");
  return std::unique_ptr<PacketRingRx>(
      new PacketRingRx(options, std::move(socket),
                       Mapping({static_cast<std::byte*>(start), size})));
}

absl::StatusOr<std::vector<std::unique_ptr<PacketRingRx>>> PacketRingRx::Open(
    const Options& options, size_t queues) {
  const size_t blocks =
      options.small
          ? kFewBlocks
          : std::clamp<size_t>(kBlocksInAll / queues, 128, kMostBlocks);
  std::vector<std::unique_ptr<PacketRingRx>> made;
  std::vector<const UniqueFd*> sockets;
  for (size_t i = 0; i < queues; ++i) {
    FATHOM_ASSIGN_OR_RETURN(auto queue, Make(options, blocks));
    sockets.push_back(&queue->socket_);
    made.push_back(std::move(queue));
  }
  if (queues > 1) FATHOM_RETURN_IF_ERROR(ShareAmong(sockets));
  for (const UniqueFd* const socket : sockets) {
    FATHOM_RETURN_IF_ERROR(LetIn(*socket, options.interface,
                                 {.address = options.address,
                                  .tcp = options.tcp,
                                  .max_length = kMaxLength}));
  }
  return made;
}

absl::StatusOr<std::span<const RxFrame>> PacketRingRx::Receive(Nanos patience) {
  GiveBack();
  if (!lost_.ok()) return lost_;
  if (!Filled() && going_.ok()) FATHOM_RETURN_IF_ERROR(Wait(patience));
  if (!Filled() && !going_.ok()) FATHOM_RETURN_IF_ERROR(Wait(kLastBlock));
  if (Filled()) {
    LendBlock();
  } else if (!going_.ok()) {
    lost_ = going_;
    return lost_;
  }
  return lent_;
}

uint64_t PacketRingRx::TakeDropped() const {
  const uint64_t more = TakeDrops(socket_);
  return dropped_.fetch_add(more, std::memory_order_relaxed) + more;
}

std::span<std::byte> PacketRingRx::Block() const {
  return memory_.bytes().subspan(next_ * kBlock, kBlock);
}

bool PacketRingRx::Filled() const {
  return (StatusOf(Block()).load(std::memory_order_acquire) & TP_STATUS_USER) !=
         0;
}

void PacketRingRx::GiveBack() {
  lent_.clear();
  if (!lent_block_) return;
  StatusOf(Block()).store(TP_STATUS_KERNEL, std::memory_order_release);
  next_ = (next_ + 1) % (memory_.bytes().size() / kBlock);
  lent_block_ = false;
}

void PacketRingRx::LendBlock() {
  lent_block_ = true;
  const Nanos offset = clock_.OffsetOfRealtime();
  const auto block = Block();
  const auto about = Load<tpacket_block_desc>(block).hdr.bh1;
  size_t at = about.offset_to_first_pkt;
  for (uint32_t i = 0; i < about.num_pkts; ++i) {
    const auto frame = block.subspan(std::min(at, kBlock));
    if (frame.size() < sizeof(tpacket3_hdr)) return;
    const auto header = Load<tpacket3_hdr>(frame);
    const size_t start = std::min<size_t>(header.tp_net, frame.size());
    const size_t end =
        std::min<size_t>(header.tp_mac + header.tp_snaplen, frame.size());
    if (start < end) {
      lent_.push_back({.bytes = frame.subspan(start, end - start),
                       .arrival = Instant(std::chrono::seconds(header.tp_sec) +
                                          Nanos(header.tp_nsec) + offset)});
    }
    at += header.tp_next_offset;
  }
}

absl::Status PacketRingRx::Wait(Nanos patience) {
  const auto nanos = std::max(patience, Nanos::zero()).count();
  const timespec limit = {.tv_sec = nanos / 1'000'000'000,
                          .tv_nsec = nanos % 1'000'000'000};
  pollfd wanted = {.fd = socket_.get(), .events = POLLIN, .revents = 0};
  if (ppoll(&wanted, 1, &limit, nullptr) < 0 && errno != EINTR) {
    return absl::ErrnoToStatus(errno, "wait for packets");
  }
  if ((wanted.revents & (POLLERR | POLLHUP)) == 0) return absl::OkStatus();
  // What came in before is lent before the news are told.
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) going_ = DeviceGone(interface_, error);
  return absl::OkStatus();
}

}  // namespace fathom
