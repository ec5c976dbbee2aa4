#ifndef FATHOM_TOOLS_HELP_H_
#define FATHOM_TOOLS_HELP_H_

#include <CLI/CLI.hpp>
#include <string>

namespace fathom {

// Help that fits a screen: a line an option, no blank lines between.
class OneScreenHelp final : public CLI::Formatter {
 public:
  OneScreenHelp();

  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
};

}  // namespace fathom

#endif  // FATHOM_TOOLS_HELP_H_
