#include "src/load/http_client.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

// libcurl's own state, made before its first use; never unmade, since nothing
// says which use is the last.
absl::Status StartCurl() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (code == CURLE_OK) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("start libcurl: ", curl_easy_strerror(code)));
}

size_t TakeBody(const char* bytes, size_t /*one*/, size_t count, void* answer) {
  std::string& body = static_cast<HttpAnswer*>(answer)->body;
  if (body.size() + count > HttpClient::kMaxAnswer) return 0;
  body.append(bytes, count);
  return count;
}

// Why there was no answer, as a code that tells bad options from bad luck.
absl::StatusCode CodeOf(CURLcode code) {
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_COULDNT_RESOLVE_HOST:
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpClient>> HttpClient::Make(
    const std::string& url, const std::string& password) {
  FATHOM_RETURN_IF_ERROR(StartCurl());
  std::unique_ptr<HttpClient> client(new HttpClient());
  FATHOM_RETURN_IF_ERROR(client->ReadUrl(url));
  FATHOM_RETURN_IF_ERROR(client->Prepare(password));
  return client;
}

std::string HttpClient::Part(CURLUPart part, unsigned flags) const {
  char* text = nullptr;
  if (curl_url_get(url_.get(), part, &text, flags) != CURLUE_OK) return {};
  std::string copy(text);
  curl_free(text);
  return copy;
}

absl::Status HttpClient::ReadUrl(const std::string& url) {
  url_.reset(curl_url());
  const CURLUcode code =
      curl_url_set(url_.get(), CURLUPART_URL, url.c_str(), CURLU_GUESS_SCHEME);
  // The text is not repeated: it may have a password.
  if (code != CURLUE_OK) {
    return absl::InvalidArgumentError(
        absl::StrCat("the URL: ", curl_url_strerror(code),
                     "; it should read http://USER:PASSWORD@HOST:8123"));
  }
  const std::string scheme = Part(CURLUPART_SCHEME, 0);
  if (scheme != "http" && scheme != "https") {
    return absl::InvalidArgumentError(absl::StrCat(
        "the URL: ", scheme, " is not spoken here; http and https are"));
  }
  if (!Part(CURLUPART_QUERY, 0).empty()) {
    return absl::InvalidArgumentError(
        "the URL: it has a query, \"?...\", which is for fathom to write");
  }
  user_ = Part(CURLUPART_USER, CURLU_URLDECODE);
  password_ = Part(CURLUPART_PASSWORD, CURLU_URLDECODE);
  curl_url_set(url_.get(), CURLUPART_USER, nullptr, 0);
  curl_url_set(url_.get(), CURLUPART_PASSWORD, nullptr, 0);
  shown_url_ = Part(CURLUPART_URL, 0);
  while (shown_url_.ends_with('/')) shown_url_.pop_back();
  return absl::OkStatus();
}

absl::Status HttpClient::Prepare(const std::string& password) {
  if (password_.empty()) password_ = password;
  curl_.reset(curl_easy_init());
  if (curl_ == nullptr) return absl::InternalError("start libcurl: no memory");
  // Bodies go out at once: no server here refuses by the header alone.
  headers_.reset(curl_slist_append(nullptr, "Expect:"));
  CURL* const curl = curl_.get();
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers_.get());
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 15L);
  // A server that merges may take minutes to answer; one that is gone does not
  // answer these.
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "fathom/" FATHOM_VERSION);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &TakeBody);
  if (!user_.empty() || !password_.empty()) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(curl, CURLOPT_USERNAME,
                     user_.empty() ? "default" : user_.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, password_.c_str());
  }
  return absl::OkStatus();
}

absl::StatusOr<HttpAnswer> HttpClient::Post(const Parameters& parameters,
                                            std::string_view body) {
  curl_url_set(url_.get(), CURLUPART_QUERY, nullptr, 0);
  for (const auto& [name, value] : parameters) {
    // libcurl takes what follows the first "=" to be the value, and encodes it.
    curl_url_set(url_.get(), CURLUPART_QUERY,
                 absl::StrCat(name, "=", value).c_str(),
                 CURLU_APPENDQUERY | CURLU_URLENCODE);
  }
  CURL* const curl = curl_.get();
  HttpAnswer answer;
  std::array<char, CURL_ERROR_SIZE> why{};
  curl_easy_setopt(curl, CURLOPT_CURLU, url_.get());
  curl_easy_setopt(curl, CURLOPT_POST, 1L);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                   static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why.data());
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
  if (code != CURLE_OK) {
    return absl::Status(
        CodeOf(code),
        absl::StrCat("ask ", shown_url_, ": ",
                     why[0] != 0 ? why.data() : curl_easy_strerror(code)));
  }
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
  return answer;
}

}  // namespace fathom
