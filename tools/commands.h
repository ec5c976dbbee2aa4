#ifndef FATHOM_TOOLS_COMMANDS_H_
#define FATHOM_TOOLS_COMMANDS_H_

#include <CLI/CLI.hpp>

namespace fathom {

// Each command is one file: it declares its options on `app` and sets
// `exit_code` when it has run.
void AddScan(CLI::App& app, int& exit_code);
void AddTrace(CLI::App& app, int& exit_code);
void AddInfo(CLI::App& app, int& exit_code);
void AddConvert(CLI::App& app, int& exit_code);
void AddMerge(CLI::App& app, int& exit_code);
void AddDiff(CLI::App& app, int& exit_code);
void AddLoad(CLI::App& app, int& exit_code);
void AddImport(CLI::App& app, int& exit_code);
void AddAnnotate(CLI::App& app, int& exit_code);
void AddRecover(CLI::App& app, int& exit_code);
void AddDoctor(CLI::App& app, int& exit_code);
void AddLab(CLI::App& app, int& exit_code);

}  // namespace fathom

#endif  // FATHOM_TOOLS_COMMANDS_H_
