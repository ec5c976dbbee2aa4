// fathom doctor: says what of this machine would hinder a scan, and what would
// make it faster.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/doctor/finding.h"
#include "tools/commands.h"
#include "tools/exit_code.h"

namespace fathom {
namespace {

struct DoctorFlags {
  std::string interface;
  std::string directory = ".";
  bool json = false;
};

const char* WordFor(doctor::Grade grade) {
  switch (grade) {
    case doctor::Grade::kOk:
      return "ok";
    case doctor::Grade::kBetter:
      return "better";
    case doctor::Grade::kWrong:
      return "wrong";
  }
  return "";
}

void PrintLine(const doctor::Examined& examined) {
  const doctor::Finding& finding = examined.finding;
  std::printf("%-6s  %-13s  %s", WordFor(finding.grade), examined.name,
              finding.is.c_str());
  if (!finding.advice.empty()) std::printf("; %s", finding.advice.c_str());
  if (!finding.command.empty()) std::printf(": %s", finding.command.c_str());
  std::printf("\n");
}

void PrintJson(const std::vector<doctor::Examined>& all, bool can_scan) {
  nlohmann::ordered_json checks = nlohmann::ordered_json::array();
  for (const doctor::Examined& examined : all) {
    checks.push_back({{"check", examined.name},
                      {"verdict", WordFor(examined.finding.grade)},
                      {"is", examined.finding.is},
                      {"advice", examined.finding.advice},
                      {"command", examined.finding.command}});
  }
  const nlohmann::ordered_json json = {{"can_scan", can_scan},
                                       {"checks", std::move(checks)}};
  std::printf("%s\n",
              json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
                  .c_str());
}

int RunCommand(const DoctorFlags& flags) {
  doctor::Place place = doctor::FindPlace(flags.interface);
  place.directory = flags.directory;
  const auto all = doctor::Examine(place);
  const bool can_scan =
      std::none_of(all.begin(), all.end(), [](const auto& examined) {
        return examined.finding.grade == doctor::Grade::kWrong;
      });
  if (flags.json) {
    PrintJson(all, can_scan);
  } else {
    for (const doctor::Examined& examined : all) PrintLine(examined);
  }
  return can_scan ? kExitDone : kExitDevice;
}

}  // namespace

void AddDoctor(CLI::App& app, int& exit_code) {
  CLI::App* const command =
      app.add_subcommand("doctor", "Say what would make scans faster or safer");
  const auto flags = std::make_shared<DoctorFlags>();
  command
      ->add_option("-i,--interface", flags->interface,
                   "look at this one [of the route to the Internet]")
      ->type_name("DEV");
  command
      ->add_option("-o,--output", flags->directory,
                   "where datasets are to go [.]")
      ->type_name("DIR");
  command->add_flag("--json", flags->json, "as JSON on standard output");
  command->callback([flags, &exit_code] { exit_code = RunCommand(*flags); });
}

}  // namespace fathom
