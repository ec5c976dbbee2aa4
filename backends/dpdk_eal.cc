#include "backends/dpdk_eal.h"

#include <pthread.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <sched.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace fathom {
namespace {

// Without hugepages DPDK must say at the start how much address space it will
// ever use; pages are taken as they are touched. A lane with rings of 2,048
// touches 12 MB.
constexpr const char* kMegabytes = "2048";

// Less than this is not worth having as hugepages: a lane of large rings.
constexpr uint64_t kEnoughHugepages = uint64_t{128} << 20;

// The first line that DPDK wrote to its log since it was last taken: the cause,
// where later ones are of those who called whoever wrote it.
class Complaint {
 public:
  // Where DPDK is to write. Null if there is no memory.
  FILE* Open() {
    cookie_io_functions_t functions = {};
    functions.write = &Complaint::Write;
    FILE* const file = fopencookie(this, "w", functions);
    if (file != nullptr) setvbuf(file, nullptr, _IONBF, 0);
    return file;
  }

  std::string Take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(line_, {});
  }

 private:
  static ssize_t Write(void* self, const char* text, size_t size) {
    std::string_view line(text, size);
    while (!line.empty() && line.back() == '\n') line.remove_suffix(1);
    auto* const complaint = static_cast<Complaint*>(self);
    const std::lock_guard lock(complaint->mutex_);
    if (complaint->line_.empty()) complaint->line_ = line.substr(0, 200);
    return static_cast<ssize_t>(size);
  }

  std::mutex mutex_;
  std::string line_;
};

// What is there once a process, since DPDK is. It is never destroyed: DPDK has
// threads that run to the very end.
struct Environment {
  Complaint complaint;
  std::mutex devices;
  // DPDK keeps pointers into its arguments, and shuffles them.
  std::vector<std::string> arguments;
  std::vector<char*> pointers;
};

Environment& TheEnvironment() {
  static auto* const environment = new Environment;  // NOLINT: see above.
  return *environment;
}

uint64_t FreeHugepageBytes() {
  uint64_t bytes = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(
           "/sys/kernel/mm/hugepages", ignored)) {
    uint64_t kilobytes = 0;
    uint64_t free = 0;
    const std::string name = entry.path().filename();
    if (sscanf(name.c_str(), "hugepages-%lukB", &kilobytes) != 1) continue;
    std::ifstream(entry.path() / "free_hugepages") >> free;
    bytes += kilobytes * 1024 * free;
  }
  return bytes;
}

// A processor that this thread may use: one is enough, since DPDK is to make
// no threads of its own for packets.
int AnyProcessor(const cpu_set_t& allowed) {
  int processor = 0;
  while (processor + 1 < CPU_SETSIZE && !CPU_ISSET(processor, &allowed)) {
    ++processor;
  }
  return processor;
}

std::vector<std::string> Arguments(const std::string& pci_card,
                                   const cpu_set_t& allowed) {
  std::vector<std::string> arguments = {
      "fathom", absl::StrCat("--lcores=0@", AnyProcessor(allowed)),
      "--file-prefix=fathom", "--no-telemetry", "--log-level=error"};
  const auto add = [&arguments](std::initializer_list<const char*> more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
  };
  if (FreeHugepageBytes() >= kEnoughHugepages) {
    add({"--in-memory"});
  } else {
    add({"--no-huge", "--no-shconf", "-m", kMegabytes, "--iova-mode=va"});
  }
  if (pci_card.empty()) {
    add({"--no-pci"});
  } else {
    add({"-a", pci_card.c_str()});
  }
  return arguments;
}

absl::Status Start(const std::string& pci_card) {
  Environment& environment = TheEnvironment();
  if (FILE* const log = environment.complaint.Open()) rte_openlog_stream(log);
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed);
  environment.arguments = Arguments(pci_card, allowed);
  for (std::string& argument : environment.arguments) {
    environment.pointers.push_back(argument.data());
  }
  environment.pointers.push_back(nullptr);
  const int result =
      rte_eal_init(static_cast<int>(environment.arguments.size()),
                   environment.pointers.data());
  const int error = rte_errno;
  // It has bound us to that one processor.
  pthread_setaffinity_np(pthread_self(), sizeof allowed, &allowed);
  if (result >= 0) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("dpdk: its environment did not start: ", rte_strerror(error),
                   TakeEalComplaint()));
}

// Makes a thread known as long as it lives.
class Membership {
 public:
  Membership()
      : joined_(rte_lcore_id() == LCORE_ID_ANY && rte_thread_register() == 0) {}
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;
  ~Membership() {
    if (joined_) rte_thread_unregister();
  }

 private:
  const bool joined_;
};

}  // namespace

absl::Status StartEal(const std::string& pci_card) {
  // Once a process, whether or not it works: DPDK cannot be asked twice.
  static const auto* const status = new absl::Status(Start(pci_card));
  return *status;
}

std::string TakeEalComplaint() {
  const std::string line = TheEnvironment().complaint.Take();
  return line.empty() ? "" : absl::StrCat(" (", line, ")");
}

std::unique_lock<std::mutex> LockDevices() {
  return std::unique_lock(TheEnvironment().devices);
}

void JoinEal() { [[maybe_unused]] thread_local const Membership membership; }

}  // namespace fathom
