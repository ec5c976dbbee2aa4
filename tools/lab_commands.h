#ifndef FATHOM_TOOLS_LAB_COMMANDS_H_
#define FATHOM_TOOLS_LAB_COMMANDS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace fathom {

// The commands under `fathom lab` that have a file of their own.
void AddLabPeer(CLI::App& lab, int& exit_code);
void AddLabRoute(CLI::App& lab, int& exit_code);
void AddLabScore(CLI::App& lab, int& exit_code);
void AddLabServe(CLI::App& lab, int& exit_code);
void AddLabTruth(CLI::App& lab, int& exit_code);

// The addresses that a scan of the list `path` with the same seed would probe,
// ascending; those of special purpose too, since labs are made of them.
absl::StatusOr<std::vector<uint32_t>> LoadLabTargets(const std::string& path,
                                                     uint64_t seed);

}  // namespace fathom

#endif  // FATHOM_TOOLS_LAB_COMMANDS_H_
