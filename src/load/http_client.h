#ifndef FATHOM_SRC_LOAD_HTTP_CLIENT_H_
#define FATHOM_SRC_LOAD_HTTP_CLIENT_H_

#include <curl/curl.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fathom {

// Requests to one server over HTTP or HTTPS, by libcurl, one after the other
// over a connection that stays open. Certificates are checked against the
// system's authorities, and http_proxy, https_proxy and no_proxy hold. One
// thread.

struct HttpAnswer {
  long status = 0;
  std::string body;  // At most kMaxAnswer bytes; more is an error.
};

class HttpClient {
 public:
  static constexpr size_t kMaxAnswer = 16 << 20;

  // `url` may have a user and a password, and a path, but no query. Without a
  // password there it is `password`, with a user alone or without. Connects to
  // nobody yet.
  static absl::StatusOr<std::unique_ptr<HttpClient>> Make(
      const std::string& url, const std::string& password);

  // The URL as people may see it: no user, no password.
  const std::string& shown_url() const { return shown_url_; }

  using Parameters = std::vector<std::pair<std::string, std::string>>;

  // Sends `body` to the URL with `parameters` as its query. An answer of any
  // status is an answer; an error says why there is none.
  absl::StatusOr<HttpAnswer> Post(const Parameters& parameters,
                                  std::string_view body);

 private:
  struct Delete {
    void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };

  HttpClient() = default;

  absl::Status ReadUrl(const std::string& url);
  std::string Part(CURLUPart part, unsigned flags) const;
  absl::Status Prepare(const std::string& password);

  std::unique_ptr<CURL, Delete> curl_;
  std::unique_ptr<CURLU, Delete> url_;
  std::unique_ptr<curl_slist, Delete> headers_;
  std::string user_;
  std::string password_;
  std::string shown_url_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_LOAD_HTTP_CLIENT_H_
