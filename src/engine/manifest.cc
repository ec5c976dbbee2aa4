#include "src/engine/manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"

namespace fathom {
namespace {

// Keys stay in the order in which they are written.
using Json = nlohmann::ordered_json;

constexpr int kIndent = 2;

// "2026-01-01T00:00:00.123Z".
std::string TimeText(Instant time) {
  const auto milliseconds =
      std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(milliseconds);
  const auto days = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date{std::chrono::sys_days(days)};
  const std::chrono::hh_mm_ss clock{seconds - days};
  return absl::StrFormat(
      "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
      (milliseconds - seconds).count());
}

Json ProbesOf(const ScanRecord& record) {
  if (!record.counts) {
    return {{"planned", nullptr},
            {"sent", nullptr},
            {"answered", record.links.cells},
            {"unanswered", nullptr}};
  }
  const ScanCounts& counts = *record.counts;
  // A forged reply can answer a TTL that was not probed.
  const uint64_t answered = std::min(record.links.cells, counts.sent);
  return {{"planned", counts.planned},
          {"sent", counts.sent},
          {"answered", answered},
          {"unanswered", counts.sent - answered},
          {"withheld", counts.withheld}};
}

Json RepliesOf(const ScanRecord& record) {
  Json replies = {{"valid", record.links.replies},
                  {"duplicate", record.links.duplicates}};
  if (!record.counts) return replies;
  const auto verdict = [&record](Verdict v) {
    return record.counts->verdicts[static_cast<size_t>(v)];
  };
  replies["rewritten"] = verdict(Verdict::kRewritten);
  replies["foreign"] = verdict(Verdict::kForeign);
  replies["malformed"] = verdict(Verdict::kMalformed);
  replies["other"] = verdict(Verdict::kOther);
  return replies;
}

Json LossesOf(const ScanRecord& record) {
  Json losses = Json::object();
  if (record.counts) {
    const ScanCounts& counts = *record.counts;
    losses["receive_dropped"] = counts.backend.rx_dropped;
    losses["send_failed"] = counts.backend.tx_failed;
    losses["feedback_dropped"] = counts.feedback_dropped;
    losses["spool_lost"] = counts.spool_lost;
  }
  losses["spool_damaged_bytes"] = record.damaged_bytes;
  return losses;
}

Json LinksOf(const LinkStats& links) {
  return {{"links", links.links},
          {"gaps", links.gaps},
          {"paths", links.paths},
          {"observations", links.observations},
          {"self_edges", links.self_edges},
          {"ambiguous_cells", links.ambiguous_cells},
          {"unusable_cells", links.unusable_cells},
          {"cells_after_end", links.cells_after_end},
          {"ends",
           {{"destination", links.destinations},
            {"unreachable", links.unreachable},
            {"alias", links.aliases},
            {"target_hop", links.target_hops},
            {"loop", links.loops}}}};
}

Json OwnCountersOf(const ScanRecord& record) {
  Json own = Json::object();
  if (record.counts) {
    for (const auto& [name, value] : record.counts->backend.own) {
      own[name] = value;
    }
  }
  return own;
}

// What came in may be no text at all; it must not make writing fail.
std::string Write(const Json& json) {
  return json.dump(kIndent, ' ', false, Json::error_handler_t::replace);
}

Json Read(const std::string& text) {
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

}  // namespace

std::string MakeManifest(const ScanRecord& record) {
  const Json manifest = {
      {"format", "fathom dataset 1"},
      {"tool", {{"name", "fathom"}, {"version", FATHOM_VERSION}}},
      {"end", kScanEndNames[static_cast<size_t>(record.end)]},
      {"trouble", record.trouble},
      {"start", TimeText(record.start)},
      {"sending_end", record.sending_end ? Json(TimeText(*record.sending_end))
                                         : Json(nullptr)},
      {"stop", TimeText(record.stop)},
      {"probes", ProbesOf(record)},
      {"replies", RepliesOf(record)},
      {"losses", LossesOf(record)},
      {"links", LinksOf(record.links)},
      {"backend", OwnCountersOf(record)},
      {"configuration", Read(record.configuration)},
  };
  return Write(manifest);
}

std::string MakeSpoolMetadata(const ScanRecord& record) {
  return Write({{"configuration", Read(record.configuration)},
                {"start_ns", record.start.time_since_epoch().count()}});
}

absl::StatusOr<ScanRecord> ReadSpoolMetadata(const std::string& metadata) {
  const Json json = Read(metadata);
  const auto configuration = json.find("configuration");
  const auto start = json.find("start_ns");
  if (!json.is_object() || configuration == json.end() || start == json.end() ||
      !start->is_number_integer()) {
    return absl::DataLossError("the spool does not say what scan it is of");
  }
  ScanRecord record;
  record.configuration = configuration->dump();
  record.start = Instant(Nanos(start->get<int64_t>()));
  return record;
}

}  // namespace fathom
