#include "backends/uring.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "src/base/status_macros.h"

namespace fathom {
namespace {

absl::Status SetUpError(int error) {
  if (error == ENOSYS) {
    return absl::UnimplementedError("io_uring: not in this kernel");
  }
  if (error == EPERM || error == EACCES) {
    return absl::PermissionDeniedError(
        "io_uring: forbidden here (sysctl kernel.io_uring_disabled, or a "
        "seccomp filter)");
  }
  if (error == EINVAL) {
    return absl::UnimplementedError(
        "io_uring: this kernel is too old; needs Linux 6.1");
  }
  return absl::ErrnoToStatus(error, "io_uring: set up a ring");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Uring>> Uring::Make(const Options& options) {
  std::unique_ptr<Uring> ring(new Uring(options));
  FATHOM_RETURN_IF_ERROR(ring->SetUp());
  return ring;
}

Uring::~Uring() {
  if (exists_) io_uring_queue_exit(&ring_);
}

absl::Status Uring::SetUp() {
  io_uring_params parameters = {};
  parameters.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER |
                     IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
  parameters.cq_entries = options_.completions;
  int result =
      io_uring_queue_init_params(options_.entries, &ring_, &parameters);
  if (result != 0) return SetUpError(-result);
  exists_ = true;
  owner_ = 0;
  result = io_uring_register_files(&ring_, &options_.file, 1);
  if (result != 0) {
    return absl::ErrnoToStatus(-result, "io_uring: register a file");
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Uring::AdoptAs(pid_t self) {
  const bool anew = owner_ != 0;
  if (anew) {
    io_uring_queue_exit(&ring_);
    exists_ = false;
    FATHOM_RETURN_IF_ERROR(SetUp());
  }
  // Debian's liburing 2.3 declares io_uring_enable_rings() but lacks it.
  if (syscall(__NR_io_uring_register, ring_.ring_fd,
              IORING_REGISTER_ENABLE_RINGS, nullptr, 0) != 0) {
    return absl::ErrnoToStatus(errno, "io_uring: enable a ring");
  }
  owner_ = self;
  return anew;
}

}  // namespace fathom
