// fathom lab: what the built-in internet is made of.

#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/lab/check.h"
#include "src/lab/ipv6.h"
#include "src/lab/scenario.h"
#include "src/lab/truth.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/lab_commands.h"

namespace fathom {
namespace {

struct LabFlags {
  std::string scenario;
  uint64_t count = 0;  // 0: all.
  bool ipv6 = false;
};

absl::Status PrintTargets(const LabFlags& flags) {
  FATHOM_ASSIGN_OR_RETURN(const lab::Scenario scenario,
                          lab::ReadScenario(flags.scenario));
  const auto print = [&flags](const Prefix& prefix) {
    const Prefix shown =
        flags.ipv6 ? Prefix(lab::ToIpv6(prefix.first().v4()), 64) : prefix;
    std::puts(shown.ToString().c_str());
  };
  if (flags.count == 0) {
    lab::VisitSlash24s(scenario, print);
    return absl::OkStatus();
  }
  const uint64_t all = lab::CountSlash24s(scenario);
  if (flags.count > all) {
    return absl::InvalidArgumentError(
        absl::StrCat("--count ", flags.count, ": ", flags.scenario, " has ",
                     all, " /24s; ask for at most these"));
  }
  lab::SampleSlash24s(scenario, flags.count, print);
  return absl::OkStatus();
}

absl::Status PrintCheck(const LabFlags& flags) {
  FATHOM_ASSIGN_OR_RETURN(const lab::Scenario scenario,
                          lab::ReadScenario(flags.scenario));
  const auto figures = lab::CheckLab(scenario, {});
  size_t off = 0;
  for (const lab::Figure& figure : figures) {
    off += figure.fits ? 0 : 1;
    std::printf("%-48s %18s   %-30s %s\n", figure.name.c_str(),
                figure.measured.c_str(), figure.wanted.c_str(),
                figure.fits ? "fits" : "OFF");
  }
  if (off == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(flags.scenario, ": ", off, " of ", figures.size(),
                   " figures are not those of the Internet"));
}

absl::Status PrintScenarioFile(const LabFlags& flags) {
  FATHOM_ASSIGN_OR_RETURN(const lab::Scenario scenario,
                          lab::ReadScenario(flags.scenario));
  std::fputs(lab::PrintScenario(scenario).c_str(), stdout);
  return absl::OkStatus();
}

}  // namespace

void AddLab(CLI::App& app, int& exit_code) {
  CLI::App* const lab =
      app.add_subcommand("lab", "Show what the built-in internet is made of");
  lab->require_subcommand(1);
  const auto flags = std::make_shared<LabFlags>();
  const auto add = [&](const char* name, const char* help,
                       absl::Status (*run)(const LabFlags&)) {
    CLI::App* const command = lab->add_subcommand(name, help);
    command->add_option("SCENARIO", flags->scenario, "the scenario file")
        ->required();
    command->callback([flags, run, &exit_code] {
      const absl::Status status = run(*flags);
      if (!status.ok()) exit_code = Report(status);
    });
    return command;
  };
  add("print", "every number of a scenario, with what it means",
      &PrintScenarioFile);
  add("check", "how it compares with the Internet, in figures", &PrintCheck);
  CLI::App* const targets = add(
      "targets", "the /24s of its address space, a line each", &PrintTargets);
  targets
      ->add_option("--count", flags->count,
                   "so many of them, spread evenly over the space [all]")
      ->type_name("N");
  targets->add_flag("-6,--ipv6", flags->ipv6,
                    "the /64s by which they go over IPv6");
  AddLabRoute(*lab, exit_code);
  AddLabTruth(*lab, exit_code);
  AddLabScore(*lab, exit_code);
  AddLabServe(*lab, exit_code);
  AddLabPeer(*lab, exit_code);
}

}  // namespace fathom
