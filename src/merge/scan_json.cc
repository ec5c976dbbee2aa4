#include "src/merge/scan_json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace fathom {
namespace {

// From the best to the worst; others are worse.
constexpr std::string_view kEnds[] = {"done",        "time limit",
                                      "interrupted", "too many replies lost",
                                      "trouble",     "recovered"};

// What shards of one scan may differ in.
constexpr const char* kOwnOfShards[] = {
    "shard",  "vantage", "backend",     "interface", "lanes",
    "pps",    "on_loss", "loss_limit",  "contact",   "cooldown_s",
    "source", "gateway", "gateway_mac", "pin",       "max_runtime_s"};

uint64_t NumberAt(const ScanJson& json, const char* key) {
  const auto at = json.find(key);
  if (at == json.end() || !at->is_number_unsigned()) return 0;
  return at->get<uint64_t>();
}

// Sums of equal keys. Where `only_common`, a key that one lacks is not known.
void AddCounts(const ScanJson& other, ScanJson& counts, bool only_common) {
  if (!other.is_object() || !counts.is_object()) {
    counts = nullptr;
    return;
  }
  std::vector<std::string> lacking;
  for (const auto& [key, value] : counts.items()) {
    if (only_common && !other.contains(key)) lacking.push_back(key);
  }
  for (const std::string& key : lacking) counts.erase(key);
  for (const auto& [key, value] : other.items()) {
    const auto at = counts.find(key);
    if (at == counts.end()) {
      if (!only_common) counts[key] = value;
    } else if (value.is_object() && at->is_object()) {
      AddCounts(value, *at, only_common);
    } else if (value.is_number_unsigned() && at->is_number_unsigned()) {
      *at = at->get<uint64_t>() + value.get<uint64_t>();
    } else {
      *at = nullptr;
    }
  }
}

// The lowest rate to which losses made a scan slow down; 0 if they did not.
void AddLosses(const ScanJson& other, ScanJson& losses) {
  const uint64_t a = NumberAt(losses, "lowest_pps");
  const uint64_t b = other.is_object() ? NumberAt(other, "lowest_pps") : 0;
  AddCounts(other, losses, /*only_common=*/true);
  if (!losses.is_object() || !losses.contains("lowest_pps")) return;
  losses["lowest_pps"] = a == 0 || b == 0 ? std::max(a, b) : std::min(a, b);
}

using HolesAtTtl = std::array<uint64_t, 3>;  // Answered, lost, silent.
constexpr const char* kHoleKeys[] = {"answered", "probably_lost",
                                     "probably_silent"};

std::map<uint64_t, HolesAtTtl> HolesOf(const ScanJson& holes) {
  std::map<uint64_t, HolesAtTtl> by_ttl;
  const auto at = holes.find("by_ttl");
  if (at == holes.end() || !at->is_array()) return by_ttl;
  for (const ScanJson& ttl : *at) {
    if (!ttl.is_object()) continue;
    HolesAtTtl& sums = by_ttl[NumberAt(ttl, "ttl")];
    for (size_t i = 0; i < sums.size(); ++i) {
      sums[i] += NumberAt(ttl, kHoleKeys[i]);
    }
  }
  return by_ttl;
}

ScanJson ToJson(const std::map<uint64_t, HolesAtTtl>& by_ttl) {
  HolesAtTtl total{};
  ScanJson list = ScanJson::array();
  for (const auto& [ttl, sums] : by_ttl) {
    ScanJson entry = {{"ttl", ttl}};
    for (size_t i = 0; i < sums.size(); ++i) {
      total[i] += sums[i];
      entry[kHoleKeys[i]] = sums[i];
    }
    list.push_back(std::move(entry));
  }
  const uint64_t due = total[0] + total[1];
  const double share =
      due == 0 ? 0 : static_cast<double>(total[1]) / static_cast<double>(due);
  return {{kHoleKeys[0], total[0]},
          {kHoleKeys[1], total[1]},
          {kHoleKeys[2], total[2]},
          {"lost_share", std::round(share * 1e6) / 1e6},
          {"by_ttl", std::move(list)}};
}

void AddHoles(const ScanJson& other, ScanJson& holes) {
  if (!other.is_object() || !holes.is_object()) {
    holes = nullptr;
    return;
  }
  auto by_ttl = HolesOf(holes);
  for (const auto& [ttl, sums] : HolesOf(other)) {
    for (size_t i = 0; i < sums.size(); ++i) by_ttl[ttl][i] += sums[i];
  }
  holes = ToJson(by_ttl);
}

// A scan that had nothing left to ask has fewer passes than others: those of
// one kind are told apart by their number.
using Passes = std::map<std::pair<std::string, int>, ScanJson>;

void CollectPasses(const ScanJson& list, Passes& passes) {
  std::map<std::string, int> seen;
  for (const ScanJson& pass : list) {
    if (!pass.is_object()) continue;
    const std::string name = TextAt(pass, "pass");
    ScanJson counts = pass;
    counts.erase("pass");
    const auto [at, is_new] =
        passes.try_emplace({name, seen[name]++}, std::move(counts));
    if (is_new) continue;
    counts = pass;
    counts.erase("pass");
    AddCounts(counts, at->second, /*only_common=*/true);
  }
}

void AddPasses(const ScanJson& other, ScanJson& list) {
  if (!other.is_array() || !list.is_array()) {
    list = nullptr;
    return;
  }
  Passes passes;
  CollectPasses(list, passes);
  CollectPasses(other, passes);
  list = ScanJson::array();
  for (const auto& [key, counts] : passes) {
    ScanJson pass = {{"pass", key.first}};
    pass.update(counts);
    list.push_back(std::move(pass));
  }
}

std::string WorstEnd(const std::string& a, const std::string& b) {
  const auto rank = [](const std::string& end) {
    return std::find(std::begin(kEnds), std::end(kEnds), end);
  };
  if (rank(a) == rank(b)) return std::max(a, b);
  return rank(a) < rank(b) ? b : a;
}

// All that went wrong, each once, whatever the order.
std::string JoinTroubles(const std::string& a, const std::string& b) {
  std::set<std::string> troubles;
  for (const std::string& text : {a, b}) {
    for (const absl::string_view part : absl::StrSplit(text, "; ")) {
      if (!part.empty()) troubles.emplace(part);
    }
  }
  return absl::StrJoin(troubles, "; ");
}

// Times are text that sorts as they do.
void AddTimes(const ScanJson& other, ScanJson& scan) {
  for (const char* key : {"start", "sending_end", "stop"}) {
    if (!scan.contains(key)) continue;
    const bool known =
        scan[key].is_string() && other.contains(key) && other[key].is_string();
    if (!known) {
      scan[key] = nullptr;
      continue;
    }
    const std::string a = TextAt(scan, key), b = TextAt(other, key);
    scan[key] =
        std::string_view(key) == "start" ? std::min(a, b) : std::max(a, b);
  }
}

ScanJson* Find(ScanJson& json, const char* key) {
  if (!json.is_object()) return nullptr;
  const auto at = json.find(key);
  return at == json.end() ? nullptr : &*at;
}

ScanJson Get(const ScanJson& json, const char* key) {
  const auto at = json.find(key);
  return at == json.end() ? ScanJson() : *at;
}

// Shards of one scan probe other targets each.
void AddProbed(const ScanJson& other, ScanJson& scan) {
  ScanJson* const configuration = Find(scan, "configuration");
  if (configuration == nullptr) return;
  ScanJson* const targets = Find(*configuration, "targets");
  if (targets == nullptr || !targets->contains("probed")) return;
  const ScanJson::json_pointer path("/configuration/targets/probed");
  if (!other.contains(path) || !other.at(path).is_number_unsigned()) return;
  (*targets)["probed"] =
      NumberAt(*targets, "probed") + other.at(path).get<uint64_t>();
}

}  // namespace

bool ShardPart::complete() const {
  if (numbers.size() != of) return false;
  for (uint32_t i = 0; i < of; ++i) {
    if (numbers[i] != i + 1) return false;
  }
  return true;
}

ShardPart ShardPartOf(const ScanJson& scan) {
  ShardPart part;
  const ScanJson shard = Get(scan, "shard");
  if (!shard.is_object()) {
    // As the options said it before the manifest had a key of its own.
    const ScanJson::json_pointer path("/configuration/shard");
    if (!scan.contains(path) || !scan.at(path).is_object()) return part;
    const uint64_t count = NumberAt(scan.at(path), "count");
    if (count < 2) return part;
    const uint64_t index = NumberAt(scan.at(path), "index");
    return {{static_cast<uint32_t>(index + 1)}, static_cast<uint32_t>(count)};
  }
  part.of = static_cast<uint32_t>(NumberAt(shard, "of"));
  if (shard.contains("number")) {
    part.numbers = {static_cast<uint32_t>(NumberAt(shard, "number"))};
  }
  const ScanJson numbers = Get(shard, "numbers");
  for (size_t i = 0; numbers.is_array() && i < numbers.size(); ++i) {
    if (!numbers[i].is_number_unsigned()) continue;
    part.numbers.push_back(numbers[i].get<uint32_t>());
  }
  std::sort(part.numbers.begin(), part.numbers.end());
  return part;
}

void SetShardPart(const ShardPart& part, ScanJson& scan) {
  if (!part.complete()) {
    if (part.numbers.size() == 1) {
      scan["shard"] = {{"number", part.numbers[0]}, {"of", part.of}};
    } else {
      scan["shard"] = {{"numbers", part.numbers}, {"of", part.of}};
    }
    return;
  }
  scan.erase("shard");
  ScanJson* const configuration = Find(scan, "configuration");
  if (configuration == nullptr) return;
  ScanJson* const shard = Find(*configuration, "shard");
  if (shard != nullptr) *shard = {{"index", 0U}, {"count", 1U}};
}

std::string TextAt(const ScanJson& json, const char* key) {
  const auto at = json.find(key);
  return at != json.end() && at->is_string() ? at->get<std::string>() : "";
}

ScanJson CommonConfiguration(const ScanJson& scan) {
  ScanJson common = Get(scan, "configuration");
  if (!common.is_object()) return ScanJson::object();
  for (const char* key : kOwnOfShards) common.erase(key);
  ScanJson* const targets = Find(common, "targets");
  if (targets != nullptr && targets->is_object()) {
    targets->erase("probed");
    ScanJson* const file = Find(*targets, "file");
    if (file != nullptr && file->is_object()) file->erase("path");
  }
  ScanJson* const exclusions = Find(common, "exclusions");
  for (size_t i = 0; exclusions != nullptr && i < exclusions->size(); ++i) {
    if (exclusions->is_array() && (*exclusions)[i].is_object()) {
      (*exclusions)[i].erase("path");
    }
  }
  return common;
}

std::string DifferenceOf(const ScanJson& a, const ScanJson& b) {
  constexpr size_t kShown = 4;
  const ScanJson x = a.flatten(), y = b.flatten();
  std::set<std::string> keys;
  for (const auto& [key, value] : x.items()) keys.insert(key);
  for (const auto& [key, value] : y.items()) keys.insert(key);
  std::vector<std::string> differences;
  const auto shown = [](const ScanJson& json, const std::string& key) {
    return json.contains(key)
               ? json.at(key).dump(-1, ' ', false,
                                   ScanJson::error_handler_t::replace)
               : std::string("nothing");
  };
  for (const std::string& key : keys) {
    const std::string one = shown(x, key), two = shown(y, key);
    if (one == two) continue;
    differences.push_back(
        absl::StrCat(key.substr(key.empty() ? 0 : 1), ": ", one, " and ", two));
  }
  const size_t count = differences.size();
  if (count > kShown) {
    differences.resize(kShown);
    differences.push_back(absl::StrCat(count - kShown, " more"));
  }
  return absl::StrJoin(differences, "; ");
}

void AddScan(const ScanJson& other, ScanJson& scan) {
  if (scan.contains("end")) {
    scan["end"] = WorstEnd(TextAt(scan, "end"), TextAt(other, "end"));
  }
  if (scan.contains("trouble")) {
    scan["trouble"] =
        JoinTroubles(TextAt(scan, "trouble"), TextAt(other, "trouble"));
  }
  AddTimes(other, scan);
  for (const char* key : {"probes", "replies", "links"}) {
    ScanJson* const counts = Find(scan, key);
    if (counts != nullptr) AddCounts(Get(other, key), *counts, true);
  }
  if (ScanJson* const losses = Find(scan, "losses")) {
    AddLosses(Get(other, "losses"), *losses);
  }
  if (ScanJson* const holes = Find(scan, "holes")) {
    AddHoles(Get(other, "holes"), *holes);
  }
  if (ScanJson* const passes = Find(scan, "second_look")) {
    AddPasses(Get(other, "second_look"), *passes);
  }
  // Each backend has counters of its own.
  if (ScanJson* const backend = Find(scan, "backend")) {
    AddCounts(Get(other, "backend"), *backend, /*only_common=*/false);
  }
  AddProbed(other, scan);
}

void SetRows(uint64_t links, uint64_t gaps, ScanJson& scan) {
  ScanJson* const counts = Find(scan, "links");
  if (counts == nullptr || !counts->is_object()) return;
  (*counts)["links"] = links;
  (*counts)["gaps"] = gaps;
}

void SetHoles(const HoleCounts& counts, ScanJson& scan) {
  ScanJson* const holes = Find(scan, "holes");
  if (holes == nullptr || !holes->is_object()) return;
  auto by_ttl = HolesOf(*holes);
  for (auto& [ttl, sums] : by_ttl) {
    if (ttl >= counts.ttls.size()) continue;
    const uint64_t all = sums[1] + sums[2];
    sums[1] = std::min(all, counts.ttls[ttl].lost);
    sums[2] = all - sums[1];
  }
  *holes = ToJson(by_ttl);
}

}  // namespace fathom
