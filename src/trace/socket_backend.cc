#include "src/trace/socket_backend.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/base/status_macros.h"
#include "src/net/wall_clock.h"
#include "src/trace/sent_probe.h"

namespace fathom {
namespace {

constexpr size_t kBatch = 64;
constexpr uint16_t kSlots = 16'384;

// Where traceroute begins.
constexpr uint16_t kFirstPort = 33434;

constexpr size_t kUdpHeader = 8;
constexpr size_t kIcmpHeader = 8;

using Bytes = std::vector<std::byte>;

// The probes that were sent last, by a number.
class SentProbes {
 public:
  uint16_t Keep(std::span<const std::byte> packet) {
    const uint16_t slot = next_;
    next_ = static_cast<uint16_t>((next_ + 1) % kSlots);
    if (slots_.size() <= slot) slots_.resize(slot + 1);
    slots_[slot].assign(packet.begin(), packet.end());
    return slot;
  }

  std::optional<SentProbe> Find(size_t slot) const {
    if (slot >= slots_.size()) return std::nullopt;
    return ReadSentProbe(slots_[slot]);
  }

 private:
  std::vector<Bytes> slots_;
  uint16_t next_ = 0;
};

// What all parts of the backend share.
struct Shared {
  SocketKind kind;
  IpAddress source;
  KernelSocket socket;
  WallClock clock{};
  SentProbes sent{};
  std::atomic<uint64_t> failed{0};
};

class SocketTx final : public TxQueue {
 public:
  explicit SocketTx(Shared& shared)
      : shared_(shared), bytes_(kBatch * kMaxProbeSize) {
    for (size_t i = 0; i < kBatch; ++i) {
      frames_[i].room =
          std::span(bytes_).subspan(i * kMaxProbeSize, kMaxProbeSize);
    }
  }

  std::span<TxFrame> Lend(size_t want) override {
    return std::span(frames_).first(std::min(want, kBatch));
  }

  absl::Status Send(size_t count) override {
    for (size_t i = 0; i < count; ++i) {
      const auto probe =
          ReadSentProbe(frames_[i].room.first(frames_[i].length));
      if (!probe || !SendOne(*probe).ok()) shared_.failed.fetch_add(1);
    }
    return absl::OkStatus();
  }

  absl::Status Drain(Nanos /*patience*/) override { return absl::OkStatus(); }

 private:
  absl::Status SendOne(const SentProbe& probe) {
    const uint16_t slot = shared_.sent.Keep(probe.packet);
    if (shared_.kind == SocketKind::kUdp) {
      return shared_.socket.Send(
          probe.destination, static_cast<uint16_t>(kFirstPort + slot),
          probe.ttl, probe.transport().subspan(kUdpHeader));
    }
    Bytes echo(probe.transport().begin(), probe.transport().end());
    const std::span<std::byte> at(echo);
    const uint16_t before = Load<Be16>(at.subspan(6));
    Store(Be16(slot), at.subspan(6));
    // The word behind the header takes back what the sequence adds, so that
    // the kernel comes to one checksum for a flow. The identifier is its own.
    const auto tweak = at.subspan(kIcmpHeader);
    Store(Be16(OnesSubtract(OnesAdd(Load<Be16>(tweak), before), slot)), tweak);
    return shared_.socket.Send(probe.destination, 0, probe.ttl, echo);
  }

  Shared& shared_;
  Bytes bytes_;
  std::array<TxFrame, kBatch> frames_;
};

class SocketRx final : public RxQueue {
 public:
  explicit SocketRx(Shared& shared) : shared_(shared), buffer_(65'536) {}

  absl::StatusOr<std::span<const RxFrame>> Receive(Nanos patience) override {
    frames_.clear();
    packets_.clear();
    pollfd wait = {shared_.socket.fd(), POLLIN, 0};
    const timespec time = {.tv_sec = patience.count() / 1'000'000'000,
                           .tv_nsec = patience.count() % 1'000'000'000};
    if (ppoll(&wait, 1, &time, nullptr) < 0 && errno != EINTR) {
      return absl::ErrnoToStatus(errno, "wait for answers at a socket");
    }
    packets_.reserve(kBatch);
    for (size_t i = 0; i < kBatch; ++i) {
      const auto answer = shared_.socket.Take(buffer_);
      if (!answer) break;
      AddFrame(*answer);
    }
    return std::span<const RxFrame>(frames_);
  }

 private:
  // The probe that the answer is about.
  std::optional<SentProbe> ProbeOf(const KernelAnswer& answer) const {
    if (shared_.kind == SocketKind::kUdp) {
      if (!answer.error || answer.port < kFirstPort) return std::nullopt;
      return shared_.sent.Find(size_t{answer.port} - kFirstPort);
    }
    if (answer.data.size() < kIcmpHeader) return std::nullopt;
    return shared_.sent.Find(Load<Be16>(answer.data.subspan(6)));
  }

  void AddFrame(const KernelAnswer& answer) {
    const auto probe = ProbeOf(answer);
    if (!probe) return;
    const SocketAnswer said = {.responder = answer.responder,
                               .source = shared_.source,
                               .arrival_ttl = answer.arrival_ttl,
                               .icmp_type = answer.icmp_type,
                               .icmp_code = answer.icmp_code,
                               .extensions = answer.extensions};
    if (answer.error) {
      // About another probe, of a process that had our port before.
      if (answer.destination != probe->destination) return;
      packets_.push_back(ErrorAbout(*probe, said));
    } else {
      packets_.push_back(EchoReplyTo(*probe, said));
    }
    const Instant arrival =
        answer.realtime
            ? Instant(*answer.realtime + shared_.clock.OffsetOfRealtime())
            : shared_.clock.Now();
    frames_.push_back({packets_.back(), arrival});
  }

  Shared& shared_;
  Bytes buffer_;
  std::vector<Bytes> packets_;  // That the frames are lent from.
  std::vector<RxFrame> frames_;
};

class SocketBackend final : public Backend {
 public:
  SocketBackend(SocketKind kind, const IpAddress& source, KernelSocket socket)
      : shared_{kind, source, std::move(socket)}, tx_(shared_), rx_(shared_) {}

  size_t lanes() const override { return 1; }
  TxQueue& tx(size_t /*lane*/) override { return tx_; }
  RxQueue& rx(size_t /*lane*/) override { return rx_; }
  std::span<const std::byte> link_header() const override { return {}; }
  IpAddress source() const override { return shared_.source; }
  Instant Now() const override { return shared_.clock.Now(); }

  std::string Describe() const override {
    return absl::StrCat(
        shared_.kind == SocketKind::kPing ? "a ping socket" : "a UDP socket",
        ", ", shared_.source.ToString());
  }

  BackendCounters counters() const override {
    return {.tx_failed = shared_.failed.load()};
  }

 private:
  Shared shared_;
  SocketTx tx_;
  SocketRx rx_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> OpenSocketBackend(
    SocketKind kind, const BackendOptions& options) {
  if (kind == SocketKind::kTcp) return OpenConnectBackend(options);
  FATHOM_ASSIGN_OR_RETURN(const IpAddress source,
                          options.source
                              ? *options.source
                              : SourceToward(options.toward, options.device));
  FATHOM_ASSIGN_OR_RETURN(auto socket,
                          KernelSocket::Open({.kind = kind,
                                              .family = options.toward.family(),
                                              .source = options.source,
                                              .device = options.device}));
  return std::make_unique<SocketBackend>(kind, source, std::move(socket));
}

}  // namespace fathom
