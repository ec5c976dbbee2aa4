#ifndef FATHOM_SRC_LAB_XDP_PROGRAM_H_
#define FATHOM_SRC_LAB_XDP_PROGRAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/base/unique_fd.h"
#include "src/lab/fate.h"
#include "src/lab/load_meter.h"
#include "src/lab/scenario.h"
#include "src/net/neighbor.h"

struct bpf_object;

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

enum class XdpMode : uint8_t {
  kDriver,   // In the driver, before there is a packet.
  kGeneric,  // After it, where the driver knows no XDP: a third as fast.
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
  struct Close {
    void operator()(bpf_object* object) const;
  };
  using Object = std::unique_ptr<bpf_object, Close>;

  explicit XdpProgram(Object object);

  absl::Status FillSpace(const Scenario& scenario);
  int MapFd(const char* name) const;

  Object object_;
  int program_ = -1;  // Of `object_`.
  UniqueFd link_;
};

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_XDP_PROGRAM_H_
