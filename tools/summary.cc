#include "tools/summary.h"

#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/quantity.h"

namespace fathom {
namespace {

using Json = nlohmann::ordered_json;

Json Read(const std::string& manifest) {
  return Json::parse(manifest, nullptr, /*allow_exceptions=*/false);
}

// The number at a path such as "/probes/sent"; 0 where it is not known.
uint64_t Number(const Json& manifest, const char* path) {
  const Json::json_pointer pointer(path);
  if (!manifest.contains(pointer)) return 0;
  const Json& value = manifest.at(pointer);
  return value.is_number_unsigned() ? value.get<uint64_t>() : 0;
}

std::string Text(const Json& manifest, const char* path) {
  const Json::json_pointer pointer(path);
  if (!manifest.contains(pointer)) return "";
  const Json& value = manifest.at(pointer);
  return value.is_string() ? value.get<std::string>() : "";
}

std::string Percent(uint64_t part, uint64_t whole) {
  if (whole == 0) return "-";
  return absl::StrFormat(
      "%.1f%%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string ProbesLine(const Json& m) {
  const uint64_t answered = Number(m, "/probes/answered");
  if (m["probes"]["sent"].is_null()) {
    return absl::StrFormat(
        "Probes:    how many were sent is not known; %d were answered\n",
        answered);
  }
  const uint64_t sent = Number(m, "/probes/sent");
  return absl::StrFormat(
      "Probes:    %d sent of %d planned; %d answered (%s), %d unanswered\n",
      sent, Number(m, "/probes/planned"), answered, Percent(answered, sent),
      Number(m, "/probes/unanswered"));
}

// Empty if it ran in one go.
std::string ResumedLine(const Json& m) {
  if (!m.contains("resumed") || m["resumed"].empty()) return "";
  uint64_t again = 0;
  for (const Json& once : m["resumed"]) again += Number(once, "/sent_again");
  return absl::StrFormat(
      "Resumed:   %d times, last %s; %d probes or more sent again\n",
      m["resumed"].size(), Text(m["resumed"].back(), "/at"), again);
}

std::string LossLine(const Json& m) {
  std::string losses;
  const auto add = [&](const char* path, const char* what) {
    const uint64_t count = Number(m, path);
    if (count != 0) {
      absl::StrAppend(&losses, losses.empty() ? "" : ", ", count, " ", what);
    }
  };
  add("/losses/receive_dropped", "packets that found our queues full");
  add("/losses/host_dropped", "packets dropped by the host before that");
  add("/losses/send_failed", "probes that the device did not take");
  add("/losses/spool_lost", "replies lost to a failing disk");
  add("/losses/spool_damaged_bytes", "damaged bytes in the spool");
  add("/probes/withheld", "probes withheld by the last check of exclusions");
  std::string line =
      absl::StrCat("Lost:      ", losses.empty() ? "nothing" : losses, "\n");
  const uint64_t lossy = Number(m, "/losses/lossy_seconds");
  if (lossy != 0) {
    absl::StrAppend(&line, "           too much in ", lossy,
                    " seconds; the lowest rate was ",
                    Number(m, "/losses/lowest_pps"), " p/s\n");
  }
  return line;
}

// What answers were probably lost on the way, and what was asked again.
std::string HolesLine(const Json& m) {
  const uint64_t lost = Number(m, "/holes/probably_lost");
  std::string line = absl::StrFormat(
      "Holes:     %d probably lost (%s of the answers between others), %d "
      "probably silent",
      lost, Percent(lost, lost + Number(m, "/holes/answered")),
      Number(m, "/holes/probably_silent"));
  std::map<std::string, uint64_t> again;
  if (m.contains("second_look") && m["second_look"].is_array()) {
    for (const Json& pass : m["second_look"]) {
      again[Text(pass, "/pass")] += Number(pass, "/sent");
    }
  }
  for (const auto& [name, sent] : again) {
    absl::StrAppend(&line, "; ", sent, " probes to ", name);
  }
  return line + "\n";
}

// Of which scans a merged dataset is; nothing for any other.
std::string ScansLines(const Json& m) {
  if (!m.contains("vantages") || !m["vantages"].is_array()) return "";
  std::string lines;
  for (const Json& vantage : m["vantages"]) {
    const std::string name = Text(vantage, "/name");
    absl::StrAppend(
        &lines, lines.empty() ? "Scans:     " : "           ",
        vantage.contains("scans") ? vantage["scans"].size() : 0, " of ",
        name.empty() ? "a vantage point without a name" : name, "\n");
  }
  return lines;
}

void List(const Json& value, const std::string& name, std::string& out) {
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) {
      List(inner, name.empty() ? key : absl::StrCat(name, ".", key), out);
    }
  } else if (value.is_number()) {
    absl::StrAppendFormat(&out, "  %-36s %s\n", name, value.dump());
  }
}

}  // namespace

std::string Summarize(const std::string& manifest, const std::string& name) {
  const Json m = Read(manifest);
  std::string out = absl::StrFormat("Scan %s: %s\n", Text(m, "/end"), name);
  if (!Text(m, "/trouble").empty()) {
    absl::StrAppend(&out, "Trouble:   ", Text(m, "/trouble"), "\n");
  }
  absl::StrAppend(&out, "Time:      ", Text(m, "/start"), " to ",
                  Text(m, "/stop"), "\n", ResumedLine(m), ProbesLine(m));
  absl::StrAppendFormat(
      &out,
      "Replies:   %d valid, %d of them repeated; %d rewritten, %d foreign, "
      "%d malformed\n",
      Number(m, "/replies/valid"), Number(m, "/replies/duplicate"),
      Number(m, "/replies/rewritten_address") +
          Number(m, "/replies/rewritten_port"),
      Number(m, "/replies/foreign"), Number(m, "/replies/malformed"));
  absl::StrAppend(&out, LossLine(m), HolesLine(m));
  absl::StrAppendFormat(
      &out,
      "Found:     %d links; %d pairs with silent hops between; %d targets "
      "reached, %d loops\n",
      Number(m, "/links/links"), Number(m, "/links/gaps"),
      Number(m, "/links/ends/destination"), Number(m, "/links/ends/loop"));
  const std::string scans = ScansLines(m);
  absl::StrAppend(&out, scans);
  if (scans.empty()) {
    absl::StrAppend(&out, "Seed:      ", Number(m, "/configuration/seed"),
                    "\n");
  }
  return out;
}

std::string ListCounters(const std::string& manifest) {
  Json m = Read(manifest);
  for (const char* key : {"configuration", "vantages", "scans"}) m.erase(key);
  std::string out;
  List(m, "", out);
  return out;
}

}  // namespace fathom
