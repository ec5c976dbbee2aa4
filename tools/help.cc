#include "tools/help.h"

#include "absl/strings/str_format.h"

namespace fathom {
namespace {

constexpr int kColumn = 26;

std::string Line(const std::string& left, const std::string& right) {
  return absl::StrFormat("  %-*s %s\n", kColumn, left, right);
}

std::string Names(const CLI::Option* option) {
  std::string names = option->get_name(false, true);
  // "-o,--output" reads "-o, --output"; the value's name follows.
  const size_t comma = names.find(",-");
  if (comma != names.npos) names.insert(comma + 1, " ");
  // A flag that may have a number: "--verify{2}", where 2 is meant without.
  const size_t brace = names.find('{');
  if (brace != names.npos) names.replace(brace, names.npos, "[=N]");
  if (option->get_type_size() != 0 && !option->get_type_name().empty()) {
    names += " " + option->get_type_name();
  }
  return names;
}

}  // namespace

OneScreenHelp::OneScreenHelp() { column_width(kColumn); }

std::string OneScreenHelp::make_help(const CLI::App* app, std::string name,
                                     CLI::AppFormatMode /*mode*/) const {
  std::string usage = name, options, commands;
  for (const std::string& group : app->get_groups()) {
    // What belongs to no group of ours stands first, without a title.
    if (!options.empty()) options += group + ":\n";
    for (const CLI::Option* option : app->get_options()) {
      if (option->get_group() != group) continue;
      if (option->get_positional()) usage += " " + option->get_name();
      if (option->nonpositional()) {
        options += Line(Names(option), option->get_description());
      }
    }
  }
  for (const CLI::App* command : app->get_subcommands({})) {
    commands += Line(command->get_name(), command->get_description());
  }
  if (!commands.empty()) usage += " COMMAND";
  return absl::StrFormat("%s\nUsage: %s [OPTIONS]\n%s%s%s\n",
                         app->get_description(), usage, commands, options,
                         app->get_footer());
}

}  // namespace fathom
