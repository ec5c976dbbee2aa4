#include "src/engine/manifest.h"

#include <algorithm>
#include <cmath>
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
            {"answered", record.links.answered()},
            {"unanswered", nullptr}};
  }
  const ScanCounts& counts = *record.counts;
  // A forged reply can answer a TTL that was not probed.
  const uint64_t answered = std::min(record.links.answered(), counts.sent);
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
  replies["rewritten_address"] = verdict(Verdict::kRewrittenAddress);
  replies["rewritten_port"] = verdict(Verdict::kRewrittenPort);
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
    losses["host_dropped"] = counts.backend.host_dropped;
    losses["send_failed"] = counts.backend.tx_failed;
    losses["feedback_dropped"] = counts.feedback_dropped;
    losses["spool_lost"] = counts.spool_lost;
    losses["lossy_seconds"] = counts.lossy_windows;
    losses["lowest_pps"] = counts.lowest_pps;
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

// What of the answers between two that were heard was probably lost.
Json HolesOf(const HoleCounts& holes) {
  const HoleCounts::AtTtl total = holes.Total();
  const uint64_t due = total.answered + total.lost;
  Json by_ttl = Json::array();
  for (size_t ttl = 0; ttl < holes.ttls.size(); ++ttl) {
    const HoleCounts::AtTtl& at = holes.ttls[ttl];
    if (at == HoleCounts::AtTtl{}) continue;
    by_ttl.push_back({{"ttl", ttl},
                      {"answered", at.answered},
                      {"probably_lost", at.lost},
                      {"probably_silent", at.silent}});
  }
  const double share =
      due == 0 ? 0 : static_cast<double>(total.lost) / static_cast<double>(due);
  return {{"answered", total.answered},
          {"probably_lost", total.lost},
          {"probably_silent", total.silent},
          {"lost_share", std::round(share * 1e6) / 1e6},
          {"by_ttl", std::move(by_ttl)}};
}

Json SecondLookOf(const ScanCounts& counts) {
  Json passes = Json::array();
  for (const PassCounts& pass : counts.second_look) {
    passes.push_back({{"pass", pass.name},
                      {"planned", pass.planned},
                      {"sent", pass.sent},
                      {"left_out", pass.left_out}});
  }
  return passes;
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

Json ResumedOf(const ScanRecord& record) {
  Json list = Json::array();
  for (const Resumption& once : record.resumed) {
    list.push_back(
        {{"at", TimeText(once.at)}, {"sent_again", once.sent_again}});
  }
  return list;
}

}  // namespace

std::string MakeManifest(const ScanRecord& record) {
  Json manifest = {
      {"format", "fathom dataset 1"},
      {"tool", {{"name", "fathom"}, {"version", FATHOM_VERSION}}},
      {"end", kScanEndNames[static_cast<size_t>(record.end)]},
      {"trouble", record.trouble},
      {"start", TimeText(record.start)},
      {"sending_end", record.sending_end ? Json(TimeText(*record.sending_end))
                                         : Json(nullptr)},
      {"stop", TimeText(record.stop)},
      {"resumed", ResumedOf(record)},
      {"vantage", record.vantage},
      {"probes", ProbesOf(record)},
      {"replies", RepliesOf(record)},
      {"losses", LossesOf(record)},
      {"links", LinksOf(record.links)},
      {"holes", HolesOf(record.links.holes)},
      {"second_look",
       record.counts ? SecondLookOf(*record.counts) : Json(nullptr)},
      {"backend", OwnCountersOf(record)},
      {"configuration", Read(record.configuration)},
  };
  if (record.shard.count > 1) {
    manifest["shard"] = {{"number", record.shard.index + 1},
                         {"of", record.shard.count}};
  }
  return Write(manifest);
}

}  // namespace fathom
