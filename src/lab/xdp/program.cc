#include "src/lab/xdp/program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <responder_object.h>  // Made by scripts/compile_bpf.

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include "src/base/status_macros.h"
#include "src/lab/xdp/shared.h"

namespace fathom::lab {
namespace {

// What a frame may grow to: the longest answer.
constexpr size_t kMaxFrame = 2'048;

absl::Status Failed(int error, const char* what) {
  return absl::ErrnoToStatus(std::abs(error), what);
}

// One bit for each /24 of the space.
std::vector<uint64_t> SpaceWords(const Scenario& scenario) {
  std::vector<uint64_t> words(kSpaceWords);
  for (const Prefix& prefix : scenario.space) {
    const uint32_t last = prefix.last().v4() >> 8;
    for (uint32_t i = prefix.first().v4() >> 8; i <= last; ++i) {
      words[i / 64] |= uint64_t{1} << (i % 64);
    }
  }
  return words;
}

XdpRules RulesOf(const Scenario& scenario, const XdpOptions& options) {
  XdpRules rules = {.model = Model(scenario),
                    .mac = {},
                    .clock_mask = options.repeatable ? 0 : ~uint64_t{0}};
  std::copy(options.mac.begin(), options.mac.end(), rules.mac.begin());
  return rules;
}

// The load of the milliseconds since the first probe, in which there were so
// many.
ProbeLoad Measure(std::span<const uint64_t> bins, uint64_t last_ns) {
  LoadMeter meter;
  for (size_t i = 0; i < bins.size(); ++i) {
    if (bins[i] == 0) continue;
    const uint64_t start = i * 1'000'000;
    const bool is_last = i + 1 == bins.size();
    meter.Add(Instant(Nanos(start)), bins[i] - (is_last ? 1 : 0));
    if (is_last) meter.Add(Instant(Nanos(std::max(start, last_ns))));
  }
  return meter.Measure();
}

}  // namespace

XdpProgram::XdpProgram(BpfObject object)
    : object_(std::move(object)), program_(object_.program("respond")) {}

absl::StatusOr<XdpProgram> XdpProgram::Load(const Scenario& scenario,
                                            const XdpOptions& options) {
  FATHOM_ASSIGN_OR_RETURN(auto object,
                          BpfObject::Open(kResponderObject, "fathom_lab"));
  const XdpRules rules = RulesOf(scenario, options);
  FATHOM_RETURN_IF_ERROR(object.SetConstants(
      ".rodata.rules", std::as_bytes(std::span(&rules, 1))));
  FATHOM_RETURN_IF_ERROR(object.Load());
  XdpProgram program(std::move(object));
  FATHOM_RETURN_IF_ERROR(program.FillSpace(scenario));
  return program;
}

absl::Status XdpProgram::FillSpace(const Scenario& scenario) {
  const std::vector<uint64_t> words = SpaceWords(scenario);
  const int map = object_.map("space");
  for (uint32_t i = 0; i < kSpaceWords; ++i) {
    if (words[i] == 0) continue;
    const int error = bpf_map_update_elem(map, &i, &words[i], BPF_ANY);
    if (error != 0) return Failed(error, "tell the XDP program the space");
  }
  return absl::OkStatus();
}

absl::StatusOr<XdpMode> XdpProgram::Attach(int interface_index) {
  FATHOM_ASSIGN_OR_RETURN(attachment_, AttachXdp(program_, interface_index));
  return attachment_.mode;
}

absl::StatusOr<XdpProgram::Outcome> XdpProgram::Try(
    std::span<const std::byte> frame) const {
  Outcome outcome;
  outcome.frame.resize(kMaxFrame);
  bpf_test_run_opts run = {};
  run.sz = sizeof run;
  run.data_in = frame.data();
  run.data_size_in = static_cast<uint32_t>(frame.size());
  run.data_out = outcome.frame.data();
  run.data_size_out = static_cast<uint32_t>(outcome.frame.size());
  run.repeat = 1;
  const int error = bpf_prog_test_run_opts(program_, &run);
  if (error != 0) return Failed(error, "try the XDP program");
  outcome.action = run.retval;
  outcome.frame.resize(run.data_size_out);
  return outcome;
}

absl::StatusOr<XdpProgram::Report> XdpProgram::Read() const {
  const auto processors = static_cast<size_t>(libbpf_num_possible_cpus());
  std::vector<XdpCounts> counts(processors);
  const uint32_t first_key = 0;
  int error =
      bpf_map_lookup_elem(object_.map("counts"), &first_key, counts.data());
  if (error != 0) return Failed(error, "read the counts of the XDP program");
  Report report;
  uint64_t last_ns = 0;
  for (const XdpCounts& one : counts) {
    for (size_t i = 0; i < kFates; ++i) report.network.fates[i] += one.fates[i];
    report.network.wrong_checksums += one.wrong_checksums;
    report.mishaps += one.mishaps;
    report.foreign += one.foreign;
    report.stuck += one.stuck;
    last_ns = std::max(last_ns, one.last_ns);
  }
  uint64_t start_ns = 0;
  error =
      bpf_map_lookup_elem(object_.map(".data.start"), &first_key, &start_ns);
  if (error != 0) return Failed(error, "read when the XDP program began");
  if (last_ns == 0) return report;
  const uint64_t age = last_ns - start_ns;
  std::vector<uint64_t> bins(
      std::min<uint64_t>(kLoadBins, age / 1'000'000 + 1));
  for (uint32_t i = 0; i < bins.size(); ++i) {
    error = bpf_map_lookup_elem(object_.map("load"), &i, &bins[i]);
    if (error != 0) return Failed(error, "read the load of the XDP program");
  }
  report.load = Measure(bins, age);
  return report;
}

}  // namespace fathom::lab
