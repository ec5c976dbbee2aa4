#include "src/engine/spool_record.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

using Json = nlohmann::ordered_json;

// What came in may be no text at all; it must not make writing fail.
std::string Write(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json Read(const std::string& text) {
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

int64_t Count(Instant time) { return time.time_since_epoch().count(); }

Instant InstantAt(const Json& json) {
  return Instant(Nanos(json.get<int64_t>()));
}

Json SecondLookJson(const ScanCounts& counts) {
  Json passes = Json::array();
  for (const PassCounts& pass : counts.second_look) {
    passes.push_back({pass.name, pass.planned, pass.sent, pass.left_out});
  }
  return passes;
}

void ReadSecondLook(const Json& json, ScanCounts& counts) {
  for (const Json& pass : json) {
    counts.second_look.push_back({.name = pass.at(0).get<std::string>(),
                                  .planned = pass.at(1).get<uint64_t>(),
                                  .sent = pass.at(2).get<uint64_t>(),
                                  .left_out = pass.at(3).get<uint64_t>()});
  }
}

Json CountsJson(const ScanCounts& counts) {
  Json own = Json::array();
  for (const auto& [name, value] : counts.backend.own) {
    own.push_back({name, value});
  }
  return {{"planned", counts.planned},
          {"sent", counts.sent},
          {"withheld", counts.withheld},
          {"feedback_dropped", counts.feedback_dropped},
          {"spool_lost", counts.spool_lost},
          {"verdicts", counts.verdicts},
          {"lowest_pps", counts.lowest_pps},
          {"lossy_windows", counts.lossy_windows},
          {"rx_dropped", counts.backend.rx_dropped},
          {"host_dropped", counts.backend.host_dropped},
          {"tx_failed", counts.backend.tx_failed},
          {"own", std::move(own)},
          {"second_look", SecondLookJson(counts)}};
}

// Reads what CountsJson() wrote. Throws where it cannot be that.
ScanCounts ReadCounts(const Json& json) {
  ScanCounts counts;
  json.at("planned").get_to(counts.planned);
  json.at("sent").get_to(counts.sent);
  json.at("withheld").get_to(counts.withheld);
  json.at("feedback_dropped").get_to(counts.feedback_dropped);
  json.at("spool_lost").get_to(counts.spool_lost);
  json.at("verdicts").get_to(counts.verdicts);
  json.at("lowest_pps").get_to(counts.lowest_pps);
  json.at("lossy_windows").get_to(counts.lossy_windows);
  json.at("rx_dropped").get_to(counts.backend.rx_dropped);
  json.at("host_dropped").get_to(counts.backend.host_dropped);
  json.at("tx_failed").get_to(counts.backend.tx_failed);
  json.at("own").get_to(counts.backend.own);
  ReadSecondLook(json.at("second_look"), counts);
  return counts;
}

Json ResumedJson(const std::vector<Resumption>& resumed) {
  Json list = Json::array();
  for (const Resumption& once : resumed) {
    list.push_back({Count(once.at), once.sent_again});
  }
  return list;
}

std::vector<Resumption> ReadResumed(const Json& json) {
  std::vector<Resumption> resumed;
  for (const Json& once : json) {
    resumed.push_back({InstantAt(once.at(0)), once.at(1).get<uint64_t>()});
  }
  return resumed;
}

// What may not be probed, as ranges "first-last".
Json RangesJson(const PrefixSet& set) {
  Json ranges = Json::array();
  const auto add = [&ranges](const IpAddress& first, const IpAddress& last) {
    ranges.push_back(absl::StrCat(first.ToString(), "-", last.ToString()));
  };
  for (const auto& [first, last] : set.ranges()) {
    add(IpAddress::V4(first), IpAddress::V4(last));
  }
  for (const auto& [first, last] : set.ranges6()) add(first, last);
  return ranges;
}

absl::StatusOr<PrefixSet> ReadRanges(const Json& json) {
  std::vector<PrefixSet::Range> ranges;
  std::vector<PrefixSet::Range6> ranges6;
  for (const Json& range : json) {
    const auto& text = range.get_ref<const std::string&>();
    const size_t dash = std::min(text.find('-'), text.size());
    const auto first = IpAddress::Parse(text.substr(0, dash));
    const auto last =
        IpAddress::Parse(text.substr(std::min(dash + 1, text.size())));
    if (!first || !last || first->family() != last->family() ||
        *last < *first) {
      return absl::DataLossError(
          absl::StrCat("the spool's exclusions: \"", text, "\""));
    }
    if (first->family() == Family::kIpv4) {
      ranges.push_back({first->v4(), last->v4()});
    } else {
      ranges6.push_back({*first, *last});
    }
  }
  return PrefixSet::FromRanges(std::move(ranges), std::move(ranges6));
}

// Reads what MakeSpoolSummary() wrote. Throws where it cannot be that.
void AddSummary(const Json& json, ScanRecord& record) {
  const int end = json.at("end").get<int>();
  if (0 <= end && end <= static_cast<int>(ScanEnd::kLosing)) {
    record.end = static_cast<ScanEnd>(end);
  }
  record.trouble = json.at("trouble").get<std::string>();
  record.sending_end = InstantAt(json.at("sending_end_ns"));
  record.stop = InstantAt(json.at("stop_ns"));
  record.counts = ReadCounts(json.at("counts"));
  record.resumed = ReadResumed(json.at("resumed"));
}

}  // namespace

std::string MakeSpoolMetadata(const ScanRecord& record) {
  return Write({{"configuration", Read(record.configuration)},
                {"verify", record.verify},
                {"start_ns", Count(record.start)},
                {"vantage", record.vantage},
                {"shard", {record.shard.index, record.shard.count}},
                {"lanes", record.lanes},
                {"forbidden", RangesJson(record.forbidden)}});
}

std::string MakeSpoolSummary(const ScanRecord& record) {
  return Write({{"end", static_cast<int>(record.end)},
                {"trouble", record.trouble},
                {"sending_end_ns", Count(*record.sending_end)},
                {"stop_ns", Count(record.stop)},
                {"resumed", ResumedJson(record.resumed)},
                {"counts", CountsJson(*record.counts)}});
}

std::string MakeMark(const ScanMark& mark) {
  const Json json = {{"begins_pass", mark.begins_pass},
                     {"pass", mark.pass},
                     {"turns", mark.turns},
                     {"heard_until_ns", Count(mark.heard_until)},
                     {"resumed", ResumedJson(mark.resumed)},
                     {"counts", CountsJson(mark.counts)}};
  return Write(json);
}

absl::StatusOr<ScanMark> ReadMark(const std::string& text) {
  ScanMark mark;
  try {
    const Json json = Read(text);
    json.at("begins_pass").get_to(mark.begins_pass);
    json.at("pass").get_to(mark.pass);
    json.at("turns").get_to(mark.turns);
    mark.heard_until = InstantAt(json.at("heard_until_ns"));
    mark.resumed = ReadResumed(json.at("resumed"));
    mark.counts = ReadCounts(json.at("counts"));
  } catch (const Json::exception& error) {
    return absl::DataLossError(
        std::string("a mark in the spool cannot be read: ") + error.what());
  }
  return mark;
}

absl::StatusOr<ScanMark> ReadMarkAt(SpoolReader& spool,
                                    const SpoolReader::Note& note) {
  FATHOM_ASSIGN_OR_RETURN(auto bytes, spool.ReadNote(note));
  // The spool has taken the time off the front of a resume.
  if (note.kind == FrameKind::kResume) bytes = bytes.subspan(sizeof(int64_t));
  return ReadMark(
      std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

absl::StatusOr<ScanRecord> ReadSpoolRecord(
    const std::string& metadata, const std::optional<std::string>& summary) {
  ScanRecord record;
  const Json json = Read(metadata);
  // The spool has checked that the bytes are those that were written, so what
  // does not fit is another version's. JSON's accessors throw on that.
  try {
    record.configuration = json.at("configuration").dump();
    record.verify = json.at("verify").get<bool>();
    record.start = InstantAt(json.at("start_ns"));
    record.end = ScanEnd::kRecovered;
    // Spools of earlier versions say less.
    record.vantage = json.value("vantage", "");
    record.lanes = json.value("lanes", size_t{0});
    if (json.contains("shard")) {
      json.at("shard").at(0).get_to(record.shard.index);
      json.at("shard").at(1).get_to(record.shard.count);
    }
    if (json.contains("forbidden")) {
      FATHOM_ASSIGN_OR_RETURN(record.forbidden,
                              ReadRanges(json.at("forbidden")));
    }
    if (summary) AddSummary(Read(*summary), record);
  } catch (const Json::exception& error) {
    return absl::DataLossError(
        std::string("the spool does not say what scan it is of: ") +
        error.what());
  }
  return record;
}

}  // namespace fathom
