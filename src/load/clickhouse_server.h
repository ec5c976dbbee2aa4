#ifndef FATHOM_SRC_LOAD_CLICKHOUSE_SERVER_H_
#define FATHOM_SRC_LOAD_CLICKHOUSE_SERVER_H_

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/load/http_client.h"

namespace fathom {

// A ClickHouse server, by its HTTP interface: queries, and rows to insert. Its
// errors are passed on in its own words, with what may be done about them.
// From version 18.16, Debian's, on.

// The part of a version that says what the server knows.
struct ClickhouseVersion {
  int year = 0;
  int minor = 0;

  friend auto operator<=>(const ClickhouseVersion&,
                          const ClickhouseVersion&) = default;
};

class ClickhouseServer {
 public:
  // Asks the server which version it is.
  static absl::StatusOr<ClickhouseServer> Open(const std::string& url,
                                               const std::string& password);

  const std::string& shown_url() const { return http_->shown_url(); }
  const std::string& version_text() const { return version_text_; }
  ClickhouseVersion version() const { return version_; }

  // Runs a statement that answers nothing.
  absl::Status Run(const std::string& query);

  // The rows of an answer, as text.
  using Row = std::vector<std::string>;
  absl::StatusOr<std::vector<Row>> Ask(const std::string& query);

  // Inserts `body`, in the format that `query` ends with: one block of Native
  // is there wholly, or not at all, when this returns.
  absl::Status Insert(const std::string& query, std::string_view body);

 private:
  ClickhouseServer(std::unique_ptr<HttpClient> http)  // NOLINT
      : http_(std::move(http)) {}

  absl::StatusOr<std::string> Post(HttpClient::Parameters parameters,
                                   std::string_view body);

  std::unique_ptr<HttpClient> http_;
  std::string version_text_;
  ClickhouseVersion version_;
  HttpClient::Parameters insert_settings_;
};

// A name as it stands in a query.
std::string QuoteName(std::string_view name);
// A string as it stands in a query.
std::string QuoteString(std::string_view text);

}  // namespace fathom

#endif  // FATHOM_SRC_LOAD_CLICKHOUSE_SERVER_H_
