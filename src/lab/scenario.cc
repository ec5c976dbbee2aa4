#include "src/lab/scenario.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"
#include "src/base/unique_fd.h"
#include "src/lab/scenario_fields.h"
#include "src/net/prefix_set.h"
#include "src/net/special_purpose.h"

namespace fathom::lab {
namespace {

absl::string_view ToAbsl(std::string_view text) {
  return {text.data(), text.size()};
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Reads the lines of one file into a scenario.
class Reader {
 public:
  explicit Reader(Scenario base) : scenario_(std::move(base)) {}

  // What is wrong with `line`; empty if nothing is.
  std::string Read(std::string_view line) {
    line = Trim(line.substr(0, line.find('#')));
    if (line.empty()) return "";
    const size_t equals = line.find('=');
    if (equals == line.npos) {
      return absl::StrCat("\"", Shown(line), "\" has no =; write key = value");
    }
    const std::string_view key = Trim(line.substr(0, equals));
    if (key != "space" && seen_.contains(key)) {
      return absl::StrCat(Shown(key),
                          " was given before; leave one of the two lines");
    }
    seen_.emplace(key);
    return Assign(key, Trim(line.substr(equals + 1)));
  }

  const Scenario& scenario() const { return scenario_; }

 private:
  std::string Assign(std::string_view key, std::string_view text) {
    // The first of several `space` lines takes the place of the default.
    if (key == "space" && std::exchange(default_space_, false)) {
      scenario_.space.clear();
    }
    if (key == "include") return "include stands in the first line or nowhere";
    std::string error = absl::StrCat("there is no key \"", Shown(key),
                                     "\"; src/lab/scenarios/internet.lab "
                                     "lists those that there are");
    VisitFields(scenario_, [&](const Field& field, auto& value) {
      if (field.name == key) error = ReadValue(field, text, value);
    });
    return error;
  }

  Scenario scenario_;
  std::set<std::string, std::less<>> seen_;
  bool default_space_ = true;
};

absl::Status CheckSpace(const Scenario& scenario) {
  std::vector<Prefix> space = scenario.space;
  if (space.empty()) {
    return absl::InvalidArgumentError("space: no prefix; give at least one");
  }
  std::sort(space.begin(), space.end());
  for (size_t i = 0; i < space.size(); ++i) {
    if (space[i].family() != Family::kIpv4 || space[i].length() > 24) {
      return absl::InvalidArgumentError(
          absl::StrCat("space: ", space[i].ToString(),
                       " is not an IPv4 prefix of at most 24 bits"));
    }
    if (i > 0 && space[i - 1].Contains(space[i].first())) {
      return absl::InvalidArgumentError(
          absl::StrCat("space: ", space[i].ToString(), " lies within ",
                       space[i - 1].ToString(), "; leave it out"));
    }
    if (space[i].Contains(scenario.source)) {
      return absl::InvalidArgumentError(
          absl::StrCat("source: ", scenario.source.ToString(), " lies within ",
                       space[i].ToString(), "; take one outside the space"));
    }
  }
  if (scenario.source.family() != Family::kIpv4) {
    return absl::InvalidArgumentError("source: not an IPv4 address");
  }
  return absl::OkStatus();
}

absl::Status CheckChains(const Scenario& scenario) {
  if (scenario.chain[0].min == 0) {
    return absl::InvalidArgumentError(
        "chain.root: starts at 0; every path needs a first router, so let it "
        "start at 1");
  }
  for (size_t level = 0; level < kLevels; ++level) {
    const uint32_t slots = RouterSlots(scenario, level);
    if (scenario.chain[level].max > slots) {
      return absl::InvalidArgumentError(absl::StrCat(
          "chain.", kLevelNames[level], ": up to ", scenario.chain[level].max,
          " routers, but there are addresses for ", slots));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckShares(const Scenario& scenario) {
  const auto check = [](const char* what, double sum) {
    // Sums of decimal fractions may come out a little above 1.
    if (sum <= 1 + 1e-9) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": the shares add up to more than 1"));
  };
  double limited = 0;
  for (const LimitClass& limit : scenario.limits) limited += limit.share;
  FATHOM_RETURN_IF_ERROR(check("limit_share", limited));
  FATHOM_RETURN_IF_ERROR(
      check("quotes", scenario.long_quotes + scenario.full_quotes));
  FATHOM_RETURN_IF_ERROR(check("rewritten", scenario.rewritten_targets +
                                                scenario.rewritten_flows +
                                                scenario.rewritten_ids));
  FATHOM_RETURN_IF_ERROR(
      check("prohibited", scenario.prohibited_net + scenario.prohibited_host));
  FATHOM_RETURN_IF_ERROR(check("per_destination and per_packet",
                               scenario.per_destination + scenario.per_packet));
  for (size_t level = 0; level < kLevels; ++level) {
    const std::string what =
        absl::StrCat("unrouted, filtered and loops .", kLevelNames[level]);
    FATHOM_RETURN_IF_ERROR(check(what.c_str(), scenario.unrouted[level] +
                                                   scenario.filtered[level] +
                                                   scenario.loops[level]));
  }
  FATHOM_RETURN_IF_ERROR(
      check("router_ttl", scenario.router_ttl_255 + scenario.router_ttl_128));
  FATHOM_RETURN_IF_ERROR(
      check("host_ttl", scenario.host_ttl_255 + scenario.host_ttl_128));
  if (std::accumulate(scenario.widths.begin(), scenario.widths.end(), 0.0) <=
      0) {
    return absl::InvalidArgumentError(
        "width: all weights are 0; set diamonds = 0 for an internet without "
        "balancers");
  }
  if (scenario.tunnels > 0 &&
      std::accumulate(scenario.tunnel_kinds.begin(),
                      scenario.tunnel_kinds.end(), 0.0) <= 0) {
    return absl::InvalidArgumentError(
        "tunnel: all weights are 0; set tunnels = 0 for an internet without "
        "tunnels");
  }
  return absl::OkStatus();
}

// A file may include any other, /dev/zero too.
constexpr size_t kMaxFile = size_t{16} << 20;

// The whole of a file.
absl::StatusOr<std::string> ReadText(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 4096> buffer;
  ssize_t got = file.valid() ? 1 : -1;
  while (got > 0 && text.size() <= kMaxFile) {
    got = read(file.get(), buffer.data(), buffer.size());
    if (got > 0) text.append(buffer.data(), static_cast<size_t>(got));
  }
  if (text.size() > kMaxFile) {
    return absl::InvalidArgumentError(
        absl::StrCat("read scenario ", path, ": longer than ", kMaxFile >> 20,
                     " MiB, which no scenario is"));
  }
  if (got < 0) {
    return absl::NotFoundError(absl::StrCat(
        "read scenario ", path, ": ",
        std::error_code(errno, std::generic_category()).message(),
        "; give the path of a .lab file, or none for the built-in internet"));
  }
  return text;
}

// The file that the first line that says anything includes; empty if it
// includes none. Cuts `text` off up to there, and counts the lines cut off.
std::string_view TakeInclude(std::string_view& text, size_t& line) {
  std::string_view rest = text;
  for (size_t number = line; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view whole = rest.substr(0, end);
    const std::string_view said = Trim(whole.substr(0, whole.find('#')));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (said.empty()) continue;
    const size_t equals = said.find('=');
    if (equals == said.npos || Trim(said.substr(0, equals)) != "include") break;
    text = rest;
    line = number + 1;
    return Trim(said.substr(equals + 1));
  }
  return {};
}

// `first_line` is the number of the first line of `text` in its file.
absl::StatusOr<Scenario> ParseOver(Scenario base, std::string_view text,
                                   std::string_view name, size_t first_line) {
  Reader reader(std::move(base));
  for (size_t line = first_line; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string error = reader.Read(text.substr(0, end));
    if (!error.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(ToAbsl(name), ":", line, ": ", error));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (const absl::Status status = CheckScenario(reader.scenario());
      !status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(ToAbsl(name), ": ", status.message()));
  }
  return reader.scenario();
}

// `depth` is the number of files that include this one.
absl::StatusOr<Scenario> ReadIncluding(const std::string& path, int depth) {
  constexpr int kMaxDepth = 8;
  FATHOM_ASSIGN_OR_RETURN(const std::string file, ReadText(path));
  std::string_view text = file;
  size_t line = 1;
  Scenario base;
  if (const auto included = TakeInclude(text, line); !included.empty()) {
    if (depth == kMaxDepth) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", line - 1, ": include: more than ", kMaxDepth,
                       " files deep; does one include itself?"));
    }
    const bool whole = included.front() == '/';
    const std::string beside = whole ? "" : path.substr(0, path.rfind('/') + 1);
    FATHOM_ASSIGN_OR_RETURN(
        base, ReadIncluding(beside + std::string(included), depth + 1));
  }
  return ParseOver(std::move(base), text, path, line);
}

PrefixSet Unicast() {
  std::vector<PrefixSet::Range> ranges;
  uint64_t next = 0;
  const PrefixSet special = SpecialPurposeSet();
  for (const PrefixSet::Range& range : special.ranges()) {
    if (next < range.first) {
      ranges.push_back({static_cast<uint32_t>(next), range.first - 1});
    }
    next = uint64_t{range.last} + 1;
  }
  return PrefixSet::FromRanges(std::move(ranges));
}

}  // namespace

std::vector<Prefix> UnicastSpace() {
  std::vector<Prefix> space;
  const PrefixSet unicast = Unicast();
  for (const PrefixSet::Range& range : unicast.ranges()) {
    uint64_t first = range.first;
    while (first <= range.last) {
      // The widest prefix that begins here and ends within the range.
      uint8_t length =
          first == 0 ? 0 : static_cast<uint8_t>(32 - std::countr_zero(first));
      while (first + (uint64_t{1} << (32 - length)) - 1 > range.last) ++length;
      space.emplace_back(IpAddress::V4(static_cast<uint32_t>(first)), length);
      first += uint64_t{1} << (32 - length);
    }
  }
  return space;
}

absl::StatusOr<Scenario> ParseScenario(std::string_view text,
                                       std::string_view name) {
  return ParseOver({}, text, name, 1);
}

absl::StatusOr<Scenario> ReadScenario(const std::string& path) {
  return ReadIncluding(path, 0);
}

std::string PrintScenario(const Scenario& scenario) {
  std::string text;
  VisitFields(scenario, [&](const Field& field, const auto& value) {
    if (*field.help != '\0') absl::StrAppend(&text, "\n# ", field.help, "\n");
    AppendLines(field, value, text);
  });
  return text.substr(1);
}

absl::Status CheckScenario(const Scenario& scenario) {
  FATHOM_RETURN_IF_ERROR(CheckSpace(scenario));
  FATHOM_RETURN_IF_ERROR(CheckChains(scenario));
  return CheckShares(scenario);
}

Nanos MaxRoundTrip(const Scenario& scenario) {
  double way_ms = scenario.host_delay_ms.max;
  for (const Range<double>& delay : scenario.delay_ms) way_ms += delay.max;
  double ms = 2 * way_ms + scenario.jitter_ms + 1;
  if (scenario.slow_hosts > 0) ms += scenario.slow_host_s.max * 1e3;
  if (scenario.late_replies > 0) ms += scenario.late_reply_s.max * 1e3;
  return Nanos(static_cast<int64_t>(std::ceil(ms * 1e6))) + 255 * kLoopHop;
}

uint32_t RouterSlots(const Scenario& scenario, size_t level) {
  const uint8_t bits =
      level == 0 ? scenario.space.front().length() : kLevelBits[level];
  const uint32_t all = 5U << (24 - bits);
  return level == kChangingLevel ? all / 2 : all;
}

}  // namespace fathom::lab
