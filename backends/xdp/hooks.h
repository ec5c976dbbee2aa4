#ifndef FATHOM_BACKENDS_XDP_HOOKS_H_
#define FATHOM_BACKENDS_XDP_HOOKS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/xdp/shared.h"
#include "fathom/address.h"
#include "src/base/unique_fd.h"
#include "src/net/bpf_object.h"
#include "src/net/neighbor.h"

namespace fathom {

// The backend's programs, loaded and in their places, and the memory that they
// share with the queues. As it goes, and as the process ends in whatever way,
// the interface is as it was.
//
// Any thread may read; what the memory holds belongs to the queues.
class XdpHooks {
 public:
  struct Options {
    Interface interface;
    IpAddress address;  // Answers to it are kept.
    bool tcp;           // Those by TCP, too.
    size_t lanes;
    size_t ring_bytes;  // Of each ring; a power of two.
  };

  // AlreadyExists if another XDP program sees the interface's frames.
  // PermissionDenied says what to grant. Returns once the link is up again,
  // which some drivers take down as a program comes.
  static absl::StatusOr<XdpHooks> Attach(const Options& options);

  size_t rings() const { return rings_; }
  size_t ring_bytes() const { return ring_bytes_; }
  XdpRing& ring(size_t index) const;
  XdpLane& lane(size_t index) const;

  // Whether programs tell what becomes of live frames.
  bool tells_transmitted() const { return transmitted_.valid(); }
  XdpMode mode() const { return attachment_.mode; }

  // To run over live frames.
  int program() const { return program_; }

  // Not OK, and says why, if the programs have been taken away.
  absl::Status CheckAttached() const;

 private:
  XdpHooks(const Options& options, BpfObject object);

  absl::Status ShareMemory(size_t lanes);
  absl::Status Place();
  void WatchHost();

  Interface interface_;
  BpfObject object_;
  size_t rings_;
  size_t ring_bytes_;
  int program_;
  Mapping ring_memory_;
  Mapping lane_memory_;
  Mapping host_ids_;
  UniqueFd transmitted_;  // The tracepoint.
  UniqueFd leaving_;      // What the host sends.
  XdpAttachment attachment_;
};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_XDP_HOOKS_H_
