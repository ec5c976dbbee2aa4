// The machine apart from its network.

#include <sched.h>
#include <sys/statvfs.h>

#include <array>
#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "fathom/packet_io.h"
#include "fathom/registry.h"
#include "src/doctor/files.h"
#include "src/doctor/finding.h"

namespace fathom::doctor {
namespace {

std::optional<Finding> LookAtProcessors(const Place&) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return std::nullopt;
  const int count = CPU_COUNT(&set);
  if (count >= 2) {
    return Finding{.is = absl::StrCat(count, " processors, room for ",
                                      count / 2, count < 4 ? " lane" : " lanes",
                                      " of two threads")};
  }
  return Finding{.grade = Grade::kBetter,
                 .is = "one processor",
                 .advice = "a lane sends and receives side by side on two"};
}

std::optional<Finding> LookAtGovernor(const Place&) {
  const auto governor =
      ReadText("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  if (!governor) return std::nullopt;
  if (*governor == "performance") return Finding{.is = *governor};
  return Finding{.grade = Grade::kBetter,
                 .is = *governor,
                 .advice = "processors that slow down between probes wake late",
                 .command = "cpupower frequency-set -g performance"};
}

std::optional<Finding> LookAtClock(const Place&) {
  const auto clock = ReadText(
      "/sys/devices/system/clocksource/clocksource0/current_clocksource");
  if (!clock) return std::nullopt;
  for (const char* const slow :
       {"hpet", "acpi_pm", "jiffies", "refined-jiffies", "xen"}) {
    if (*clock != slow) continue;
    return Finding{
        .grade = Grade::kBetter,
        .is = *clock,
        .advice =
            "each look at the clock is a system call; tsc is read at once",
        .command =
            "echo tsc > /sys/devices/system/clocksource/clocksource0/"
            "current_clocksource"};
  }
  return Finding{.is = *clock};
}

std::optional<Finding> LookAtHugePages(const Place&) {
  if (!Register<BackendModule>::Find("dpdk").ok()) return std::nullopt;
  const auto free = ReadField("/proc/meminfo", "HugePages_Free", 10);
  if (!free) return std::nullopt;
  if (*free > 0) return Finding{.is = absl::StrCat(*free, " are free")};
  return Finding{.grade = Grade::kBetter,
                 .is = "none are free",
                 .advice = "a real card needs them for dpdk",
                 .command = "sysctl -w vm.nr_hugepages=512"};
}

std::optional<Finding> LookAtDisk(const Place& place) {
  // A sweep of all /24s hears some 200 million replies, and spools and stores
  // each in some 30 bytes.
  constexpr double kEnough = 10e9;
  struct statvfs disk = {};
  if (statvfs(place.directory.c_str(), &disk) != 0) {
    return Finding{.grade = Grade::kWrong,
                   .is = std::string(
                       absl::ErrnoToStatus(errno, place.directory).message()),
                   .advice = "a dataset needs a directory that there is"};
  }
  if ((disk.f_flag & ST_RDONLY) != 0) {
    return Finding{.grade = Grade::kWrong,
                   .is = absl::StrCat(place.directory, " cannot be written"),
                   .advice = "what is heard is spooled there"};
  }
  const double free =
      static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize);
  Finding found = {
      .is = absl::StrFormat("%.1f GB free in %s", free / 1e9, place.directory)};
  if (free < kEnough) {
    found.grade = Grade::kBetter;
    found.advice =
        "a sweep of all routed /24s wants 10 GB; --output names "
        "another place";
  }
  return found;
}

constexpr std::array<Check, 5> kChecks = {{
    {"processors", &LookAtProcessors},
    {"governor", &LookAtGovernor},
    {"clock", &LookAtClock},
    {"hugepages", &LookAtHugePages},
    {"disk", &LookAtDisk},
}};

}  // namespace

std::span<const Check> MachineChecks() { return kChecks; }

}  // namespace fathom::doctor
