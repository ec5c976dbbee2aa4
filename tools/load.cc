// fathom load: loads a dataset into ClickHouse.

#include "src/load/load.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_format.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/interrupts.h"

namespace fathom {
namespace {

constexpr char kStopping[] =
    "\nStopping after the rows that are under way. Once more leaves at "
    "once.\n";

std::string Show(const TableRows& rows) {
  return absl::StrFormat("%d links, %d gaps, %d hops", rows[0], rows[1],
                         rows[2]);
}

int RunLoad(LoadOptions options) {
  using Clock = std::chrono::steady_clock;
  const Interrupts interrupts(kStopping);
  options.stop = interrupts.token();
  const char* const password = std::getenv("CLICKHOUSE_PASSWORD");
  if (password != nullptr) options.password = password;
  const bool live = isatty(STDERR_FILENO) != 0;
  if (live) {
    options.on_progress = [](const TableRows& rows) {
      std::fprintf(stderr, "\r%s there", Show(rows).c_str());
    };
  }
  const auto start = Clock::now();
  const auto summary = LoadDataset(options);
  const std::chrono::duration<double> took = Clock::now() - start;
  if (live) std::fputs("\n", stderr);
  if (!summary.ok()) return Report(summary.status());
  if (summary->found != TableRows{}) {
    std::printf("An earlier load had left %s.\n", Show(summary->found).c_str());
  }
  if (!summary->whole) {
    std::fprintf(stderr,
                 "fathom: interrupted with %s there; the same command goes on "
                 "from there.\n",
                 Show(summary->rows).c_str());
    return kExitInterrupted;
  }
  std::fputs(
      absl::StrFormat("%s: %s, as dataset %d, in %.1f s\n", options.dataset,
                      Show(summary->rows), summary->id, took.count())
          .c_str(),
      stdout);
  return kExitDone;
}

}  // namespace

void AddLoad(CLI::App& app, int& exit_code) {
  CLI::App* const command =
      app.add_subcommand("load", "Load a dataset into a database");
  const auto options = std::make_shared<LoadOptions>();
  command->add_option("NAME", options->dataset, "the dataset")->required();
  command
      ->add_option("--clickhouse", options->url,
                   "http(s)://[USER[:PASSWORD]@]HOST:PORT of ClickHouse")
      ->type_name("URL")
      ->required();
  command->add_option("--database", options->database, "[default]")
      ->type_name("D");
  command
      ->add_option("--table-prefix", options->table_prefix,
                   "before the names of tables []")
      ->type_name("P");
  command->add_flag("--create", options->create,
                    "make database and tables that are not there");
  command->add_flag("--again", options->again,
                    "first remove what is there of this dataset");
  command->footer(
      "The password may stand in the environment, CLICKHOUSE_PASSWORD. A load\n"
      "that was interrupted goes on where it ended when it is run again.");
  command->callback([options, &exit_code] { exit_code = RunLoad(*options); });
}

}  // namespace fathom
