#ifndef FATHOM_BACKENDS_URING_H_
#define FATHOM_BACKENDS_URING_H_

#include <liburing.h>
#include <sys/types.h>
#include <unistd.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fathom {

// An io_uring(7) that works on one registered file, set up for the least cost
// a request: the kernel knows that one thread only submits (SINGLE_ISSUER) and
// does late work only when that thread asks for it (DEFER_TASKRUN).
//
// The ring is made disabled, so that Make() shows whatever can fail while any
// thread may still open it, and belongs to the thread that adopts it first. If
// a queue moves to another thread, the ring is made anew there: its requests
// under way are cancelled, and since late work is done by the first thread
// only, none of them can still happen.
class Uring {
 public:
  struct Options {
    int file;              // Registered as file 0. Outlives the ring.
    unsigned entries;      // Of the submission queue.
    unsigned completions;  // Of the completion queue.
  };

  // PermissionDenied or Unimplemented where the kernel does not offer this.
  static absl::StatusOr<std::unique_ptr<Uring>> Make(const Options& options);

  Uring(const Uring&) = delete;
  Uring& operator=(const Uring&) = delete;
  ~Uring();

  // Makes the ring usable by this thread. To be called before anything that
  // enters the kernel. True if the ring was made anew: then every request
  // under way and every unread completion is gone.
  absl::StatusOr<bool> Adopt() {
    // Not std::thread::id: the C library gives a thread that has ended and a
    // new one the same.
    thread_local const pid_t self = gettid();
    if (owner_ == self) return false;
    return AdoptAs(self);
  }

  // For liburing.
  io_uring* get() { return &ring_; }

 private:
  explicit Uring(const Options& options) : options_(options) {}

  absl::Status SetUp();
  absl::StatusOr<bool> AdoptAs(pid_t self);

  const Options options_;
  io_uring ring_ = {};
  bool exists_ = false;
  pid_t owner_ = 0;  // A thread; none: the ring is disabled.
};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_URING_H_
