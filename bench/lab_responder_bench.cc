// What the lab's responders answer a second, by packet sockets and in the
// driver, when probes come as fast as the kernel can make them. Both stand on
// one veth pair between two namespaces of their own; the near end counts what
// comes back and drops it.
//
//   lab_responder_bench SCENARIO [MILLISECONDS]
//
// Budget: a million probes a second answered in the driver.

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "bench/probe_source.h"
#include "src/base/status_macros.h"
#include "src/lab/responder.h"
#include "src/lab/scenario.h"
#include "src/lab/xdp/responder.h"
#include "src/net/neighbor.h"
#include "src/net/xdp_verdict.h"
#include "tests/netns.h"

namespace fathom {
namespace {

using Clock = std::chrono::steady_clock;

// A call of the kernel for them costs 25 ms, whatever their number.
constexpr uint32_t kProbesAtOnce = 1 << 19;

struct Round {
  double seconds = 0;
  uint64_t sent = 0;
  uint64_t replies = 0;  // Came back.
  lab::ResponderReport report;
};

// Frames that came in over `device` here.
absl::StatusOr<uint64_t> Received(const std::string& device) {
  std::ifstream file("/proc/thread-self/net/dev");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    uint64_t bytes = 0;
    uint64_t packets = 0;
    words >> name >> bytes >> packets;
    if (name == device + ":") return packets;
  }
  return absl::NotFoundError(absl::StrCat("interface ", device));
}

using Open = decltype(&lab::OpenXdpResponder);

absl::StatusOr<Round> Measure(const lab::Scenario& scenario, Open open,
                              bool threaded, std::chrono::milliseconds time) {
  FATHOM_ASSIGN_OR_RETURN(const Netns netns, Netns::Make());
  FATHOM_RETURN_IF_ERROR(netns.AddVeth("veth0", "", "peer0", ""));
  FATHOM_RETURN_IF_ERROR(netns.CheckIsolated());
  FATHOM_RETURN_IF_ERROR(AttachXdpVerdict("veth0", XdpVerdict::kDrop));
  absl::StatusOr<std::unique_ptr<lab::Responder>> responder;
  absl::StatusOr<Interface> far;
  absl::Status attached;
  netns.OnFarSide([&] {
    far = FindInterface("peer0");
    if (!far.ok()) return;
    // A veth end takes live frames only with a program.
    if (open == &lab::OpenSocketResponder) {
      attached = AttachXdpVerdict("peer0", XdpVerdict::kPass);
    }
    responder = open(scenario, {.interface = *far});
    if (!threaded) return;
    // Where it is not to be had, the round is as the one without.
    if (system("unshare -m sh -c 'mount -t sysfs none /sys && "
               "echo 1 >/sys/class/net/peer0/threaded' 2>/dev/null") != 0) {
      std::puts("no threaded NAPI");
    }
  });
  FATHOM_RETURN_IF_ERROR(far.status());
  FATHOM_RETURN_IF_ERROR(attached);
  FATHOM_RETURN_IF_ERROR(responder.status());
  FATHOM_ASSIGN_OR_RETURN(const Interface near, FindInterface("veth0"));
  FATHOM_ASSIGN_OR_RETURN(const auto source, ProbeSource::Open(near, far->mac));

  Round round;
  absl::Status ran;
  std::jthread runner([&](const std::stop_token& stop) {
    ran = (*responder)->Run(stop, std::chrono::minutes(1));
  });
  FATHOM_ASSIGN_OR_RETURN(const uint64_t before, Received("veth0"));
  const auto start = Clock::now();
  while (Clock::now() - start < time) {
    FATHOM_ASSIGN_OR_RETURN(const uint64_t sent, source->Send(kProbesAtOnce));
    round.sent += sent;
  }
  round.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  FATHOM_ASSIGN_OR_RETURN(const uint64_t after, Received("veth0"));
  runner.request_stop();
  runner.join();
  FATHOM_RETURN_IF_ERROR(ran);
  round.replies = after - before;
  round.report = (*responder)->Report();
  return round;
}

// Without delays: both answer at once.
absl::StatusOr<lab::Scenario> ReadInstant(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(lab::Scenario scenario, lab::ReadScenario(path));
  scenario.space = {*Prefix::Parse("10.0.0.0/8")};
  scenario.delay_ms.fill({0, 0});
  scenario.host_delay_ms = {0, 0};
  scenario.jitter_ms = scenario.slow_hosts = scenario.late_replies = 0;
  FATHOM_RETURN_IF_ERROR(lab::CheckScenario(scenario));
  return scenario;
}

absl::Status Run(const std::string& path, std::chrono::milliseconds time) {
  FATHOM_ASSIGN_OR_RETURN(const lab::Scenario scenario, ReadInstant(path));
  struct Way {
    const char* name;
    Open open;
    bool threaded;
  };
  std::puts("responder          M sent/s  M heard/s  M replies/s");
  for (const Way& way :
       {Way{"socket", &lab::OpenSocketResponder, false},
        Way{"socket, threaded", &lab::OpenSocketResponder, true},
        Way{"xdp", &lab::OpenXdpResponder, false},
        Way{"xdp, threaded", &lab::OpenXdpResponder, true}}) {
    FATHOM_ASSIGN_OR_RETURN(const Round round,
                            Measure(scenario, way.open, way.threaded, time));
    const auto rate = [&](uint64_t count) {
      return static_cast<double>(count) / round.seconds / 1e6;
    };
    std::printf("%-17s %9.2f  %9.2f  %11.2f\n", way.name, rate(round.sent),
                rate(round.report.network.probes()), rate(round.replies));
    std::fflush(stdout);
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) {
  int time = 2'000;
  if (argc < 2 || (argc > 2 && !absl::SimpleAtoi(argv[2], &time))) {
    std::cerr << "usage: lab_responder_bench SCENARIO [MILLISECONDS]\n";
    return 2;
  }
  const absl::Status status =
      fathom::Run(argv[1], std::chrono::milliseconds(std::min(time, 30'000)));
  if (status.ok()) return 0;
  std::cerr << "skipped: " << status << "\n";
  return absl::IsPermissionDenied(status) ? 77 : 1;
}
