#include "tests/netns.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/net/netlink.h"

namespace fathom {
namespace {

constexpr char kOwn[] = "/proc/thread-self/ns/net";

UniqueFd OpenNamespace(const std::string& path) {
  return UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

bool Same(const UniqueFd& a, const UniqueFd& b) {
  struct stat x = {};
  struct stat y = {};
  return fstat(a.get(), &x) == 0 && fstat(b.get(), &y) == 0 &&
         x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

// Where the thread cannot go back, nothing else may run in the wrong place.
void Enter(const UniqueFd& netns) {
  if (setns(netns.get(), CLONE_NEWNET) != 0) abort();
}

absl::Status RunCommand(std::string command) {
  std::array<char*, 4> argv = {const_cast<char*>("sh"), const_cast<char*>("-c"),
                               command.data(), nullptr};
  // The child inherits the namespace of this thread.
  pid_t child = 0;
  int result = -1;
  if (posix_spawnp(&child, "sh", nullptr, nullptr, argv.data(), environ) == 0 &&
      waitpid(child, &result, 0) == child && result == 0) {
    return absl::OkStatus();
  }
  return absl::InternalError(absl::StrCat(command, ": failed"));
}

// Makes a namespace with a loopback interface, and leaves the thread in it.
absl::StatusOr<UniqueFd> MakeNamespace() {
  if (unshare(CLONE_NEWNET) != 0) {
    return absl::ErrnoToStatus(errno, "make a network namespace");
  }
  FATHOM_RETURN_IF_ERROR(RunCommand("ip link set lo up"));
  UniqueFd made = OpenNamespace(kOwn);
  if (!made.valid()) return absl::ErrnoToStatus(errno, "open own namespace");
  return made;
}

struct Device {
  int index;
  int peer;
  bool loopback;
  std::string name;
  std::string kind;
};

// The interfaces of the namespace in which the thread stands.
absl::StatusOr<std::vector<Device>> Devices() {
  FATHOM_ASSIGN_OR_RETURN(auto netlink, NetlinkSocket::Open());
  FATHOM_ASSIGN_OR_RETURN(
      const auto messages,
      netlink.Ask(NetlinkRequest(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{})));
  std::vector<Device> devices;
  for (const NetlinkMessage& message : messages) {
    const auto header = message.header<ifinfomsg>();
    if (!header) return absl::DataLossError("interface cut short");
    const auto find = [&message](uint16_t attribute) {
      return message.Find(sizeof(ifinfomsg), attribute);
    };
    const auto info = find(IFLA_LINKINFO);
    devices.push_back(
        {.index = header->ifi_index,
         .peer = AsInteger<int>(find(IFLA_LINK)).value_or(0),
         .loopback = (header->ifi_flags & IFF_LOOPBACK) != 0,
         .name = AsText(find(IFLA_IFNAME)),
         .kind = info ? AsText(FindAttribute(*info, IFLA_INFO_KIND)) : ""});
  }
  return devices;
}

// Whether the other end of `veth` is among `devices`.
bool HasPeer(const Device& veth, const std::vector<Device>& devices) {
  for (const Device& other : devices) {
    if (other.kind == "veth" && other.index == veth.peer &&
        other.peer == veth.index) {
      return true;
    }
  }
  return false;
}

bool StaysInside(const Device& device, const std::vector<Device>& near,
                 const std::vector<Device>& far) {
  if (device.loopback) return true;
  if (device.kind == "tun" || device.kind == "bridge") return true;
  return device.kind == "veth" &&
         (HasPeer(device, near) || HasPeer(device, far));
}

}  // namespace

absl::StatusOr<Netns> Netns::Make() {
  UniqueFd before = OpenNamespace(kOwn);
  if (!before.valid()) return absl::ErrnoToStatus(errno, "open own namespace");
  auto near = MakeNamespace();
  auto far = MakeNamespace();
  Enter(before);
  FATHOM_RETURN_IF_ERROR(near.status());
  FATHOM_RETURN_IF_ERROR(far.status());
  Enter(*near);
  return Netns(std::move(before), *std::move(near), *std::move(far));
}

Netns::~Netns() {
  if (before_.valid()) Enter(before_);
}

absl::Status Netns::Ip(const std::string& arguments) const {
  return Run("ip " + arguments);
}

absl::Status Netns::Run(const std::string& command) const {
  Enter(near_);
  return RunCommand(command);
}

absl::Status Netns::FarIp(const std::string& arguments) const {
  return FarRun("ip " + arguments);
}

absl::Status Netns::FarRun(const std::string& command) const {
  absl::Status status;
  OnFarSide([&] { status = RunCommand(command); });
  return status;
}

void Netns::OnFarSide(const std::function<void()>& work) const {
  Enter(far_);
  work();
  Enter(near_);
}

absl::Status Netns::AddVeth(const std::string& near_name,
                            const std::string& near_ip,
                            const std::string& far_name,
                            const std::string& far_ip) const {
  FATHOM_RETURN_IF_ERROR(
      Ip(absl::StrCat("link add ", near_name, " type veth peer name ", far_name,
                      " netns /proc/", getpid(), "/fd/", far_.get())));
  // No IPv6: its router solicitations would stand between the test's frames.
  // Before the link comes up, or the first has left.
  for (const char* state : {" addrgenmode none", " up"}) {
    const std::string set = "link set ";
    FATHOM_RETURN_IF_ERROR(Ip(set + near_name + state));
    FATHOM_RETURN_IF_ERROR(FarIp(set + far_name + state));
  }
  if (!near_ip.empty()) {
    FATHOM_RETURN_IF_ERROR(
        Ip(absl::StrCat("addr add ", near_ip, " dev ", near_name)));
  }
  if (far_ip.empty()) return absl::OkStatus();
  return FarIp(absl::StrCat("addr add ", far_ip, " dev ", far_name));
}

absl::Status Netns::CheckIsolated() const {
  const UniqueFd here = OpenNamespace(kOwn);
  if (!Same(here, near_) && !Same(here, far_)) {
    return absl::FailedPreconditionError("not in a namespace of the test");
  }
  // The machine's own may be unreadable (then it is the parent's or `before`).
  const UniqueFd parent =
      OpenNamespace(absl::StrCat("/proc/", getppid(), "/ns/net"));
  const UniqueFd machine = OpenNamespace("/proc/1/ns/net");
  for (const UniqueFd* side : {&near_, &far_}) {
    if (Same(*side, before_) || Same(*side, parent) || Same(*side, machine)) {
      return absl::FailedPreconditionError("not a namespace of its own");
    }
  }
  absl::StatusOr<std::vector<Device>> far;
  absl::StatusOr<std::vector<Device>> near;
  Enter(far_);
  far = Devices();
  Enter(near_);
  near = Devices();
  Enter(here);
  FATHOM_RETURN_IF_ERROR(far.status());
  FATHOM_RETURN_IF_ERROR(near.status());
  for (const auto* side : {&*near, &*far}) {
    for (const Device& device : *side) {
      if (StaysInside(device, *near, *far)) continue;
      return absl::FailedPreconditionError(
          absl::StrCat("interface ", device.name, " may lead outside"));
    }
  }
  return absl::OkStatus();
}

}  // namespace fathom
