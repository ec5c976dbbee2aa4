#ifndef FATHOM_BENCH_MEASURE_H_
#define FATHOM_BENCH_MEASURE_H_

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <functional>

#include "absl/status/status.h"

namespace fathom {

// Does `work` in a process of its own, so that its memory is told apart, and
// prints what it took. False if it fails.
inline bool Measure(const char* name,
                    const std::function<absl::Status()>& work) {
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child == 0) {
    const absl::Status status = work();
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
    }
    _exit(status.ok() ? 0 : 1);
  }
  int status = 0;
  struct rusage usage;
  if (wait4(child, &status, 0, &usage) != child || status != 0) return false;
  const std::chrono::duration<double> wall =
      std::chrono::steady_clock::now() - start;
  std::printf("%-8s %7.2f s, %7.2f s of processor, %6ld MB at most\n", name,
              wall.count(),
              static_cast<double>(usage.ru_utime.tv_sec) +
                  static_cast<double>(usage.ru_utime.tv_usec) / 1e6,
              usage.ru_maxrss / 1024);
  return true;
}

}  // namespace fathom

#endif  // FATHOM_BENCH_MEASURE_H_
