#include "tools/interrupts.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <utility>

#include "tools/exit_code.h"

namespace fathom {
namespace {

// By which the waiting thread is told that it is no longer needed.
int WakeSignal() { return SIGRTMIN; }

sigset_t Signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, WakeSignal());
  return signals;
}

void Wait(const std::stop_token& end, std::stop_source& scan,
          const std::string& notice) {
  const sigset_t signals = Signals();
  while (!end.stop_requested()) {
    const int signal = sigwaitinfo(&signals, nullptr);
    if (signal < 0 || signal == WakeSignal()) continue;
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
  pthread_kill(waiter_.native_handle(), WakeSignal());
  waiter_.join();
  const sigset_t signals = Signals();
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

}  // namespace fathom
