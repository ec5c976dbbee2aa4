#ifndef FATHOM_TESTS_NETNS_H_
#define FATHOM_TESTS_NETNS_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/base/unique_fd.h"

namespace fathom {

// A pair of network namespaces with no way out, for tests that send.
//
// The thread that makes a Netns stands in its `near` side from then on, until
// the Netns goes. Both sides are new and empty but for `lo`; what they hold
// later is what the test put there. Traffic can leave neither: CheckIsolated()
// proves it, and whatever sends calls it first.
class Netns {
 public:
  // PermissionDenied where namespaces cannot be made: skip the test then.
  static absl::StatusOr<Netns> Make();

  Netns(Netns&&) = default;
  Netns& operator=(Netns&&) = delete;
  ~Netns();  // Goes back to the namespace of before.

  // Runs `ip ARGUMENTS` on the near or far side.
  absl::Status Ip(const std::string& arguments) const;
  absl::Status FarIp(const std::string& arguments) const;

  // Runs a command of the shell on the near or far side.
  absl::Status Run(const std::string& command) const;
  absl::Status FarRun(const std::string& command) const;

  // Makes the veth pair `near_name` here, `far_name` on the far side, both up,
  // with these addresses ("10.0.0.1/24"; empty for none).
  absl::Status AddVeth(const std::string& near_name, const std::string& near_ip,
                       const std::string& far_name,
                       const std::string& far_ip) const;

  // Runs `work` on the far side, in this thread. Sockets made there stay there.
  void OnFarSide(const std::function<void()>& work) const;

  // OK only if the thread stands on one of the two sides, neither is the
  // namespace of before, of the parent process or of the machine, and each
  // interface of both is lo, a tun or tap, a bridge, or a veth whose other end
  // is on one of the two sides.
  absl::Status CheckIsolated() const;
  bool IsIsolated() const { return CheckIsolated().ok(); }

 private:
  Netns(UniqueFd before, UniqueFd near, UniqueFd far)
      : before_(std::move(before)),
        near_(std::move(near)),
        far_(std::move(far)) {}

  UniqueFd before_;
  UniqueFd near_;
  UniqueFd far_;
};

}  // namespace fathom

#endif  // FATHOM_TESTS_NETNS_H_
