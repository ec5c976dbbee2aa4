#include "src/lab/scenario.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
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
  // What is wrong with `line`; empty if nothing is.
  std::string Read(std::string_view line) {
    line = Trim(line.substr(0, line.find('#')));
    if (line.empty()) return "";
    const size_t equals = line.find('=');
    if (equals == line.npos) {
      return absl::StrCat("\"", ToAbsl(line), "\" has no =; write key = value");
    }
    const std::string_view key = Trim(line.substr(0, equals));
    if (key != "space" && seen_.contains(key)) {
      return absl::StrCat(ToAbsl(key),
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
    std::string error = absl::StrCat("there is no key \"", ToAbsl(key),
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
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Scenario> ParseScenario(std::string_view text,
                                       std::string_view name) {
  Reader reader;
  for (size_t line = 1; !text.empty(); ++line) {
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

absl::StatusOr<Scenario> ReadScenario(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 4096> buffer;
  ssize_t got = file.valid() ? 1 : -1;
  while (got > 0) {
    got = read(file.get(), buffer.data(), buffer.size());
    if (got > 0) text.append(buffer.data(), static_cast<size_t>(got));
  }
  if (got < 0) {
    return absl::NotFoundError(absl::StrCat(
        "read scenario ", path, ": ",
        std::error_code(errno, std::generic_category()).message(),
        "; give the path of a .lab file, or none for the built-in internet"));
  }
  return ParseScenario(text, path);
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
  const double ms = 2 * way_ms + scenario.jitter_ms + 1;
  return Nanos(static_cast<int64_t>(std::ceil(ms * 1e6))) + 255 * kLoopHop;
}

uint32_t RouterSlots(const Scenario& scenario, size_t level) {
  const uint8_t bits =
      level == 0 ? scenario.space.front().length() : kLevelBits[level];
  return 5U << (24 - bits);
}

}  // namespace fathom::lab
