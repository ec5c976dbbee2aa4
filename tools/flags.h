#ifndef FATHOM_TOOLS_FLAGS_H_
#define FATHOM_TOOLS_FLAGS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "fathom/registry.h"

namespace fathom {

// What the commands share in declaring options and reading their values.

// The names of all modules of a kind, for help.
template <typename Module>
std::string Names() {
  std::string names;
  for (const Module& module : Register<Module>::All()) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", module.name);
  }
  return names;
}

// An option with a value, of which help tells the kind.
template <typename T>
CLI::Option* Add(CLI::App& app, const char* name, T& value, const char* kind,
                 const std::string& help) {
  return app.add_option(name, value, help)->type_name(kind);
}

// "--pps 0: wanted".
absl::Status Wrong(const std::string& option, const std::string& value,
                   const std::string& wanted);

// The value of --seed; drawn if it is empty.
absl::StatusOr<uint64_t> ToSeed(const std::string& value);

}  // namespace fathom

#endif  // FATHOM_TOOLS_FLAGS_H_
