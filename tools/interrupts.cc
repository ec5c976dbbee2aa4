#include "tools/interrupts.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <ctime>
#include <utility>

#include "tools/exit_code.h"

namespace fathom {
namespace {

sigset_t Signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

void Wait(const std::stop_token& end, std::stop_source& scan,
          const std::string& notice) {
  const sigset_t signals = Signals();
  constexpr timespec kPatience = {.tv_sec = 0, .tv_nsec = 50'000'000};
  while (!end.stop_requested()) {
    if (sigtimedwait(&signals, nullptr, &kPatience) < 0) continue;
    if (scan.stop_requested()) _exit(kExitInterrupted);
    std::fputs(notice.c_str(), stderr);
    scan.request_stop();
  }
}

}  // namespace

Interrupts::Interrupts(std::string notice) {
  const sigset_t signals = Signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  waiter_ = std::jthread(
      [this, notice = std::move(notice)](const std::stop_token& end) {
        Wait(end, source_, notice);
      });
}

Interrupts::~Interrupts() {
  waiter_.request_stop();
  waiter_.join();
  const sigset_t signals = Signals();
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

}  // namespace fathom
