#include "src/codec/marked_codec.h"

#include "absl/strings/str_cat.h"

namespace fathom {

absl::Status CheckMarkedOptions(const CodecOptions& options, uint32_t values,
                                const std::string& name) {
  const auto wrong = [&](const std::string& text) {
    return absl::InvalidArgumentError(text);
  };
  if (options.source.family() != Family::kIpv4) {
    return wrong(absl::StrCat(name, " probes need an IPv4 source address, not ",
                              options.source.ToString()));
  }
  if (options.min_ttl < Ttl(1) || options.max_ttl > kMaxTtl ||
      options.min_ttl > options.max_ttl) {
    return wrong(absl::StrCat("TTLs must satisfy 1 <= minimum <= maximum <= ",
                              kMaxTtl.value()));
  }
  if (options.flows == 0 || options.flows > values) {
    return wrong(absl::StrCat("flows must be 1 to ", values));
  }
  if (options.contact.size() > kMaxContact) {
    return wrong(absl::StrCat("the contact text is longer than ", kMaxContact,
                              " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace fathom
