#include "tools/scan_resume.h"

#include <array>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace fathom {
namespace {

using Json = nlohmann::ordered_json;

// An option, and where the configuration has it.
struct Option {
  const char* name;
  const char* key;
  bool may_change = false;
};

constexpr std::array kOptions = {
    Option{"--per-prefix", "per_prefix"},
    Option{"--granularity", "granularity"},
    Option{"--backend", "backend", true},
    Option{"--interface", "interface", true},
    Option{"--source", "source", true},
    Option{"--gateway", "gateway", true},
    Option{"--gateway-mac", "gateway_mac", true},
    Option{"--strategy", "strategy"},
    Option{"--protocol", "protocol"},
    Option{"--pps", "pps", true},
    Option{"--min-ttl", "min_ttl"},
    Option{"--max-ttl", "max_ttl"},
    Option{"--probes", "probes_per_ttl"},
    Option{"--fill", "fill"},
    Option{"--neighborhood", "neighborhood"},
    Option{"--router-pps", "router_pps"},
    Option{"--repair", "repair_rounds"},
    Option{"--confidence", "confidence"},
    Option{"--prefix-probes", "prefix_probes"},
    Option{"--min-yield", "min_yield"},
    Option{"--seed", "seed"},
    Option{"--cooldown", "cooldown_s", true},
    Option{"--lanes", "lanes"},
    Option{"--pin", "pin", true},
    Option{"--on-loss", "on_loss", true},
    Option{"--contact", "contact"},
    Option{"--vantage", "vantage"},
};

// A value as it is written on the command line.
std::string TextOf(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string Quoted(const Json& value) {
  return value.is_null() ? "not there" : value.dump();
}

bool Given(const CLI::App& command, const char* name) {
  return command.get_option(name)->count() > 0;
}

// What is no plain value.
void TakeOthers(const Json& then, const CLI::App& command, ScanFlags& flags) {
  if (!Given(command, "TARGETS")) {
    flags.targets = then.at("targets").at("file").at("path");
  }
  if (!Given(command, "--exclude")) {
    for (const Json& file : then.at("exclusions")) {
      flags.exclude.push_back(file.at("path"));
    }
  }
  if (!Given(command, "--ipv4") && !Given(command, "--ipv6")) {
    flags.ipv6 = then.at("targets").at("family") == "ipv6";
    flags.ipv4 = !flags.ipv6;
  }
  if (!Given(command, "--shard")) {
    const Json& shard = then.at("shard");
    flags.shard = absl::StrCat(shard.at("index").get<uint64_t>() + 1, "/",
                               shard.at("count").get<uint64_t>());
  }
  if (!Given(command, "--include-special")) {
    flags.include_special = then.at("special_purpose") == "included";
  }
  if (!Given(command, "--verify")) flags.verify = then.at("verify_times");
  if (!Given(command, "--loss-limit")) {
    flags.loss_limit = then.at("loss_limit").get<double>() * 100;
  }
}

std::string DescribeFile(const Json& file) {
  return absl::StrFormat("%d bytes with XXH3 %s",
                         file.at("bytes").get<size_t>(),
                         file.at("xxh3").get<std::string>());
}

// Lines about the targets that differ, and about what decides them.
void CompareTargets(const Json& then, const Json& now,
                    std::string& differences) {
  const Json& file = now.at("file");
  const std::string before = DescribeFile(then.at("file"));
  if (DescribeFile(file) != before) {
    absl::StrAppend(&differences, "\n  targets: ",
                    then.at("file").at("path").get<std::string>(), " was ",
                    before, "; ", file.at("path").get<std::string>(), " is ",
                    DescribeFile(file));
    return;
  }
  for (const char* key : {"family", "probed"}) {
    if (then.at(key) == now.at(key)) continue;
    absl::StrAppend(&differences, "\n  targets, ", key, ": was ",
                    Quoted(then.at(key)), ", is ", Quoted(now.at(key)));
  }
}

std::string Differences(const Json& then, const Json& now) {
  std::string differences;
  const auto compare = [&](const char* name, const char* key) {
    const Json before = then.value(key, Json());
    const Json after = now.value(key, Json());
    if (before == after) return;
    absl::StrAppend(&differences, "\n  ", name, ": was ", Quoted(before),
                    ", is ", Quoted(after));
  };
  for (const Option& option : kOptions) {
    if (!option.may_change) compare(option.name, option.key);
  }
  compare("--verify", "verify_times");
  compare("order of probes", "permutation");
  const auto spell = [](const Json& shard) {
    return absl::StrCat(shard.at("index").get<uint64_t>() + 1, "/",
                        shard.at("count").get<uint64_t>());
  };
  const std::string before = spell(then.at("shard"));
  const std::string after = spell(now.at("shard"));
  if (before != after) {
    absl::StrAppend(&differences, "\n  --shard: was ", before, ", is ", after);
  }
  const auto special = [](const Json& json) {
    return json.at("special_purpose") == "included";
  };
  if (special(then) != special(now)) {
    absl::StrAppend(&differences, "\n  --include-special: was ",
                    special(then) ? "given" : "not given", ", is ",
                    special(now) ? "given" : "not given");
  }
  CompareTargets(then.at("targets"), now.at("targets"), differences);
  return differences;
}

absl::Status Unreadable(const std::exception& error) {
  return absl::DataLossError(absl::StrCat(
      "the spool does not tell the options of its scan: ", error.what()));
}

}  // namespace

absl::Status TakeOptionsFrom(const std::string& configuration,
                             CLI::App& command, ScanFlags& flags) {
  // The accessors throw on what is not there: another version's.
  try {
    const Json then = Json::parse(configuration);
    for (const Option& option : kOptions) {
      const bool known = then.contains(option.key);
      if (!known || Given(command, option.name)) continue;
      const std::string value = TextOf(then.at(option.key));
      if (value.empty()) continue;
      CLI::Option* const taken = command.get_option(option.name);
      taken->add_result(value);
      taken->run_callback();
    }
    TakeOthers(then, command, flags);
  } catch (const std::exception& error) {
    return Unreadable(error);
  }
  return absl::OkStatus();
}

absl::Status CheckSameScan(const std::string& then, const std::string& now) {
  std::string differences;
  try {
    differences = Differences(Json::parse(then), Json::parse(now));
  } catch (const std::exception& error) {
    return Unreadable(error);
  }
  if (differences.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a scan can only go on as it was begun, but:", differences));
}

}  // namespace fathom
