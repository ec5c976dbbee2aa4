// Whether this kernel lets this process do what backends do.

#include <linux/capability.h>
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "fathom/packet_io.h"
#include "fathom/registry.h"
#include "src/base/unique_fd.h"
#include "src/doctor/files.h"
#include "src/doctor/finding.h"

namespace fathom::doctor {
namespace {

std::optional<Finding> LookAtKernel(const Place&) {
  utsname name = {};
  int major = 0;
  int minor = 0;
  if (uname(&name) != 0 ||
      std::sscanf(name.release, "%d.%d", &major, &minor) != 2) {
    return std::nullopt;
  }
  Finding found = {.is = absl::StrCat("Linux ", std::string(name.release))};
  if (major < 6 || (major == 6 && minor < 1)) {
    found.grade = Grade::kBetter;
    found.advice = "io_uring needs Linux 6.1; take another backend";
  }
  return found;
}

// The errno of making a ring as the backend does; 0 if it can.
int TryIoUring() {
  io_uring_params parameters = {};
  // SINGLE_ISSUER is of 6.0, DEFER_TASKRUN of 6.1.
  parameters.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER |
                     IORING_SETUP_DEFER_TASKRUN;
  const UniqueFd ring(
      static_cast<int>(syscall(SYS_io_uring_setup, 8, &parameters)));
  return ring.valid() ? 0 : errno;
}

std::optional<Finding> LookAtIoUring(const Place&) {
  switch (const int error = TryIoUring()) {
    case 0:
      return Finding{.is = "can be used"};
    case ENOSYS:
    case EINVAL:
      return Finding{.grade = Grade::kBetter,
                     .is = "not in this kernel",
                     .advice = "the backend of this name needs Linux 6.1"};
    case EPERM:
    case EACCES:
      if (ReadNumber("/proc/sys/kernel/io_uring_disabled").value_or(0) > 0) {
        return Finding{.grade = Grade::kBetter,
                       .is = "switched off by kernel.io_uring_disabled",
                       .advice = "the backend of this name needs it",
                       .command = "sysctl -w kernel.io_uring_disabled=0"};
      }
      return Finding{.grade = Grade::kBetter,
                     .is = "forbidden here, by a seccomp filter perhaps",
                     .advice =
                         "the backend of this name needs it; allow "
                         "io_uring_setup in the container's profile"};
    default:
      return Finding{
          .grade = Grade::kBetter,
          .is = std::string(absl::ErrnoToStatus(error, "fails").message()),
          .advice = "the backend of this name needs it"};
  }
}

struct Capability {
  const char* name;
  const char* word;  // For setcap(8).
  int number;
  const char* use;
};

constexpr std::array<Capability, 3> kCapabilities = {{
    {"CAP_NET_RAW", "cap_net_raw", CAP_NET_RAW, "every backend sends by it"},
    {"CAP_NET_ADMIN", "cap_net_admin", CAP_NET_ADMIN,
     "the gateway is asked for, and programs attached, by it"},
    {"CAP_BPF", "cap_bpf", CAP_BPF, "the xdp backend loads programs by it"},
}};

std::optional<Finding> LookAtCapabilities(const Place& place) {
  std::vector<std::string> missing;
  std::vector<std::string> out_of_reach;
  std::string uses;
  for (const Capability& capability : kCapabilities) {
    if (HasCapability("CapEff", capability.number)) continue;
    missing.emplace_back(capability.name);
    absl::StrAppend(&uses, uses.empty() ? "" : ", ", capability.use);
    if (!HasCapability("CapBnd", capability.number)) {
      out_of_reach.emplace_back(capability.name);
    }
  }
  if (missing.empty()) {
    return Finding{.is = "CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF are held"};
  }
  Finding found = {
      .grade =
          HasCapability("CapEff", CAP_NET_RAW) ? Grade::kBetter : Grade::kWrong,
      .is = absl::StrCat("without ", absl::StrJoin(missing, ", ")),
      .advice = uses,
      .command = absl::StrCat("setcap cap_net_raw,cap_net_admin,cap_bpf+ep ",
                              place.program)};
  if (!out_of_reach.empty()) {
    // A file cannot give what the bounding set takes away.
    absl::StrAppend(&found.advice,
                    "; whoever started this shell or container "
                    "has to allow ",
                    absl::StrJoin(out_of_reach, ", "), " first");
  }
  return found;
}

// What a backend of this name must be allowed.
std::vector<int> NeedsOf(const std::string& backend) {
  if (backend == "simulated") return {};
  if (backend == "xdp") return {CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF};
  return {CAP_NET_RAW};
}

bool CanBeUsed(const std::string& backend) {
  for (const int capability : NeedsOf(backend)) {
    if (!HasCapability("CapEff", capability)) return false;
  }
  return backend != "io_uring" || TryIoUring() == 0;
}

std::optional<Finding> LookAtBackends(const Place&) {
  Finding found = {.grade = Grade::kWrong};
  for (const BackendModule& module : Register<BackendModule>::All()) {
    const std::string name = module.name;
    const bool can = CanBeUsed(name);
    absl::StrAppend(&found.is, found.is.empty() ? "" : ", ", name,
                    can ? "" : " (not here)");
    // One that reaches a network.
    if (can && !NeedsOf(name).empty()) found.grade = Grade::kOk;
  }
  if (found.grade == Grade::kWrong) {
    found.advice = "none that reaches a network can be used; see above";
  }
  return found;
}

constexpr std::array<Check, 4> kChecks = {{
    {"kernel", &LookAtKernel},
    {"io_uring", &LookAtIoUring},
    {"capabilities", &LookAtCapabilities},
    {"backends", &LookAtBackends},
}};

}  // namespace

std::span<const Check> PermissionChecks() { return kChecks; }

}  // namespace fathom::doctor
