// Its headers declare C, and do not say so to C++.
extern "C" {
#include <libloc/as.h>
#include <libloc/database.h>
#include <libloc/libloc.h>
#include <libloc/network.h>
}

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/annotate/network_format.h"
#include "src/annotate/text.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"

// The database of IPFire's libloc, which Debian has as libloc-database: ASes,
// their names, and countries.

namespace fathom {
namespace {

struct Release {
  void operator()(loc_ctx* context) const { loc_unref(context); }
  void operator()(loc_database* database) const {
    loc_database_unref(database);
  }
  void operator()(loc_network* network) const { loc_network_unref(network); }
  void operator()(loc_as* as) const { loc_as_unref(as); }
  void operator()(FILE* file) const { fclose(file); }
};
template <typename T>
using Owned = std::unique_ptr<T, Release>;

class Libloc final : public NetworkSource {
 public:
  Libloc(Owned<loc_ctx> context, Owned<loc_database> database)
      : context_(std::move(context)), database_(std::move(database)) {}

  void Tell(const IpAddress& address, Annotation* annotation) const override {
    if (annotation->asn != 0 && !annotation->country.empty()) return;
    in6_addr raw;
    std::array<std::byte, 16> bytes;
    Store(BigEndian<uint64_t>(address.high()), bytes);
    Store(BigEndian<uint64_t>(address.low()), std::span(bytes).subspan(8));
    std::memcpy(&raw, bytes.data(), bytes.size());
    loc_network* found = nullptr;
    if (loc_database_lookup(database_.get(), &raw, &found) != 0) return;
    const Owned<loc_network> network(found);
    if (network == nullptr) return;
    if (annotation->asn == 0) {
      annotation->asn = loc_network_get_asn(network.get());
    }
    const char* const country = loc_network_get_country_code(network.get());
    if (annotation->country.empty() && country != nullptr) {
      annotation->country = Printable(country);
    }
  }

  std::string NameOfAs(uint32_t asn,
                       const IpAddress& /*address*/) const override {
    loc_as* found = nullptr;
    if (loc_database_get_as(database_.get(), &found, asn) != 0) return {};
    const Owned<loc_as> as(found);
    const char* const name = as == nullptr ? nullptr : loc_as_get_name(found);
    return name == nullptr ? std::string() : Printable(name);
  }

 private:
  const Owned<loc_ctx> context_;
  const Owned<loc_database> database_;
};

bool Matches(std::string_view head, std::string_view /*tail*/) {
  return head.starts_with("LOCDBXX");
}

// The library would write to standard error.
void Silence(loc_ctx* /*context*/, int /*priority*/, const char* /*file*/,
             int /*line*/, const char* /*function*/, const char* /*format*/,
             va_list /*arguments*/) {}

absl::StatusOr<std::unique_ptr<NetworkSource>> Read(InputFile& file) {
  FATHOM_RETURN_IF_ERROR(ReadToEnd(file));
  const auto failed = [&](int error) {
    return absl::InvalidArgumentError(
        absl::StrCat("read ", file.path(), " by libloc: ", strerror(error)));
  };
  loc_ctx* made = nullptr;
  if (loc_new(&made) != 0) return failed(errno);
  Owned<loc_ctx> context(made);
  loc_set_log_fn(context.get(), &Silence);
  const Owned<FILE> opened(fopen(file.path().c_str(), "rbe"));
  if (opened == nullptr) return failed(errno);
  loc_database* database = nullptr;
  errno = 0;
  if (loc_database_new(context.get(), &database, opened.get()) != 0) {
    return failed(errno != 0 ? errno : EINVAL);
  }
  return std::make_unique<Libloc>(std::move(context),
                                  Owned<loc_database>(database));
}

const Register<NetworkFormat> kLibloc(
    {"libloc", "ASes and countries: Debian's libloc-database", &Matches,
     &Read});

}  // namespace
}  // namespace fathom
