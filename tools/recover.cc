// fathom recover: makes the dataset of a scan that was killed.

#include <cstdio>
#include <string>

#include "src/engine/finish.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/summary.h"

namespace fathom {

void AddRecover(CLI::App& app, int& exit_code) {
  CLI::App* const command = app.add_subcommand(
      "recover", "Make the dataset of a scan that was killed");
  const auto name = std::make_shared<std::string>();
  command->add_option("NAME", *name, "what the scan was to write")->required();
  command->callback([name, &exit_code] {
    const auto record = RecoverDataset(*name);
    if (!record.ok()) {
      exit_code = Report(record.status());
      return;
    }
    std::fputs(Summarize(MakeManifest(*record), *name).c_str(), stdout);
  });
}

}  // namespace fathom
