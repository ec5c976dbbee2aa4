#ifndef FATHOM_BACKENDS_DPDK_RX_H_
#define FATHOM_BACKENDS_DPDK_RX_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/answer_filter.h"
#include "backends/dpdk_port.h"
#include "backends/dpdk_tx.h"
#include "fathom/packet_io.h"
#include "src/base/counter.h"
#include "src/net/wall_clock.h"

struct rte_mbuf;

namespace fathom {

// Receives from one queue of a port of DPDK.
//
// There is nothing to wait on, so an empty queue is looked at again after a
// nap; naps grow while it stays empty. A full burst is taken at once, so that
// at high rates there are no naps. Frames carry no time stamp: they get that of
// the look that found them.
class DpdkRx final : public RxQueue {
 public:
  struct Options {
    const DpdkPort* port;  // Outlives the queue, as the others do.
    size_t lane;
    IpAddress address;  // Packets to others are left out.
    bool tcp;           // Whether TCP may answer, too.
    // Who answers if somebody asks for our MAC; null where the kernel does.
    DpdkTx* answering;
    const WallClock* clock;
  };

  explicit DpdkRx(const Options& options);
  DpdkRx(const DpdkRx&) = delete;
  DpdkRx& operator=(const DpdkRx&) = delete;
  ~DpdkRx() override;

  absl::StatusOr<std::span<const RxFrame>> Receive(Nanos patience) override;

  // Frames that answered no probe, and those in pieces. Any thread may ask.
  uint64_t foreign() const { return foreign_.value(); }
  uint64_t in_pieces() const { return in_pieces_.value(); }

 private:
  static constexpr size_t kMost = 256;  // Taken at once.

  size_t Take();
  void Look(const rte_mbuf& mbuf, Instant now);
  void AnswerForUs(std::span<const std::byte> frame);

  const DpdkPort& port_;
  const uint16_t queue_;
  const IpAddress address_;
  const AnswerFilter filter_;
  DpdkTx* const answering_;
  const WallClock& clock_;
  std::array<rte_mbuf*, kMost> held_{};  // Those lent, to be given back.
  size_t held_count_ = 0;
  std::vector<RxFrame> lent_;
  Counter foreign_;
  Counter in_pieces_;
};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_DPDK_RX_H_
