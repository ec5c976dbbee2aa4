#ifndef FATHOM_PACKET_IO_H_
#define FATHOM_PACKET_IO_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "fathom/probe.h"

namespace fathom {

// Packet I/O: how the engine sends and receives frames, whatever carries them.
//
// Frames are lent, never copied. A queue owns its frames (UMEM chunks, mbufs,
// registered buffers, an array in the simulator) and lends a batch of them to
// the caller, who writes or reads them in place and gives them back.
//
// A full ring is not an error. It shows as fewer frames lent, and so the
// pressure reaches the strategy before a probe is made, not after.
//
// Thread safety: each queue is used by one thread at a time. Different queues
// of one backend may be used by different threads, unless one_thread().
//
// To add a backend, write backends/<name>.cc, register it in its last line
// (see fathom/registry.h) and name the file in meson.build.

// No probe is larger; every TxFrame has room for this much.
inline constexpr size_t kMaxProbeSize = 256;

struct TxFrame {
  std::span<std::byte> room{};  // Where to write; the link header comes first.
  size_t length = 0;            // How much was written, in bytes.
};

struct RxFrame {
  // From the IP header on: the backend has taken the link header off.
  std::span<const std::byte> bytes{};
  Instant arrival{};  // The NIC's or kernel's stamp where there is one.
};

class TxQueue {
 public:
  virtual ~TxQueue() = default;

  // Lends at most `want` frames; fewer, perhaps none, while the ring is full.
  // They stay valid until Send().
  virtual std::span<TxFrame> Lend(size_t want) = 0;

  // Takes back the frames of the last Lend() and sends the first `count`, in
  // order. A non-OK status means that the device is gone, not that it is busy.
  // REQUIRES: count <= the number lent, and each sent frame has its length.
  virtual absl::Status Send(size_t count) = 0;

  // Waits until every frame taken by Send() has left or failed, at most
  // `patience`. Called once sending is over.
  virtual absl::Status Drain(Nanos patience) = 0;
};

class RxQueue {
 public:
  virtual ~RxQueue() = default;

  // Waits at most `patience` for packets and lends those that have arrived.
  // They stay valid until the next Receive(), which takes them back. An
  // interrupted wait (EINTR) shows as no packets. A non-OK status means that
  // the device is gone.
  virtual absl::StatusOr<std::span<const RxFrame>> Receive(Nanos patience) = 0;
};

// What the backend lost, and whatever else it counts. Any thread may ask.
struct BackendCounters {
  // Packets for us that found our queues full.
  uint64_t rx_dropped = 0;
  // Packets that the device or the kernel dropped before: anybody's, and
  // answers to probes perhaps among them.
  uint64_t host_dropped = 0;
  uint64_t tx_failed = 0;  // Frames taken by Send() that never left.
  // Counters of this kind of backend only, each with its name.
  std::vector<std::pair<std::string, uint64_t>> own{};
};

class Backend {
 public:
  virtual ~Backend() = default;

  // One lane per queue pair, so that lanes share nothing. A reply may be heard
  // by any lane, whichever sent the probe; they should share them evenly.
  virtual size_t lanes() const = 0;
  virtual TxQueue& tx(size_t lane) = 0;
  virtual RxQueue& rx(size_t lane) = 0;

  // The bytes that go before every IP header: Ethernet, or nothing. Valid as
  // long as the backend.
  virtual std::span<const std::byte> link_header() const = 0;

  // The address that probes are sent from.
  virtual IpAddress source() const = 0;

  // What is in use, for people: "veth0, 10.0.0.2, gateway 10.0.0.1 at ...".
  virtual std::string Describe() const = 0;

  // The clock on which arrivals are stamped, so that a simulated network can
  // run faster than time. Any thread may ask.
  virtual Instant Now() const = 0;

  // True if waiting in Receive() is what moves the clock. Then both queues of
  // all lanes are used by one thread, which takes turns.
  virtual bool one_thread() const { return false; }

  virtual BackendCounters counters() const = 0;
};

struct BackendOptions {
  // "eth0", "0000:3b:00.0", or a scenario file; empty lets the backend find
  // the device by the route to `toward`.
  std::string device{};
  std::optional<IpAddress> source{};
  std::optional<IpAddress> gateway{};
  std::string gateway_mac{};  // "02:00:00:00:00:01"; empty to look it up.
  IpAddress toward{};         // A target, for the look-up of the route.
  // Whether TCP may answer: let in only where it does, for a machine may have
  // a lot of TCP traffic of its own.
  bool tcp = true;
  size_t lanes = 1;
  size_t ring_frames = 2048;  // Per queue.
  // A clock that is not the machine's begins after this, so that a scan that
  // goes on finds it where it was.
  Instant not_before{};
};

struct BackendModule {
  const char* name;
  const char* help;
  absl::StatusOr<std::unique_ptr<Backend>> (*open)(const BackendOptions&);
};

}  // namespace fathom

#endif  // FATHOM_PACKET_IO_H_
