#include "src/codec/marked_codec.h"

#include "absl/strings/str_cat.h"

namespace fathom {

absl::Status CheckMarkedOptions(const CodecOptions& options,
                                const MarkLimits& limits) {
  const auto wrong = [&](const std::string& text) {
    return absl::InvalidArgumentError(text);
  };
  if (options.min_ttl < Ttl(1) || options.max_ttl > kMaxTtl ||
      options.min_ttl > options.max_ttl) {
    return wrong(absl::StrCat("TTLs must satisfy 1 <= minimum <= maximum <= ",
                              kMaxTtl.value()));
  }
  if (options.flows == 0 || options.flows > limits.values) {
    return wrong(absl::StrCat("flows must be 1 to ", limits.values));
  }
  if (options.contact.size() > kMaxContact) {
    return wrong(absl::StrCat("the contact text is longer than ", kMaxContact,
                              " bytes"));
  }
  if (!limits.has_payload && !options.contact.empty()) {
    return wrong("TCP probes carry no data, and so no contact text");
  }
  return absl::OkStatus();
}

}  // namespace fathom
