#include "src/net/xdp_verdict.h"

#include <linux/bpf.h>
#include <linux/rtnetlink.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <span>
#include <utility>

#include "src/base/status_macros.h"
#include "src/base/unique_fd.h"
#include "src/net/neighbor.h"
#include "src/net/netlink.h"

namespace fathom {
namespace {

static_assert(static_cast<int>(XdpVerdict::kDrop) == XDP_DROP);
static_assert(static_cast<int>(XdpVerdict::kPass) == XDP_PASS);

// A program that is "return verdict".
absl::StatusOr<UniqueFd> Load(XdpVerdict verdict) {
  std::array<bpf_insn, 2> program = {
      bpf_insn{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, static_cast<int>(verdict)},
      bpf_insn{BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  static constexpr char kLicense[] = "Apache-2.0";
  bpf_attr attributes = {};
  attributes.prog_type = BPF_PROG_TYPE_XDP;
  attributes.insn_cnt = program.size();
  attributes.insns = reinterpret_cast<uintptr_t>(program.data());
  attributes.license = reinterpret_cast<uintptr_t>(kLicense);
  UniqueFd fd(static_cast<int>(
      syscall(__NR_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes)));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "load XDP program");
  return fd;
}

// -1 takes the program away.
absl::Status Attach(const std::string& device, int program) {
  FATHOM_ASSIGN_OR_RETURN(const Interface interface, FindInterface(device));
  ifinfomsg header = {};
  header.ifi_index = interface.index;
  NetlinkRequest request(RTM_SETLINK, NLM_F_ACK, header);
  struct {
    rtattr start = {.rta_len = sizeof(rtattr) + sizeof(int),
                    .rta_type = IFLA_XDP_FD};
    int fd;
  } nested;
  nested.fd = program;
  request.Add(IFLA_XDP | NLA_F_NESTED, std::as_bytes(std::span(&nested, 1)));
  FATHOM_ASSIGN_OR_RETURN(auto netlink, NetlinkSocket::Open());
  return netlink.Ask(std::move(request)).status();
}

}  // namespace

absl::Status AttachXdpVerdict(const std::string& device, XdpVerdict verdict) {
  FATHOM_ASSIGN_OR_RETURN(const UniqueFd program, Load(verdict));
  return Attach(device, program.get());
}

absl::Status DetachXdp(const std::string& device) { return Attach(device, -1); }

}  // namespace fathom
