#ifndef FATHOM_SRC_LAB_XDP_PROGRAM_H_
#define FATHOM_SRC_LAB_XDP_PROGRAM_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/lab/fate.h"
#include "src/lab/load_meter.h"
#include "src/lab/scenario.h"
#include "src/net/bpf_object.h"
#include "src/net/neighbor.h"

namespace fathom::lab {

// The responder in the kernel, responder.bpf.cc, as user space holds it. The
// program is part of this one; nothing is read from a file.
//
// All that it made in the kernel goes with it, or with its process, however
// that ends. It takes 20 MB of kernel memory. One thread.

struct XdpOptions {
  MacAddress mac{};  // Frames to it are probes.
  // Equal packets fare equally, whenever they come; else the time of a packet
  // is part of its chance.
  bool repeatable = false;
};

class XdpProgram {
 public:
  // Loads the program, but lets it see no packets. PermissionDenied without
  // CAP_BPF and CAP_NET_ADMIN. REQUIRES: CheckScenario(scenario) is OK.
  static absl::StatusOr<XdpProgram> Load(const Scenario& scenario,
                                         const XdpOptions& options);

  // From now on it sees what comes in over the interface. AlreadyExists if
  // another program does.
  absl::StatusOr<XdpMode> Attach(int interface_index);

  // What it does with one frame: an XDP_ action, and the frame that it leaves.
  // No interface is needed, and nothing is sent. REQUIRES: 14 bytes or more.
  struct Outcome {
    uint32_t action = 0;
    std::vector<std::byte> frame;
  };
  absl::StatusOr<Outcome> Try(std::span<const std::byte> frame) const;

  // `mishaps`, `foreign` and `stuck` as in shared.h.
  struct Report {
    NetworkCounters network;
    ProbeLoad load;
    uint64_t mishaps = 0;
    uint64_t foreign = 0;
    uint64_t stuck = 0;
  };
  absl::StatusOr<Report> Read() const;

  XdpProgram(XdpProgram&&) = default;
  XdpProgram& operator=(XdpProgram&&) = default;

 private:
  explicit XdpProgram(BpfObject object);

  absl::Status FillSpace(const Scenario& scenario);

  BpfObject object_;
  int program_ = -1;  // Of `object_`.
  XdpAttachment attachment_;
};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_XDP_PROGRAM_H_
