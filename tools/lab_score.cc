// fathom lab score: how good a scanner's result is.

#include <algorithm>
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
#include "src/found/found.h"
#include "src/lab/scenario.h"
#include "src/lab/score.h"
#include "tools/exit_code.h"
#include "tools/lab_commands.h"

namespace fathom {
namespace {

using Json = nlohmann::ordered_json;

struct ScoreFlags {
  std::string scenario;
  std::string targets;
  std::vector<std::string> found;
  std::string format = "auto";
  uint64_t seed = 0;
  bool trusted = false;
  bool prefixes = false;
  bool json = false;
};

struct Scored {
  std::string path;
  found::FoundTopology found;  // Without its links and interfaces.
  lab::Score score;
};

absl::StatusOr<Scored> ScoreOne(const lab::Judge& judge,
                                const std::string& path,
                                const ScoreFlags& flags) {
  Scored scored{.path = path, .found = {}, .score = {}};
  FATHOM_ASSIGN_OR_RETURN(scored.found, found::ReadFound(path, flags.format));
  std::vector<lab::Claim> claims;
  claims.reserve(scored.found.links.size());
  for (const found::FoundLink& link : scored.found.links) {
    const bool doubtful = (link.flags & kLinkDoubts) != 0;
    if (doubtful && flags.trusted) continue;
    claims.push_back({link.near, link.far, link.target, doubtful});
  }
  scored.found.links = {};
  scored.score = judge.Rate(claims, scored.found.interfaces);
  scored.found.interfaces = {};
  return scored;
}

// Null where there is nothing to take a share of.
Json Share(uint64_t part, uint64_t whole) {
  if (whole == 0) return nullptr;
  return static_cast<double>(part) / static_cast<double>(whole);
}

std::string Percent(uint64_t part, uint64_t whole) {
  if (whole == 0) return "-";
  return absl::StrFormat(
      "%.2f%%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

uint64_t TrueInterfaces(const lab::Score& score) {
  return score.true_routers + score.true_hosts;
}

Json SizesToJson(const lab::TruthSizes& sizes) {
  return {{"links", sizes.links},
          {"interfaces", sizes.interfaces()},
          {"routers", sizes.routers},
          {"hosts", sizes.hosts}};
}

Json ToJson(const Scored& scored, const lab::Judge& judge) {
  const lab::Score& score = scored.score;
  Json causes;
  for (size_t i = 0; i < lab::kCauses; ++i) {
    std::string key = lab::kCauseNames[i];
    std::replace(key.begin(), key.end(), ' ', '_');
    std::replace(key.begin(), key.end(), '-', '_');
    causes[key] = score.false_links[i];
  }
  const uint64_t interfaces = TrueInterfaces(score);
  return {{"file", scored.path},
          {"format", scored.found.format},
          {"links",
           {{"asserted", score.links},
            {"true", score.true_links},
            {"false", score.links - score.true_links},
            {"false_by_cause", causes},
            {"false_doubtful", score.false_doubtful},
            {"host_links", score.host_links},
            {"precision", Share(score.true_links, score.links)},
            {"recall", Share(score.true_links, judge.any_flow().links)},
            {"of_one_flow", Share(score.true_links, judge.one_flow().links)}}},
          {"interfaces",
           {{"found", score.interfaces},
            {"true", interfaces},
            {"true_routers", score.true_routers},
            {"true_hosts", score.true_hosts},
            {"false", score.false_interfaces},
            {"precision", Share(interfaces, score.interfaces)},
            {"recall", Share(interfaces, judge.any_flow().interfaces())},
            {"of_one_flow", Share(interfaces, judge.one_flow().interfaces())}}},
          {"read",
           {{"hops", scored.found.hops},
            {"ambiguous", scored.found.ambiguous},
            {"self_links", scored.found.self_links},
            {"not_ipv4", scored.found.not_ipv4},
            {"no_distance", scored.found.no_distance}}}};
}

void PrintJson(const std::vector<Scored>& all, const lab::Judge& judge,
               size_t targets) {
  Json results = Json::array();
  for (const Scored& scored : all) results.push_back(ToJson(scored, judge));
  const Json json = {{"targets", targets},
                     {"truth",
                      {{"one_flow", SizesToJson(judge.one_flow())},
                       {"any_flow", SizesToJson(judge.any_flow())}}},
                     {"results", results}};
  std::printf("%s\n", json.dump(2).c_str());
}

// "12 loop, 3 other", or "none".
std::string FalseLinks(const lab::Score& score) {
  std::string text;
  for (size_t i = 0; i < lab::kCauses; ++i) {
    if (score.false_links[i] == 0) continue;
    absl::StrAppend(&text, text.empty() ? "" : ", ", score.false_links[i], " ",
                    lab::kCauseNames[i]);
  }
  return text.empty() ? "none" : text;
}

// "found" and "false" of one thing, then the three shares.
std::string Columns(uint64_t found, uint64_t right, uint64_t any,
                    uint64_t one) {
  return absl::StrFormat("%10d %9s %9s %9s", found, Percent(right, found),
                         Percent(right, any), Percent(right, one));
}

void PrintTable(const std::vector<Scored>& all, const lab::Judge& judge,
                size_t targets) {
  const auto print_truth = [](const char* what, const lab::TruthSizes& sizes) {
    std::fputs(absl::StrFormat("%s: %d links, %d routers, %d hosts\n", what,
                               sizes.links, sizes.routers, sizes.hosts)
                   .c_str(),
               stdout);
  };
  std::printf("Truth of %zu targets\n", targets);
  print_truth("  for any flow", judge.any_flow());
  print_truth("  for one flow", judge.one_flow());
  for (const Scored& scored : all) {
    const lab::Score& score = scored.score;
    std::fputs(absl::StrFormat(
                   "\n%s (%s)\n"
                   "              %10s %9s %9s %9s\n"
                   "  links       %s\n"
                   "  interfaces  %s\n"
                   "  routers     %s\n"
                   "  hosts       %s\n"
                   "  false links: %s\n",
                   scored.path, scored.found.format, "found", "precision",
                   "recall", "one flow",
                   Columns(score.links, score.true_links,
                           judge.any_flow().links, judge.one_flow().links),
                   Columns(score.interfaces, TrueInterfaces(score),
                           judge.any_flow().interfaces(),
                           judge.one_flow().interfaces()),
                   Columns(score.true_routers, score.true_routers,
                           judge.any_flow().routers, judge.one_flow().routers),
                   Columns(score.true_hosts, score.true_hosts,
                           judge.any_flow().hosts, judge.one_flow().hosts),
                   FalseLinks(score))
                   .c_str(),
               stdout);
    if (score.false_links[static_cast<size_t>(lab::Cause::kElsewhere)] > 0) {
      std::puts(
          "  elsewhere: true links, but not on the way to these targets. Is "
          "--seed\n  that of the scan?");
    }
  }
}

absl::Status PrintScores(const ScoreFlags& flags) {
  if (flags.format != "auto") {
    const auto format = Register<found::FoundFormat>::Find(flags.format);
    if (!format.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--format ", std::string(format.status().message())));
    }
  }
  FATHOM_ASSIGN_OR_RETURN(const lab::Scenario scenario,
                          lab::ReadScenario(flags.scenario));
  FATHOM_ASSIGN_OR_RETURN(const std::vector<uint32_t> targets,
                          LoadLabTargets(flags.targets, flags.seed));
  const lab::Judge judge(
      scenario, targets, flags.seed,
      flags.prefixes ? lab::Reach::kPrefixes : lab::Reach::kTargets);
  std::vector<Scored> all;
  for (const std::string& path : flags.found) {
    FATHOM_ASSIGN_OR_RETURN(Scored scored, ScoreOne(judge, path, flags));
    all.push_back(std::move(scored));
  }
  (flags.json ? PrintJson : PrintTable)(all, judge, targets.size());
  return absl::OkStatus();
}

// The formats, a line each, for the end of the help.
std::string ListFormats() {
  std::string text = "Formats:\n";
  for (const auto& format : Register<found::FoundFormat>::All()) {
    absl::StrAppend(&text,
                    absl::StrFormat("  %-13s %s\n", format.name, format.help));
  }
  return text;
}

}  // namespace

void AddLabScore(CLI::App& lab, int& exit_code) {
  CLI::App* const command = lab.add_subcommand(
      "score", "recall and precision of what a scanner found");
  const auto flags = std::make_shared<ScoreFlags>();
  command->add_option("SCENARIO", flags->scenario, "the scenario file")
      ->required();
  command->add_option("TARGETS", flags->targets, "file of targets")->required();
  command->add_option("FOUND", flags->found, "results; - is standard input")
      ->required();
  command
      ->add_option("--format", flags->format, "that all of them are in [auto]")
      ->type_name("FORMAT");
  command->add_option("-e,--seed", flags->seed, "the seed of the scan [0]")
      ->type_name("N");
  command->add_flag("--trusted", flags->trusted,
                    "leave out links that the result itself doubts");
  command->add_flag("--prefixes", flags->prefixes,
                    "all of the targets' /24s count; hosts do not");
  command->add_flag("--json", flags->json, "one JSON object");
  command->footer(ListFormats());
  command->callback([flags, &exit_code] {
    const absl::Status status = PrintScores(*flags);
    if (!status.ok()) exit_code = Report(status);
  });
}

}  // namespace fathom
