#include "src/load/clickhouse_server.h"

#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

// The server's number for an error, and what to do about it.
struct Advice {
  int code;
  absl::StatusCode status;
  const char* text;
};
constexpr auto kBadInput = absl::StatusCode::kFailedPrecondition;
constexpr auto kFailed = absl::StatusCode::kUnavailable;
constexpr auto kRefused = absl::StatusCode::kPermissionDenied;
constexpr char kWhoYouAre[] =
    "user and password stand in the URL, http://USER:PASSWORD@HOST:8123, or "
    "the password in CLICKHOUSE_PASSWORD";
constexpr char kNoRight[] =
    "grant this user the right, or name another in the URL";
constexpr Advice kAdvice[] = {
    {60, kBadInput, "--create makes the tables"},
    {81, kBadInput, "--create makes the database; --database names another"},
    {159, kFailed, "the server gave up for want of time; try again later"},
    {164, kRefused, kNoRight},
    {192, kRefused, kWhoYouAre},
    {193, kRefused, kWhoYouAre},
    {194, kRefused, kWhoYouAre},
    {241, kFailed, "allow it more memory, by max_memory_usage"},
    {242, kFailed,
     "the table is read-only: look after its ZooKeeper or Keeper"},
    {243, kFailed, "its disk is full: make room there"},
    {252, kFailed,
     "it merges slower than rows come; try again in some minutes"},
    {291, kRefused, kNoRight},
    {497, kRefused, kNoRight},
    {516, kRefused, kWhoYouAre},
};

// The number in "Code: 60, e.displayText() = ..." or "Code: 60. DB::...".
int CodeOf(std::string_view body) {
  constexpr std::string_view kCode = "Code: ";
  const size_t at = body.find(kCode);
  int code = 0;
  if (at != std::string_view::npos) {
    const char* const digits = body.data() + at + kCode.size();
    std::from_chars(digits, body.data() + body.size(), code);
  }
  return code;
}

absl::Status ErrorOf(const std::string& url, const HttpAnswer& answer) {
  std::string_view said = answer.body;
  while (!said.empty() && absl::ascii_isspace(said.back())) {
    said.remove_suffix(1);
  }
  const int code = CodeOf(said);
  const std::string text =
      absl::StrCat(url, " says: ",
                   said.empty() ? absl::StrCat("HTTP status ", answer.status)
                                : std::string(said.substr(0, 2000)));
  for (const Advice& advice : kAdvice) {
    if (advice.code != code) continue;
    return absl::Status(advice.status,
                        absl::StrCat(text, "\nWhat to do: ", advice.text));
  }
  if (answer.status == 401 || answer.status == 403) {
    return absl::PermissionDeniedError(
        absl::StrCat(text, "\nWhat to do: ", kWhoYouAre));
  }
  if (code != 0) return absl::UnavailableError(text);
  return absl::InvalidArgumentError(absl::StrCat(
      text,
      "\nWhat to do: see whether the URL is that of ClickHouse's HTTP "
      "interface, on port 8123 or, for https, 8443"));
}

// Undoes the escapes of TabSeparated.
std::string Unescape(absl::string_view field) {
  std::string text;
  for (size_t i = 0; i < field.size(); ++i) {
    if (field[i] != '\\' || i + 1 == field.size()) {
      text.push_back(field[i]);
      continue;
    }
    const char c = field[++i];
    text.push_back(c == 't' ? '\t' : c == 'n' ? '\n' : c);
  }
  return text;
}

std::string Quote(std::string_view text, char mark) {
  std::string quoted(1, mark);
  for (const char c : text) {
    if (c == mark || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  quoted.push_back(mark);
  return quoted;
}

absl::StatusOr<ClickhouseVersion> ParseVersion(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, '.');
  ClickhouseVersion version;
  if (parts.size() < 2 || !absl::SimpleAtoi(parts[0], &version.year) ||
      !absl::SimpleAtoi(parts[1], &version.minor)) {
    return absl::InvalidArgumentError(
        absl::StrCat("its version is \"", text.substr(0, 80), "\""));
  }
  return version;
}

}  // namespace

std::string QuoteName(std::string_view name) { return Quote(name, '`'); }
std::string QuoteString(std::string_view text) { return Quote(text, '\''); }

absl::StatusOr<ClickhouseServer> ClickhouseServer::Open(
    const std::string& url, const std::string& password) {
  FATHOM_ASSIGN_OR_RETURN(auto http, HttpClient::Make(url, password));
  ClickhouseServer server(std::move(http));
  FATHOM_ASSIGN_OR_RETURN(const auto rows, server.Ask("SELECT version()"));
  server.version_text_ = rows.empty() ? "" : rows[0][0];
  const auto version = ParseVersion(server.version_text_);
  if (!version.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        server.shown_url(),
        " does not answer as ClickHouse does: ", version.status().message()));
  }
  server.version_ = *version;
  // Rows must be where a query finds them when the insert returns, also those
  // that a Distributed table hands on; and one block must be one part.
  const std::pair<const char*, const char*> wanted[] = {
      {"insert_distributed_sync", "1"}, {"async_insert", "0"}};
  for (const auto& [name, value] : wanted) {
    FATHOM_ASSIGN_OR_RETURN(
        const auto known, server.Ask(absl::StrCat(
                              "SELECT name FROM system.settings WHERE name = ",
                              QuoteString(name))));
    if (!known.empty()) server.insert_settings_.emplace_back(name, value);
  }
  return server;
}

absl::StatusOr<std::string> ClickhouseServer::Post(
    HttpClient::Parameters parameters, std::string_view body) {
  FATHOM_ASSIGN_OR_RETURN(HttpAnswer answer, http_->Post(parameters, body));
  if (answer.status == 200) return std::move(answer.body);
  return ErrorOf(shown_url(), answer);
}

absl::Status ClickhouseServer::Run(const std::string& query) {
  return Post({}, query).status();
}

absl::StatusOr<std::vector<ClickhouseServer::Row>> ClickhouseServer::Ask(
    const std::string& query) {
  FATHOM_ASSIGN_OR_RETURN(
      const std::string text,
      Post({}, absl::StrCat(query, " FORMAT TabSeparated")));
  std::vector<Row> rows;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.empty()) continue;
    Row& row = rows.emplace_back();
    for (absl::string_view field : absl::StrSplit(line, '\t')) {
      row.push_back(Unescape(field));
    }
  }
  return rows;
}

absl::Status ClickhouseServer::Insert(const std::string& query,
                                      std::string_view body) {
  HttpClient::Parameters parameters = insert_settings_;
  parameters.emplace_back("query", query);
  return Post(std::move(parameters), body).status();
}

}  // namespace fathom
