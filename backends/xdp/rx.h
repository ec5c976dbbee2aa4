#ifndef FATHOM_BACKENDS_XDP_RX_H_
#define FATHOM_BACKENDS_XDP_RX_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/xdp/hooks.h"
#include "backends/xdp/link_watch.h"
#include "fathom/packet_io.h"
#include "src/net/wall_clock.h"

namespace fathom {

// Lends packets from the rings that the XDP program fills, in place: nothing is
// copied, and while packets come no system call is made. While none come, the
// queue sleeps, for a millisecond at most: the time of arrival is the
// program's, so hearing late costs nothing.
//
// A lane reads its ring of each processor. What a card's queue brings may move
// from one processor to another, so packets are lent in the order of arrival.
class XdpRx final : public RxQueue {
 public:
  struct Options {
    Interface interface;
    const XdpHooks* hooks;   // Outlives the queue.
    const WallClock* clock;  // Outlives the queue.
    size_t lane;
    size_t lanes;
  };

  static absl::StatusOr<std::unique_ptr<XdpRx>> Open(const Options& options);

  absl::StatusOr<std::span<const RxFrame>> Receive(Nanos patience) override;

  // Packets that found the lane's rings full. Any thread may ask.
  uint64_t dropped() const;

 private:
  // A position is taken modulo the ring's size.
  struct Reader {
    XdpRing* ring;
    uint64_t head = 0;  // What is lent begins here,
    uint64_t next = 0;  // and ends here.
    uint64_t tail = 0;  // As last seen.
  };

  XdpRx(const Options& options, LinkWatch watch);

  const XdpRecord& RecordAt(const Reader& reader, uint64_t position) const;
  Instant ArrivalOf(const XdpRecord& record) const;
  Instant Horizon();
  void Collect();
  void Take(Reader& reader, Instant before);
  absl::Status Wait(Nanos patience);

  const Interface interface_;
  const XdpHooks& hooks_;
  const WallClock& clock_;
  const uint64_t ring_mask_;
  LinkWatch watch_;
  std::vector<Reader> readers_;
  std::vector<RxFrame> lent_;
  Nanos nap_;
  Instant checked_{};   // When the programs were last seen in their places.
  absl::Status going_;  // Not OK once the device is known to be gone.
  absl::Status lost_;   // Not OK once all that came before is lent.
};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_XDP_RX_H_
