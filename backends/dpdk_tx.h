#ifndef FATHOM_BACKENDS_DPDK_TX_H_
#define FATHOM_BACKENDS_DPDK_TX_H_

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "backends/dpdk_port.h"
#include "fathom/packet_io.h"
#include "src/base/counter.h"
#include "src/net/wall_clock.h"

struct rte_mbuf;

namespace fathom {

// Sends frames from one queue of a port of DPDK.
//
// Frames are DPDK's own buffers, written in place. They stand in one row: first
// those that the device had no room for, which go first next time, then those
// lent and not sent, which are lent again. Nothing is lent while any of the
// former are left, so frames leave in order and a full device is felt at once.
class DpdkTx final : public TxQueue {
 public:
  struct Options {
    const DpdkPort* port;  // Outlives the queue, as the clock does.
    size_t lane;
    size_t frames;  // At most as many are lent.
    const WallClock* clock;
    size_t longest = 1514;  // Frames that the device takes, in bytes.
  };

  explicit DpdkTx(const Options& options);
  DpdkTx(const DpdkTx&) = delete;
  DpdkTx& operator=(const DpdkTx&) = delete;
  ~DpdkTx() override;

  std::span<TxFrame> Lend(size_t want) override;
  absl::Status Send(size_t count) override;
  absl::Status Drain(Nanos patience) override;

  // Sends one frame besides, or not: the device may have no room. Any thread.
  void SendAside(std::span<const std::byte> frame);

  // Frames that were to go out as the device was lost, or were too long for it.
  // Any thread may ask.
  uint64_t failed() const { return failed_.value(); }

 private:
  void Push();
  size_t SetAsideTooLong(size_t count);
  void GiveUp(size_t count);
  void Stock(size_t count);

  const DpdkPort& port_;
  const uint16_t queue_;
  rte_mempool* const pool_;
  const WallClock& clock_;
  const size_t frames_;
  const size_t longest_;
  std::mutex burst_;            // Held while the device takes frames.
  std::vector<rte_mbuf*> row_;  // In order; the first waiting_ are to be sent.
  size_t waiting_ = 0;
  size_t lent_count_ = 0;
  std::vector<TxFrame> lent_;
  Counter failed_;
};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_DPDK_TX_H_
