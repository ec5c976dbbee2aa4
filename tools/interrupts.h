#ifndef FATHOM_TOOLS_INTERRUPTS_H_
#define FATHOM_TOOLS_INTERRUPTS_H_

#include <stop_token>
#include <string>
#include <thread>

namespace fathom {

// Ctrl-C, and SIGTERM alike: the first asks the scan to stop and to save what
// it heard, the second leaves at once.
//
// Blocks the signals for the threads that are started after it, and waits for
// them on a thread of its own, so that no system call is interrupted and no
// code runs in a signal handler. One at a time; made before other threads.
class Interrupts {
 public:
  // `notice` is printed when the first one comes; nothing if it is empty.
  explicit Interrupts(std::string notice = kHearsOut);
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  std::stop_token token() const { return source_.get_token(); }

 private:
  static constexpr char kHearsOut[] =
      "\nStopping; replies under way are still heard. Once more leaves at "
      "once.\n";

  std::stop_source source_;
  std::jthread waiter_;
};

}  // namespace fathom

#endif  // FATHOM_TOOLS_INTERRUPTS_H_
