#include <arpa/inet.h>
#include <maxminddb.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/annotate/network_format.h"
#include "src/annotate/text.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"

// MMDB, read by libmaxminddb. Three schemas are known: MaxMind's, which nests
// (country.iso_code, location.latitude), one that is flat (country_code,
// latitude), and IPinfo's, whose numbers are text ("AS13335").

namespace fathom {
namespace {

using Value = std::optional<MMDB_entry_data_s>;

// What stands at the end of keys in an entry.
template <typename... Keys>
Value At(MMDB_entry_s entry, Keys... keys) {
  MMDB_entry_data_s data;
  const int code =
      MMDB_get_value(&entry, &data, keys..., static_cast<const char*>(nullptr));
  if (code != MMDB_SUCCESS || !data.has_data) return std::nullopt;
  return data;
}

std::string Text(const Value& value) {
  if (!value || value->type != MMDB_DATA_TYPE_UTF8_STRING) return {};
  return Printable({value->utf8_string, value->data_size});
}

// A number, also one in text.
std::optional<double> Number(const Value& value) {
  if (!value) return std::nullopt;
  switch (value->type) {
    case MMDB_DATA_TYPE_DOUBLE:
      return value->double_value;
    case MMDB_DATA_TYPE_FLOAT:
      return value->float_value;
    case MMDB_DATA_TYPE_UINT16:
      return value->uint16;
    case MMDB_DATA_TYPE_UINT32:
      return value->uint32;
    case MMDB_DATA_TYPE_INT32:
      return value->int32;
    case MMDB_DATA_TYPE_UTF8_STRING: {
      const std::string text = Text(value);
      char* end = nullptr;
      const double number = std::strtod(text.c_str(), &end);
      if (text.empty() || end != text.c_str() + text.size()) break;
      return number;
    }
    default:
      break;
  }
  return std::nullopt;
}

uint32_t Asn(const Value& value) {
  if (!value) return 0;
  if (value->type == MMDB_DATA_TYPE_UINT32) return value->uint32;
  if (value->type == MMDB_DATA_TYPE_UINT16) return value->uint16;
  return ParseAsn(Text(value)).value_or(0);
}

uint32_t AsnOf(MMDB_entry_s entry) {
  const uint32_t asn = Asn(At(entry, "autonomous_system_number"));
  return asn != 0 ? asn : Asn(At(entry, "asn"));
}

// The first of these that there is and that `fits`.
std::string First(std::initializer_list<Value> values, size_t most) {
  for (const Value& value : values) {
    std::string text = Text(value);
    if (!text.empty() && text.size() <= most) return text;
  }
  return {};
}

constexpr size_t kAnyLength = 200;
constexpr size_t kCountryCode = 2;

void TellPlace(MMDB_entry_s entry, Annotation* annotation) {
  auto latitude = Number(At(entry, "location", "latitude"));
  auto longitude = Number(At(entry, "location", "longitude"));
  if (!latitude) latitude = Number(At(entry, "latitude"));
  if (!longitude) longitude = Number(At(entry, "longitude"));
  if (!latitude) latitude = Number(At(entry, "lat"));
  if (!longitude) longitude = Number(At(entry, "lng"));
  // Both or neither; not a number is out of every range.
  if (!latitude || !longitude || !(std::abs(*latitude) <= 90) ||
      !(std::abs(*longitude) <= 180)) {
    return;
  }
  annotation->latitude = latitude;
  annotation->longitude = longitude;
}

class Mmdb final : public NetworkSource {
 public:
  explicit Mmdb(const MMDB_s& database) : database_(database) {}
  ~Mmdb() override { MMDB_close(&database_); }
  Mmdb(const Mmdb&) = delete;
  Mmdb& operator=(const Mmdb&) = delete;

  void Tell(const IpAddress& address, Annotation* annotation) const override {
    const auto entry = Find(address);
    if (!entry) return;
    if (annotation->asn == 0) annotation->asn = AsnOf(*entry);
    if (annotation->country.empty()) {
      annotation->country =
          First({At(*entry, "country", "iso_code"), At(*entry, "country_code"),
                 At(*entry, "country")},
                kCountryCode);
    }
    if (annotation->city.empty()) {
      annotation->city = First(
          {At(*entry, "city", "names", "en"), At(*entry, "city")}, kAnyLength);
    }
    if (!annotation->latitude) TellPlace(*entry, annotation);
  }

  std::string NameOfAs(uint32_t asn, const IpAddress& address) const override {
    const auto entry = Find(address);
    if (!entry || AsnOf(*entry) != asn) return {};
    return First({At(*entry, "autonomous_system_organization"),
                  At(*entry, "as_name"), At(*entry, "name")},
                 kAnyLength);
  }

 private:
  std::optional<MMDB_entry_s> Find(const IpAddress& address) const {
    sockaddr_storage storage{};
    auto* const generic = reinterpret_cast<sockaddr*>(&storage);
    if (address.family() == Family::kIpv4) {
      auto* const v4 = reinterpret_cast<sockaddr_in*>(&storage);
      v4->sin_family = AF_INET;
      v4->sin_addr.s_addr = htonl(address.v4());
    } else {
      auto* const v6 = reinterpret_cast<sockaddr_in6*>(&storage);
      v6->sin6_family = AF_INET6;
      std::array<std::byte, 16> bytes;
      Store(BigEndian<uint64_t>(address.high()), bytes);
      Store(BigEndian<uint64_t>(address.low()), std::span(bytes).subspan(8));
      std::memcpy(&v6->sin6_addr, bytes.data(), bytes.size());
    }
    int code = MMDB_SUCCESS;
    const MMDB_lookup_result_s found =
        MMDB_lookup_sockaddr(&database_, generic, &code);
    if (code != MMDB_SUCCESS || !found.found_entry) return std::nullopt;
    return found.entry;
  }

  mutable MMDB_s database_;  // The library asks for it without const.
};

bool Matches(std::string_view /*head*/, std::string_view tail) {
  constexpr std::string_view kMark = "\xab\xcd\xefMaxMind.com";
  return tail.rfind(kMark) != tail.npos;
}

absl::StatusOr<std::unique_ptr<NetworkSource>> Read(InputFile& file) {
  FATHOM_RETURN_IF_ERROR(ReadToEnd(file));
  MMDB_s database;
  const int code = MMDB_open(file.path().c_str(), MMDB_MODE_MMAP, &database);
  if (code != MMDB_SUCCESS) {
    return absl::InvalidArgumentError(
        absl::StrCat("read ", file.path(), ": ", MMDB_strerror(code)));
  }
  return std::make_unique<Mmdb>(database);
}

const Register<NetworkFormat> kMmdb(
    {"MMDB", "networks, ASes and places, by MaxMind, IPinfo and others",
     &Matches, &Read});

}  // namespace
}  // namespace fathom
