#include "src/merge/scan_list.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

// Their manifests stand in each file of a dataset, at some kilobytes each.
constexpr size_t kMaxScans = 4096;

std::string Dump(const ScanJson& json, int indent = -1) {
  return json.dump(indent, ' ', false, ScanJson::error_handler_t::replace);
}

// A scan as an input has it.
struct Found {
  ScanJson manifest;
  std::string path;
  size_t input = 0;
  size_t local = 0;  // Its number there.
  ShardPart part{};
  std::string common{};  // The configuration that its shards share.
  std::string vantage{};
};

// Those of one scan, or a single one.
struct Group {
  std::vector<size_t> members;  // Of the scans found.
  ListedScan scan{};
  ShardPart part{};
  // By which scans are numbered: vantage point, start, and all else that
  // merging does not change.
  std::tuple<std::string, std::string, std::string> order{};
};

absl::Status NotOurs(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

// Appends the scans of an input to `found`.
absl::Status FindScans(const ScanList::Input& input, size_t index,
                       std::vector<Found>& found) {
  ScanJson manifest = ScanJson::parse(input.manifest, nullptr, false);
  if (!manifest.is_object()) {
    return NotOurs(input.path, "its manifest is not a JSON object");
  }
  if (manifest.contains("truth")) {
    return NotOurs(input.path,
                   "what a lab knows to be true, and not a scan: compare it "
                   "with \"fathom diff\"");
  }
  const auto scans = manifest.find("scans");
  const bool several = scans != manifest.end() && scans->is_array();
  if (several != input.several_scans) {
    return absl::DataLossError(absl::StrCat(
        "read ", input.path, ": by its manifest it is of ",
        several ? "several scans" : "one scan", ", by its tables it is not"));
  }
  std::vector<ScanJson> list;
  if (several) {
    list.assign(scans->begin(), scans->end());
  } else {
    list.push_back(std::move(manifest));
  }
  for (size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_object()) {
      return absl::DataLossError(absl::StrCat("read ", input.path, ": scan ", i,
                                              " of its manifest is no object"));
    }
    // Of the files that it was in.
    list[i].erase("files");
    found.push_back({.manifest = std::move(list[i]),
                     .path = input.path,
                     .input = index,
                     .local = i});
    Found& scan = found.back();
    scan.part = ShardPartOf(scan.manifest);
    // With sorted keys: a resumed scan may have them in another order.
    scan.common = nlohmann::json(CommonConfiguration(scan.manifest)).dump();
    scan.vantage = TextAt(scan.manifest, "vantage");
  }
  return absl::OkStatus();
}

std::string NumbersText(const std::vector<uint32_t>& numbers) {
  return absl::StrJoin(numbers, ", ");
}

// Shards in the order of their numbers, whatever the order of the inputs.
void SortMembers(const std::vector<Found>& found, Group& group) {
  std::sort(group.members.begin(), group.members.end(),
            [&](size_t a, size_t b) {
              if (found[a].part.numbers != found[b].part.numbers) {
                return found[a].part.numbers < found[b].part.numbers;
              }
              return Dump(found[a].manifest) < Dump(found[b].manifest);
            });
}

// Fails if two members hold one shard: their replies would count twice.
absl::Status CheckOnce(const std::vector<Found>& found, const Group& group) {
  std::map<uint32_t, size_t> holders;
  for (const size_t member : group.members) {
    for (const uint32_t number : found[member].part.numbers) {
      const auto [at, is_new] = holders.try_emplace(number, member);
      if (is_new) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          found[at->second].path, " and ", found[member].path,
          ": both hold shard ", number, "/", found[member].part.of,
          " of one scan, which would count twice; leave one out, or, if they "
          "are of two rounds, merge the shards of each round first"));
    }
  }
  return absl::OkStatus();
}

// Makes one scan of the members.
absl::Status JoinMembers(const std::vector<Found>& found, Group& group) {
  SortMembers(found, group);
  for (size_t i = 1; i < group.members.size(); ++i) {
    const Found& a = found[group.members[i - 1]];
    const Found& b = found[group.members[i]];
    if (a.manifest != b.manifest) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(a.path, " and ", b.path,
                     ": the same scan, which would count twice; leave one "
                     "out"));
  }
  FATHOM_RETURN_IF_ERROR(CheckOnce(found, group));
  const Found& first = found[group.members[0]];
  group.scan = {.manifest = first.manifest,
                .path = first.path,
                .joined = group.members.size() > 1};
  group.part = first.part;
  for (size_t i = 1; i < group.members.size(); ++i) {
    const Found& other = found[group.members[i]];
    AddScan(other.manifest, group.scan.manifest);
    group.part.numbers.insert(group.part.numbers.end(),
                              other.part.numbers.begin(),
                              other.part.numbers.end());
  }
  std::sort(group.part.numbers.begin(), group.part.numbers.end());
  // Whoever dealt the targets to one part has the whole scan.
  if (group.scan.joined || group.part.complete()) {
    SetShardPart(group.part, group.scan.manifest);
  }
  return absl::OkStatus();
}

bool Disjoint(const ShardPart& a, const ShardPart& b) {
  std::vector<uint32_t> both;
  std::set_intersection(a.numbers.begin(), a.numbers.end(), b.numbers.begin(),
                        b.numbers.end(), std::back_inserter(both));
  return both.empty();
}

// Holds the parts of scans of which shards are missing against each other.
class PartCheck {
 public:
  PartCheck(const std::vector<Found>& found, std::span<const Group> groups)
      : found_(found) {
    for (const Group& group : groups) {
      if (group.part.of != 0 && !group.part.complete()) {
        parts_.push_back(&group);
      } else {
        whole_.push_back(&group);
      }
    }
  }

  absl::Status Run(ShardRule rule) const {
    for (const Group* const part : parts_) {
      for (const Group* const other : parts_) {
        FATHOM_RETURN_IF_ERROR(CheckMixed(*part, *other, rule));
      }
      for (const Group* const whole : whole_) {
        FATHOM_RETURN_IF_ERROR(CheckNotIn(*part, *whole));
      }
      if (rule == ShardRule::kWhole && !Dealt(*part)) return Missing(*part);
    }
    return absl::OkStatus();
  }

 private:
  const Found& FirstOf(const Group& group) const {
    return found_[group.members[0]];
  }

  // Parts that would make up one scan, but for their configurations.
  absl::Status CheckMixed(const Group& a, const Group& b,
                          ShardRule rule) const {
    const Found& one = FirstOf(a);
    const Found& two = FirstOf(b);
    if (a.part.of != b.part.of || one.common == two.common ||
        !Disjoint(a.part, b.part)) {
      return absl::OkStatus();
    }
    if (rule == ShardRule::kPartial && one.vantage != two.vantage) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(absl::StrCat(
        one.path, " and ", two.path, ": shards ", NumbersText(a.part.numbers),
        " and ", NumbersText(b.part.numbers), " of ", a.part.of,
        ", but not of one scan: ",
        DifferenceOf(CommonConfiguration(one.manifest),
                     CommonConfiguration(two.manifest))));
  }

  // A shard beside the scan that it was merged into before.
  absl::Status CheckNotIn(const Group& part, const Group& whole) const {
    const Found& one = FirstOf(part);
    const Found& two = FirstOf(whole);
    const std::string start = TextAt(part.scan.manifest, "start");
    if (one.vantage != two.vantage || one.common != two.common ||
        start < TextAt(whole.scan.manifest, "start") ||
        start > TextAt(whole.scan.manifest, "stop")) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        absl::StrCat(one.path, " and ", two.path, ": the first is of shards ",
                     NumbersText(part.part.numbers), " of ", part.part.of,
                     ", the second of the whole scan; they would count twice"));
  }

  // Whether the shards of one scan were dealt to several vantage points, which
  // hold each of them once together.
  bool Dealt(const Group& part) const {
    ShardPart together{.of = part.part.of};
    for (const Group* const other : parts_) {
      if (other->part.of != part.part.of ||
          FirstOf(*other).common != FirstOf(part).common) {
        continue;
      }
      together.numbers.insert(together.numbers.end(),
                              other->part.numbers.begin(),
                              other->part.numbers.end());
    }
    std::sort(together.numbers.begin(), together.numbers.end());
    return together.complete();
  }

  absl::Status Missing(const Group& group) const {
    std::vector<uint32_t> missing;
    constexpr size_t kShown = 8;
    size_t count = 0;
    for (uint32_t number = 1; number <= group.part.of; ++number) {
      const auto& numbers = group.part.numbers;
      if (std::binary_search(numbers.begin(), numbers.end(), number)) continue;
      if (++count <= kShown) missing.push_back(number);
    }
    return absl::InvalidArgumentError(absl::StrCat(
        group.scan.path, ": of the ", group.part.of, " shards of this scan, ",
        count, count == 1 ? " is" : " are", " missing: ", NumbersText(missing),
        count > kShown ? ", ..." : "",
        "; name all of them, or give --partial"));
  }

  const std::vector<Found>& found_;
  std::vector<const Group*> parts_;
  std::vector<const Group*> whole_;
};

// Shards of one scan of one vantage point together, all else alone; but a scan
// that is there twice becomes a group of two, for JoinMembers() to refuse.
std::vector<Group> GroupShards(const std::vector<Found>& found) {
  std::map<std::tuple<uint32_t, std::string, std::string>, size_t> known;
  std::vector<Group> groups;
  for (size_t i = 0; i < found.size(); ++i) {
    const Found& scan = found[i];
    auto key = std::make_tuple(scan.part.of, scan.vantage, scan.common);
    if (scan.part.of == 0) key = {0, "", Dump(scan.manifest)};
    const auto [at, is_new] = known.try_emplace(std::move(key), groups.size());
    if (is_new) groups.emplace_back();
    groups[at->second].members.push_back(i);
  }
  return groups;
}

void SetOrder(Group& group) {
  // Counted anew in the rows where shards were joined.
  ScanJson rest = group.scan.manifest;
  rest.erase("links");
  rest.erase("holes");
  group.order = {TextAt(rest, "vantage"), TextAt(rest, "start"), Dump(rest)};
}

uint64_t RepliesOf(const ScanJson& scan) {
  const ScanJson::json_pointer path("/replies/valid");
  if (!scan.contains(path) || !scan.at(path).is_number_unsigned()) return 0;
  return scan.at(path).get<uint64_t>();
}

// Which scans are of which vantage point, in the order of both.
ScanJson VantagesOf(std::span<const ScanJson> scans) {
  ScanJson vantages = ScanJson::array();
  for (size_t i = 0; i < scans.size(); ++i) {
    const std::string name = TextAt(scans[i], "vantage");
    if (vantages.empty() || vantages.back()["name"] != name) {
      vantages.push_back({{"name", name}, {"scans", ScanJson::array()}});
    }
    vantages.back()["scans"].push_back(i);
  }
  return vantages;
}

// What was asked for in all of them alike.
ScanJson SharedConfiguration(std::span<const ScanJson> scans) {
  const auto of = [](const ScanJson& scan) {
    const auto at = scan.find("configuration");
    return at != scan.end() && at->is_object() ? *at : ScanJson::object();
  };
  ScanJson shared = of(scans[0]);
  for (const ScanJson& scan : scans) {
    const ScanJson other = of(scan);
    ScanJson both = ScanJson::object();
    for (const auto& [key, value] : shared.items()) {
      const auto at = other.find(key);
      if (at != other.end() && *at == value) both[key] = value;
    }
    shared = std::move(both);
  }
  return shared;
}

// A manifest as one scan has it, of all together.
ScanJson Together(std::span<const ScanJson> scans, const ScanRows& all) {
  ScanJson together = scans[0];
  for (const char* key : {"configuration", "vantage", "shard"}) {
    together.erase(key);
  }
  together["tool"] = {{"name", "fathom"}, {"version", FATHOM_VERSION}};
  for (const ScanJson& scan : scans.subspan(1)) AddScan(scan, together);
  SetRows(all.links, all.gaps, together);
  together["configuration"] = SharedConfiguration(scans);
  together["vantages"] = VantagesOf(scans);
  together["scans"] = scans;
  return together;
}

}  // namespace

absl::StatusOr<ScanList> ScanList::Make(std::span<const Input> inputs,
                                        ShardRule rule) {
  std::vector<Found> found;
  for (size_t i = 0; i < inputs.size(); ++i) {
    FATHOM_RETURN_IF_ERROR(FindScans(inputs[i], i, found));
  }
  std::vector<Group> groups = GroupShards(found);
  for (Group& group : groups) {
    FATHOM_RETURN_IF_ERROR(JoinMembers(found, group));
    SetOrder(group);
  }
  if (rule != ShardRule::kAnything) {
    FATHOM_RETURN_IF_ERROR(PartCheck(found, groups).Run(rule));
  }
  if (groups.size() > kMaxScans) {
    return absl::InvalidArgumentError(absl::StrCat("merge ", groups.size(),
                                                   " scans: a dataset holds ",
                                                   kMaxScans, " at most"));
  }
  std::sort(groups.begin(), groups.end(),
            [](const Group& a, const Group& b) { return a.order < b.order; });
  ScanList list;
  list.numbers_.resize(inputs.size());
  for (const Found& scan : found) list.numbers_[scan.input].push_back(0);
  for (size_t number = 0; number < groups.size(); ++number) {
    for (const size_t member : groups[number].members) {
      list.numbers_[found[member].input][found[member].local] =
          static_cast<uint16_t>(number);
    }
    list.scans_.push_back(std::move(groups[number].scan));
    list.scans_.back().replies = RepliesOf(list.scans_.back().manifest);
  }
  return list;
}

std::string ScanList::MakeManifest(std::span<const ScanRows> rows,
                                   const ScanRows& all) const {
  std::vector<ScanJson> manifests;
  for (size_t i = 0; i < scans_.size(); ++i) {
    manifests.push_back(scans_[i].manifest);
    if (!scans_[i].joined) continue;
    SetRows(rows[i].links, rows[i].gaps, manifests.back());
    if (rows[i].holes) SetHoles(*rows[i].holes, manifests.back());
  }
  constexpr int kIndent = 2;
  if (manifests.size() == 1) return Dump(manifests[0], kIndent);
  return Dump(Together(manifests, all), kIndent);
}

}  // namespace fathom
