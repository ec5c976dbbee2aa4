#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/net/wall_clock.h"
#include "src/trace/sent_probe.h"
#include "src/trace/socket_backend.h"

// SYNs without privilege: connections that are given up as soon as anybody, a
// router or the host, has answered the first packet.

namespace fathom {
namespace {

constexpr size_t kBatch = 64;
constexpr size_t kMostOpen = 256;
// As long as the kernel sends a SYN once only; what answers later may answer
// the second.
constexpr Nanos kPatience = std::chrono::milliseconds(990);

using Bytes = std::vector<std::byte>;

// One probe under way.
struct Attempt {
  KernelSocket socket;
  Bytes packet;
  Instant sent;
};

class Attempts {
 public:
  Attempts(IpAddress source, KernelSocketOptions options)
      : source_(source), options_(std::move(options)) {}

  const IpAddress& source() const { return source_; }
  const WallClock& clock() const { return clock_; }
  std::deque<Attempt>& open() { return open_; }

  absl::Status Start(const SentProbe& probe) {
    if (open_.size() == kMostOpen) open_.pop_front();
    FATHOM_ASSIGN_OR_RETURN(auto socket, KernelSocket::Open(options_));
    const auto port = Load<Be16>(probe.transport().subspan(2));
    FATHOM_RETURN_IF_ERROR(socket.Connect(probe.destination, port, probe.ttl));
    open_.push_back({std::move(socket),
                     Bytes(probe.packet.begin(), probe.packet.end()),
                     clock_.Now()});
    return absl::OkStatus();
  }

  // Closes those that the kernel would soon repeat.
  void CloseOld() {
    const Instant now = clock_.Now();
    while (!open_.empty() && now - open_.front().sent >= kPatience) {
      open_.pop_front();
    }
  }

 private:
  const IpAddress source_;
  const KernelSocketOptions options_;
  WallClock clock_;
  std::deque<Attempt> open_;  // The oldest first.
};

class ConnectTx final : public TxQueue {
 public:
  explicit ConnectTx(Attempts& attempts)
      : attempts_(attempts), bytes_(kBatch * kMaxProbeSize) {
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
      if (!probe || !attempts_.Start(*probe).ok()) ++failed_;
    }
    return absl::OkStatus();
  }

  absl::Status Drain(Nanos /*patience*/) override { return absl::OkStatus(); }

  uint64_t failed() const { return failed_; }

 private:
  Attempts& attempts_;
  Bytes bytes_;
  std::array<TxFrame, kBatch> frames_;
  uint64_t failed_ = 0;
};

class ConnectRx final : public RxQueue {
 public:
  explicit ConnectRx(Attempts& attempts) : attempts_(attempts), buffer_(4096) {}

  absl::StatusOr<std::span<const RxFrame>> Receive(Nanos patience) override {
    frames_.clear();
    packets_.clear();
    attempts_.CloseOld();
    auto& open = attempts_.open();
    FATHOM_RETURN_IF_ERROR(Wait(patience));
    packets_.reserve(open.size());
    const auto over = [this](Attempt& attempt) { return IsOver(attempt); };
    open.erase(std::remove_if(open.begin(), open.end(), over), open.end());
    return std::span<const RxFrame>(frames_);
  }

 private:
  absl::Status Wait(Nanos patience) {
    waits_.clear();
    for (const Attempt& attempt : attempts_.open()) {
      waits_.push_back({attempt.socket.fd(), POLLOUT, 0});
    }
    const timespec time = {.tv_sec = patience.count() / 1'000'000'000,
                           .tv_nsec = patience.count() % 1'000'000'000};
    if (ppoll(waits_.data(), waits_.size(), &time, nullptr) < 0 &&
        errno != EINTR) {
      return absl::ErrnoToStatus(errno, "wait for answers at sockets");
    }
    return absl::OkStatus();
  }

  // Makes the packet that was heard, if any was.
  bool IsOver(Attempt& attempt) {
    const auto error = attempt.socket.TakeError(buffer_);
    const ConnectOutcome outcome =
        error ? ConnectOutcome::kFailed : attempt.socket.Outcome();
    if (outcome == ConnectOutcome::kPending) return false;
    const auto probe = ReadSentProbe(attempt.packet);
    if (error) {
      Add(ErrorAbout(*probe, {.responder = error->responder,
                              .source = attempts_.source(),
                              .arrival_ttl = error->arrival_ttl,
                              .icmp_type = error->icmp_type,
                              .icmp_code = error->icmp_code,
                              .extensions = error->extensions}),
          *error);
    } else if (outcome != ConnectOutcome::kFailed) {
      Add(SegmentAnswering(*probe, {.source = attempts_.source()},
                           outcome == ConnectOutcome::kAccepted),
          {});
    }
    return true;
  }

  void Add(Bytes packet, const KernelAnswer& answer) {
    packets_.push_back(std::move(packet));
    const WallClock& clock = attempts_.clock();
    const Instant arrival =
        answer.realtime ? Instant(*answer.realtime + clock.OffsetOfRealtime())
                        : clock.Now();
    frames_.push_back({packets_.back(), arrival});
  }

  Attempts& attempts_;
  Bytes buffer_;
  std::vector<pollfd> waits_;
  std::vector<Bytes> packets_;  // That the frames are lent from.
  std::vector<RxFrame> frames_;
};

class ConnectBackend final : public Backend {
 public:
  ConnectBackend(const IpAddress& source, KernelSocketOptions options)
      : attempts_(source, std::move(options)), tx_(attempts_), rx_(attempts_) {}

  size_t lanes() const override { return 1; }
  TxQueue& tx(size_t /*lane*/) override { return tx_; }
  RxQueue& rx(size_t /*lane*/) override { return rx_; }
  std::span<const std::byte> link_header() const override { return {}; }
  IpAddress source() const override { return attempts_.source(); }
  Instant Now() const override { return attempts_.clock().Now(); }

  std::string Describe() const override {
    return absl::StrCat("TCP sockets, ", attempts_.source().ToString());
  }

  BackendCounters counters() const override {
    return {.tx_failed = tx_.failed()};
  }

 private:
  Attempts attempts_;
  ConnectTx tx_;
  ConnectRx rx_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> OpenConnectBackend(
    const BackendOptions& options) {
  FATHOM_ASSIGN_OR_RETURN(const IpAddress source,
                          options.source
                              ? *options.source
                              : SourceToward(options.toward, options.device));
  KernelSocketOptions socket = {.kind = SocketKind::kTcp,
                                .family = options.toward.family(),
                                .source = options.source,
                                .device = options.device};
  // Says now what no socket may do.
  FATHOM_RETURN_IF_ERROR(KernelSocket::Open(socket).status());
  return std::make_unique<ConnectBackend>(source, std::move(socket));
}

}  // namespace fathom
