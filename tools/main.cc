// The command: finds out which command is meant and hands over.

#include <csignal>
#include <cstdio>
#include <exception>
#include <string>

#include "absl/strings/str_cat.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/help.h"

namespace {

int UsageError(const std::string& what) {
  std::fprintf(stderr,
               "fathom: %s\nTry \"fathom --help\", or \"fathom COMMAND "
               "--help\".\n",
               what.c_str());
  return fathom::kExitUsage;
}

int Run(int argc, char** argv) {
  int exit_code = fathom::kExitDone;
  CLI::App app("Maps which routers stand next to which, at internet scale.",
               "fathom");
  app.formatter(std::make_shared<fathom::OneScreenHelp>());
  app.set_version_flag("--version", "fathom " FATHOM_VERSION);
  app.require_subcommand(1);
  fathom::AddScan(app, exit_code);
  fathom::AddTrace(app, exit_code);
  fathom::AddInfo(app, exit_code);
  fathom::AddConvert(app, exit_code);
  fathom::AddMerge(app, exit_code);
  fathom::AddDiff(app, exit_code);
  fathom::AddLoad(app, exit_code);
  fathom::AddImport(app, exit_code);
  fathom::AddAnnotate(app, exit_code);
  fathom::AddRecover(app, exit_code);
  fathom::AddDoctor(app, exit_code);
  fathom::AddLab(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::RequiredError& error) {
    // CLI11 names what is missing, which helps nobody who misspelt a command.
    const auto named = app.get_subcommands([&](CLI::App* command) {
      return argc > 1 && command->check_name(argv[1]);
    });
    const bool unknown = argc > 1 && argv[1][0] != '-' && named.empty();
    return UsageError(unknown ? absl::StrCat("no command \"", argv[1], "\"")
                              : error.what());
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return UsageError(error.what());
  }
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  // A file that may not grow any more (ulimit -f) is an error like a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    return Run(argc, argv);
  } catch (const std::exception& error) {
    // The libraries of the command line and of JSON throw; nothing of ours
    // does.
    std::fprintf(stderr, "fathom: %s\n", error.what());
    return fathom::kExitFailed;
  }
}
