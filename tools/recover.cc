// fathom recover: makes the dataset of a scan that was killed, or of what is
// left of a damaged one.

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_format.h"
#include "src/dataset/salvage.h"
#include "src/engine/finish.h"
#include "tools/commands.h"
#include "tools/damages.h"
#include "tools/exit_code.h"
#include "tools/quantity.h"
#include "tools/summary.h"

namespace fathom {
namespace {

struct RecoverFlags {
  std::string name;
  std::string output;
  std::string finish_memory = "900M";
};

int RecoverScan(const RecoverFlags& flags) {
  const std::string& name = flags.name;
  const auto memory = FinishMemory(flags.finish_memory);
  if (!memory.ok()) return Report(memory.status());
  const auto record = RecoverDataset(name, *memory);
  if (!record.ok()) return Report(record.status());
  std::fputs(Summarize(MakeManifest(*record), name).c_str(), stdout);
  return kExitDone;
}

// NAME is there: a dataset, and perhaps a damaged one.
int RecoverDamaged(const RecoverFlags& flags) {
  if (CheckDataset(flags.name).damages.empty()) {
    std::printf("%s is whole: there is nothing to recover.\n",
                flags.name.c_str());
    return kExitDone;
  }
  std::string name = flags.name;
  while (name.size() > 1 && name.ends_with('/')) name.pop_back();
  const std::string output =
      flags.output.empty() ? name + ".recovered" : flags.output;
  const auto salvage = SalvageDataset(name, output);
  if (!salvage.ok()) return Report(salvage.status());
  PrintDamages(salvage->lost);
  std::printf("%s", absl::StrFormat("Saved %d hops and %d links to %s.\n",
                                    salvage->hops, salvage->links, output)
                        .c_str());
  return salvage->lost.empty() ? kExitDone : kExitIncomplete;
}

int RunCommand(const RecoverFlags& flags) {
  std::error_code ignored;
  return std::filesystem::is_directory(flags.name, ignored)
             ? RecoverDamaged(flags)
             : RecoverScan(flags);
}

}  // namespace

void AddRecover(CLI::App& app, int& exit_code) {
  CLI::App* const command = app.add_subcommand(
      "recover", "Save a killed scan, or what is left of a dataset");
  const auto flags = std::make_shared<RecoverFlags>();
  command
      ->add_option("NAME", flags->name,
                   "what the scan was to write, or the damaged dataset")
      ->required();
  command->add_option("-o,--output", flags->output,
                      "where to save a damaged dataset (NAME.recovered)");
  command
      ->add_option("--finish-memory", flags->finish_memory,
                   "bytes to take, about [900M]")
      ->type_name("BYTES");
  command->callback([flags, &exit_code] { exit_code = RunCommand(*flags); });
}

}  // namespace fathom
