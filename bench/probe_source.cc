#include "bench/probe_source.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <probe_source_object.h>  // Made by scripts/compile_bpf.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "src/codec/headers.h"

namespace fathom {
namespace {

constexpr uint32_t kBatch = 64;

struct Frame {
  EthernetHeader ethernet;
  Ipv4Header ip;
  IcmpHeader icmp;
  uint8_t padding[6];
};
static_assert(sizeof(Frame) == 48);

struct Close {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using Object = std::unique_ptr<bpf_object, Close>;

class LiveFrames final : public ProbeSource {
 public:
  LiveFrames(Object object, const Frame& frame, int interface)
      : object_(std::move(object)), frame_(frame), interface_(interface) {}

  absl::StatusOr<uint64_t> Send(uint32_t count) override {
    const int program = bpf_program__fd(
        bpf_object__find_program_by_name(object_.get(), "next_probe"));
    xdp_md context = {};
    context.data_end = sizeof frame_;
    context.ingress_ifindex = static_cast<uint32_t>(interface_);
    bpf_test_run_opts run = {};
    run.sz = sizeof run;
    run.data_in = &frame_;
    run.data_size_in = sizeof frame_;
    run.ctx_in = &context;
    run.ctx_size_in = sizeof context;
    run.repeat = static_cast<int>(count);
    run.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    run.batch_size = kBatch;
    const int error = bpf_prog_test_run_opts(program, &run);
    if (error == 0) return count;
    return absl::ErrnoToStatus(-error, "send live frames");
  }

 private:
  Object object_;
  Frame frame_;
  int interface_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ProbeSource>> ProbeSource::Open(
    const Interface& interface, const MacAddress& to) {
  libbpf_set_print(nullptr);
  Object object(bpf_object__open_mem(kProbeSourceObject,
                                     sizeof kProbeSourceObject, nullptr));
  if (object == nullptr) return absl::ErrnoToStatus(errno, "read the source");
  Frame frame = {};
  std::copy(to.begin(), to.end(), frame.ethernet.destination);
  std::copy(interface.mac.begin(), interface.mac.end(), frame.ethernet.source);
  frame.ethernet.type = kEtherTypeIpv4;
  frame.ip.version_ihl = 0x45;
  frame.ip.total_length = sizeof(Ipv4Header) + sizeof(IcmpHeader);
  frame.ip.protocol = kProtocolIcmp;
  frame.ip.source = 0xc6120001;
  int error = bpf_map__set_initial_value(
      bpf_object__find_map_by_name(object.get(), ".rodata.frame"), &frame,
      sizeof frame);
  if (error == 0) error = bpf_object__load(object.get());
  if (error != 0) return absl::ErrnoToStatus(-error, "load the source");
  return std::make_unique<LiveFrames>(std::move(object), frame,
                                      interface.index);
}

}  // namespace fathom
