// fathom lab truth: what there is to be found, as a dataset.

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/lab/scenario.h"
#include "src/lab/truth_dataset.h"
#include "src/schedule/targets.h"
#include "tools/exit_code.h"
#include "tools/lab_commands.h"

namespace fathom {
namespace {

constexpr const char* kSights[] = {"one-flow", "any-flow", "everything"};

struct TruthFlags {
  std::string scenario;
  std::string targets;
  std::string output;
  std::string sight = "any-flow";
  std::string format = "parquet";
  std::string table = "links";
  uint64_t seed = 0;
};

absl::StatusOr<lab::Sight> FindSight(const std::string& name) {
  for (size_t i = 0; i < std::size(kSights); ++i) {
    if (name == kSights[i]) return static_cast<lab::Sight>(i);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "--sight ", name, ": there are one-flow, any-flow and everything"));
}

absl::StatusOr<std::unique_ptr<DatasetWriter>> CreateWriter(
    const TruthFlags& flags) {
  const auto format = Register<FormatModule>::Find(flags.format);
  if (!format.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--format ", std::string(format.status().message())));
  }
  if (flags.table != "links" && flags.table != "hops") {
    return absl::InvalidArgumentError(
        absl::StrCat("--table ", flags.table, ": there are links and hops"));
  }
  if (flags.output == "-" && flags.format == "parquet") {
    return absl::InvalidArgumentError(
        "-o -: Parquet is several files; choose --format csv or jsonl, or a "
        "name");
  }
  return format->create(
      {.path = flags.output,
       .table = flags.table == "hops" ? Table::kHops : Table::kLinks});
}

std::string Manifest(const TruthFlags& flags, const lab::Scenario& scenario,
                     size_t targets, const lab::TruthCounts& counts) {
  nlohmann::ordered_json manifest;
  manifest["format"] = "fathom dataset 1";
  manifest["tool"] = "fathom " FATHOM_VERSION;
  manifest["truth"] = {
      {"sight", flags.sight},      {"seed", flags.seed},
      {"targets", targets},        {"links", counts.links},
      {"routers", counts.routers}, {"hosts", counts.hosts},
      {"hops", counts.hops},       {"scenario", lab::PrintScenario(scenario)}};
  return manifest.dump(2) + "\n";
}

absl::Status WriteDataset(const TruthFlags& flags) {
  FATHOM_ASSIGN_OR_RETURN(const lab::Sight sight, FindSight(flags.sight));
  FATHOM_ASSIGN_OR_RETURN(const lab::Scenario scenario,
                          lab::ReadScenario(flags.scenario));
  FATHOM_ASSIGN_OR_RETURN(const std::vector<uint32_t> targets,
                          LoadLabTargets(flags.targets, flags.seed));
  FATHOM_ASSIGN_OR_RETURN(const auto writer, CreateWriter(flags));
  FATHOM_ASSIGN_OR_RETURN(
      const lab::TruthCounts counts,
      lab::WriteTruth(scenario, targets, {.sight = sight, .seed = flags.seed},
                      *writer));
  FATHOM_RETURN_IF_ERROR(
      writer->Finish(Manifest(flags, scenario, targets.size(), counts)));
  if (flags.output == "-") return absl::OkStatus();
  std::fputs(absl::StrFormat("Truth of %d targets (%s): %d links, %d routers "
                             "and %d hosts that answer: %s\n",
                             targets.size(), flags.sight, counts.links,
                             counts.routers, counts.hosts, flags.output)
                 .c_str(),
             stdout);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<uint32_t>> LoadLabTargets(const std::string& path,
                                                     uint64_t seed) {
  FATHOM_ASSIGN_OR_RETURN(
      const LoadedTargets loaded,
      LoadTargets({.path = path, .seed = seed, .include_special = true}));
  std::vector<uint32_t> addresses;
  addresses.reserve(loaded.targets.size());
  for (size_t i = 0; i < loaded.targets.size(); ++i) {
    addresses.push_back(loaded.targets[i].v4());
  }
  return addresses;
}

void AddLabTruth(CLI::App& lab, int& exit_code) {
  CLI::App* const command = lab.add_subcommand(
      "truth", "the links and hops that there are, as a dataset");
  const auto flags = std::make_shared<TruthFlags>();
  command->add_option("SCENARIO", flags->scenario, "the scenario file")
      ->required();
  command->add_option("TARGETS", flags->targets, "file of targets")->required();
  command
      ->add_option("-o,--output", flags->output,
                   "dataset or file to write; - is standard output")
      ->type_name("NAME")
      ->required();
  command
      ->add_option("--sight", flags->sight,
                   "one-flow, any-flow or everything [any-flow]")
      ->type_name("S");
  command
      ->add_option("--format", flags->format, "parquet, csv, jsonl [parquet]")
      ->type_name("FORMAT");
  command
      ->add_option("--table", flags->table,
                   "for csv and jsonl: links or hops [links]")
      ->type_name("TABLE");
  command->add_option("-e,--seed", flags->seed, "the seed of the scan [0]")
      ->type_name("N");
  command->callback([flags, &exit_code] {
    const absl::Status status = WriteDataset(*flags);
    if (!status.ok()) exit_code = Report(status);
  });
}

}  // namespace fathom
