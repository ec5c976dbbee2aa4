// The responder in user space. Frames come in through a ring in memory, go
// into the network with the kernel's time stamp, and what is due goes out in
// batches. It sleeps when nothing comes and nothing is due.

#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/codec/headers.h"
#include "src/lab/frame_ring.h"
#include "src/lab/frame_sender.h"
#include "src/lab/neighbors.h"
#include "src/lab/network.h"
#include "src/lab/offload.h"
#include "src/lab/responder.h"
#include "src/net/wall_clock.h"

namespace fathom::lab {
namespace {

// Frames taken in before what is due is looked at again, and replies sent
// before more is taken in.
constexpr size_t kBatch = 256;

// How long it sleeps at most, so that it notices a request to stop.
constexpr Nanos kNap = std::chrono::milliseconds(20);

// A reply that leaves this much after its time counts as late.
constexpr Nanos kLate = std::chrono::milliseconds(1);

absl::Status Sleep(Nanos time) {
  const timespec limit = {.tv_sec = 0,
                          .tv_nsec = std::clamp(time, Nanos(0), kNap).count()};
  nanosleep(&limit, nullptr);
  return absl::OkStatus();
}

class SocketResponder final : public Responder {
 public:
  SocketResponder(const Scenario& scenario, const ResponderOptions& options,
                  FrameRing ring, FrameSender sender)
      : mac_(options.interface.mac),
        source_(scenario.source.v4()),
        max_under_way_(options.max_under_way),
        network_(scenario),
        ring_(std::move(ring)),
        sender_(std::move(sender)) {}

  absl::Status Run(const std::stop_token& stop, Nanos at_most) override {
    // Sleep as long as was said, and not the 50 us more that are usual.
    prctl(PR_SET_TIMERSLACK, 1'000UL, 0UL, 0UL, 0UL);
    const Instant start = clock_.Now();
    absl::Status status;
    while (status.ok() && !stop.stop_requested() &&
           clock_.Now() - start < at_most) {
      status = Step();
    }
    report_.kernel_drops += ring_.TakeDropped();
    return status;
  }

  ResponderReport Report() const override {
    ResponderReport report = report_;
    report.network = network_.counters();
    report.load = meter_.Measure();
    report.replies = sender_.sent() - report_.arp_replies;
    report.replies_lost = sender_.lost();
    report.still_under_way = network_.in_flight();
    return report;
  }

 private:
  absl::Status Step() {
    FATHOM_ASSIGN_OR_RETURN(const size_t heard, Hear());
    FATHOM_ASSIGN_OR_RETURN(const size_t said, SendDue());
    if (heard > 0 || said > 0) return absl::OkStatus();
    Nanos patience = kNap;
    if (const auto due = network_.next_due()) {
      patience = std::min(patience, *due - clock_.Now());
    }
    // With too many replies under way it waits for the first of them, whatever
    // comes in.
    return Full() ? Sleep(patience) : ring_.Wait(patience);
  }

  bool Full() const { return network_.in_flight() >= max_under_way_; }

  // Takes in what has come, a batch at most; how many frames.
  absl::StatusOr<size_t> Hear() {
    if (Full()) return 0;
    const Nanos offset = clock_.OffsetOfRealtime();
    size_t count = 0;
    for (; count < kBatch; ++count) {
      const auto frame = ring_.Next();
      if (!frame) break;
      // Stamps are set by several processors, and may overtake each other.
      now_ = std::max(now_, Instant(frame->stamp + offset));
      FATHOM_RETURN_IF_ERROR(Take(*frame));
    }
    return count;
  }

  absl::Status Take(const HeardFrame& frame) {
    if (frame.to_us && frame.type == kEtherTypeIpv4) {
      TakeProbe(frame);
    } else if (frame.to_us && frame.type == kEtherTypeArp) {
      return TakeArp(frame);
    } else {
      ++report_.ignored;
    }
    return absl::OkStatus();
  }

  void TakeProbe(const HeardFrame& frame) {
    if (frame.partial_checksum) CompleteChecksum(frame.packet);
    if (frame.packet.size() >= sizeof(Ipv4Header)) {
      neighbors_.Learn(Load<Ipv4Header>(frame.packet).source, frame.from);
    }
    meter_.Add(now_);
    network_.Send(now_, frame.packet);
  }

  absl::Status TakeArp(const HeardFrame& frame) {
    const auto reply = AnswerArp(frame.packet, mac_, source_, neighbors_);
    if (!reply) {
      ++report_.ignored;
      return absl::OkStatus();
    }
    const uint64_t before = sender_.sent();
    FATHOM_RETURN_IF_ERROR(sender_.Add(std::as_bytes(std::span(&*reply, 1)),
                                       kEtherTypeArp, frame.from));
    FATHOM_RETURN_IF_ERROR(sender_.Flush());
    report_.arp_replies += sender_.sent() - before;
    return absl::OkStatus();
  }

  // Sends what is due, a batch at most; how many replies.
  absl::StatusOr<size_t> SendDue() {
    const Instant now = clock_.Now();
    const size_t count = network_.Receive(now, due_);
    for (const RxFrame& reply : std::span(due_).first(count)) {
      report_.replies_late += now - reply.arrival > kLate ? 1 : 0;
      const uint32_t to = Load<Ipv4Header>(reply.bytes).destination;
      FATHOM_RETURN_IF_ERROR(
          sender_.Add(reply.bytes, kEtherTypeIpv4, neighbors_.Find(to)));
    }
    if (count > 0) FATHOM_RETURN_IF_ERROR(sender_.Flush());
    return count;
  }

  const MacAddress mac_;
  const uint32_t source_;
  const size_t max_under_way_;
  const WallClock clock_;
  Network network_;
  FrameRing ring_;
  FrameSender sender_;
  Neighbors neighbors_;
  LoadMeter meter_;
  ResponderReport report_;  // What nobody else counts.
  Instant now_;             // Of the last frame taken in.
  std::array<RxFrame, kBatch> due_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Responder>> OpenSocketResponder(
    const Scenario& scenario, const ResponderOptions& options) {
  FATHOM_RETURN_IF_ERROR(CheckUsable(options.interface));
  FATHOM_ASSIGN_OR_RETURN(
      FrameRing ring, FrameRing::Open(options.interface, options.ring_frames));
  FATHOM_ASSIGN_OR_RETURN(FrameSender sender,
                          FrameSender::Open(options.interface));
  return std::make_unique<SocketResponder>(scenario, options, std::move(ring),
                                           std::move(sender));
}

}  // namespace fathom::lab
