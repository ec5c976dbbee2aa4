// fathom lab serve: the built-in internet on an interface, for any scanner.

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/base/unique_fd.h"
#include "src/lab/responder.h"
#include "src/lab/scenario.h"
#include "src/lab/servable.h"
#include "src/lab/xdp/responder.h"
#include "src/net/neighbor.h"
#include "tools/exit_code.h"
#include "tools/interrupts.h"
#include "tools/lab_commands.h"

namespace fathom {
namespace {

struct ServeFlags {
  std::string interface;
  std::string scenario;
  std::string responder = "socket";
  bool instant = false;
  std::string stats;
  double seconds = 0;
  std::string ready;
};

// Without delays, replies leave as fast as they can be made. The paths stay.
void RemoveDelays(lab::Scenario& scenario) {
  scenario.delay_ms.fill({0, 0});
  scenario.host_delay_ms = {0, 0};
  scenario.jitter_ms = 0;
  scenario.slow_hosts = 0;
  scenario.late_replies = 0;
}

// CPU time of this process, in and out of the kernel.
double CpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) +
           static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::string ToJson(const lab::ResponderReport& report) {
  nlohmann::ordered_json json;
  json["probes"] = report.load.probes;
  json["seconds"] = report.load.seconds;
  json["probes_per_second"] = report.load.probes_per_second;
  json["per_ms"] = {{"mean", report.load.mean_per_ms},
                    {"p99", report.load.p99_per_ms},
                    {"max", report.load.max_per_ms},
                    {"max_100", report.load.max_per_100ms},
                    {"idle_share", report.load.idle_share}};
  json["replies"] = report.replies;
  json["replies_lost"] = report.replies_lost;
  json["replies_late"] = report.replies_late;
  json["replies_under_way"] = report.still_under_way;
  nlohmann::ordered_json& fates = json["fates"];
  for (size_t i = 0; i < lab::kFates; ++i) {
    fates[lab::kFateNames[i]] = report.network.fates[i];
  }
  json["wrong_checksums"] = report.network.wrong_checksums;
  json["arp_replies"] = report.arp_replies;
  json["ignored_frames"] = report.ignored;
  json["kernel_drops"] = report.kernel_drops;
  json["cpu_seconds"] = CpuSeconds();
  return json.dump(2) + "\n";
}

absl::Status WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  if (file) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("write ", path));
}

// Tells whoever waits, by a file or by a descriptor that was handed down.
absl::Status TellReady(const std::string& where) {
  if (where.empty()) return absl::OkStatus();
  int number = 0;
  if (!absl::SimpleAtoi(where, &number)) return WriteFile(where, "ready\n");
  const UniqueFd fd(number);
  if (write(fd.get(), "ready\n", 6) == 6) return absl::OkStatus();
  return absl::ErrnoToStatus(errno,
                             absl::StrCat("--ready: descriptor ", number));
}

// As of a device: the user named it, and it cannot be served.
int ReportDevice(const absl::Status& status) {
  Report(status);
  return kExitDevice;
}

absl::StatusOr<std::unique_ptr<lab::Responder>> Open(
    const ServeFlags& flags, const lab::Scenario& scenario) {
  FATHOM_ASSIGN_OR_RETURN(const Interface interface,
                          FindInterface(flags.interface));
  FATHOM_RETURN_IF_ERROR(lab::CheckServable(interface));
  if (flags.responder == "socket") {
    return lab::OpenSocketResponder(scenario, {.interface = interface});
  }
  auto responder = lab::OpenXdpResponder(scenario, {.interface = interface});
  if (responder.ok() && !flags.instant) {
    std::fputs(
        "xdp answers at once: delays of routers and hosts, and jitter, "
        "are not played\n",
        stderr);
  }
  return responder;
}

absl::Status Serve(const ServeFlags& flags, const Interrupts& interrupts,
                   lab::Responder& responder) {
  FATHOM_RETURN_IF_ERROR(TellReady(flags.ready));
  constexpr Nanos kForever = std::chrono::hours(24) * 365;
  const Nanos limit =
      flags.seconds > 0
          ? std::min(kForever, std::chrono::duration_cast<Nanos>(
                                   std::chrono::duration<double>(
                                       std::min(flags.seconds, 1e7))))
          : kForever;
  absl::Status status = responder.Run(interrupts.token(), limit);
  // What was counted before the interface went is still worth having.
  if (!flags.stats.empty()) {
    FATHOM_RETURN_IF_ERROR(WriteFile(flags.stats, ToJson(responder.Report())));
  }
  return status;
}

int RunCommand(const ServeFlags& flags) {
  auto scenario = lab::ReadScenario(flags.scenario);
  if (!scenario.ok()) return Report(scenario.status());
  if (flags.instant) RemoveDelays(*scenario);
  const Interrupts interrupts("");
  const auto responder = Open(flags, *scenario);
  if (!responder.ok()) return ReportDevice(responder.status());
  const absl::Status status = Serve(flags, interrupts, **responder);
  return status.ok() ? kExitDone : Report(status);
}

}  // namespace

void AddLabServe(CLI::App& lab, int& exit_code) {
  CLI::App* const command = lab.add_subcommand(
      "serve", "answer probes on an interface, until interrupted");
  const auto flags = std::make_shared<ServeFlags>();
  command
      ->add_option("IFACE", flags->interface,
                   "a veth, tun, tap or dummy without default route")
      ->required();
  command->add_option("--scenario", flags->scenario, "the scenario file")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--responder", flags->responder,
                   "socket, or xdp: in the driver and at once")
      ->check(CLI::IsMember({"socket", "xdp"}))
      ->capture_default_str();
  command->add_flag("--instant", flags->instant, "answer without delay");
  command
      ->add_option("--stats", flags->stats,
                   "what was heard and said, as JSON, at the end")
      ->type_name("FILE");
  command->add_option("--seconds", flags->seconds, "stop by itself after this")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--ready", flags->ready,
                   "file or descriptor to write to once it answers")
      ->type_name("FILE|FD");
  command->callback([flags, &exit_code] { exit_code = RunCommand(*flags); });
}

}  // namespace fathom
