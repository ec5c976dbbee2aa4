// Its headers declare C, and do not say so to C++.
extern "C" {
#include <libloc/as.h>
#include <libloc/database.h>
#include <libloc/libloc.h>
#include <libloc/network.h>
}

#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <span>

#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/annotate/network_format.h"
#include "src/annotate/text.h"
#include "src/base/bytes.h"
#include "src/base/mapping.h"
#include "src/base/status_macros.h"

// The database of IPFire's libloc, which Debian has as libloc-database: ASes,
// their names, and countries.
//
// The library trusts every offset and index in the file, so a file that is cut
// off or damaged would crash it: all that it will follow is checked before. The
// layout is that of libloc/format.h.

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

// What a file holds from some place on, and for how long.
struct Section {
  uint64_t offset;
  uint64_t length;
};

class Layout {
 public:
  explicit Layout(std::span<const std::byte> file) : file_(file) {}

  // Whether the library may read it.
  bool IsSound() const {
    constexpr size_t kHeader = 8 + 4192;  // With two signatures.
    if (file_.size() < kHeader || file_[7] != std::byte{1}) return false;
    const Section ases = At(28), networks = At(36), tree = At(44),
                  pool = At(60);
    for (const Section& section : {ases, networks, tree, At(52), pool}) {
      if (section.offset + section.length > file_.size()) return false;
    }
    return AreSound(ases, pool) && IsSound(tree, networks);
  }

 private:
  static constexpr uint64_t kNode = 12;
  static constexpr uint64_t kNetwork = 12;
  static constexpr uint64_t kAs = 8;

  uint32_t Number(uint64_t offset) const {
    return Load<Be32>(file_.subspan(offset));
  }
  Section At(uint64_t offset) const {
    return {Number(offset), Number(offset + 4)};
  }

  // Names of ASes are in the pool, whose last one ends.
  bool AreSound(const Section& ases, const Section& pool) const {
    if (pool.length == 0 ||
        file_[pool.offset + pool.length - 1] != std::byte{0}) {
      return false;
    }
    for (uint64_t i = 0; i < ases.length / kAs; ++i) {
      if (Number(ases.offset + i * kAs + 4) >= pool.length) return false;
    }
    return true;
  }

  // Nodes lead to nodes, and to networks that there are.
  bool IsSound(const Section& tree, const Section& networks) const {
    constexpr uint32_t kNoNetwork = 0xffff'ffff;
    const uint64_t nodes = tree.length / kNode;
    for (uint64_t i = 0; i < nodes; ++i) {
      const uint64_t node = tree.offset + i * kNode;
      const uint32_t network = Number(node + 8);
      if (Number(node) >= nodes || Number(node + 4) >= nodes ||
          (network != kNoNetwork && network >= networks.length / kNetwork)) {
        return false;
      }
    }
    return nodes > 0;
  }

  std::span<const std::byte> file_;
};

absl::Status CheckLayout(FILE* file, const std::string& path) {
  struct stat status;
  if (fstat(fileno(file), &status) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("read ", path));
  }
  const auto size = static_cast<size_t>(status.st_size);
  void* const memory =
      mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fileno(file), 0);
  if (memory == MAP_FAILED) {
    return absl::ErrnoToStatus(errno, absl::StrCat("read ", path));
  }
  const Mapping mapping({static_cast<std::byte*>(memory), size});
  if (Layout(mapping.bytes()).IsSound()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "read ", path, ": it is a database of libloc, but damaged or cut off"));
}

// The library would write to standard error.
void Silence(loc_ctx* /*context*/, int /*priority*/, const char* /*file*/,
             int /*line*/, const char* /*function*/, const char* /*format*/,
             va_list /*arguments*/) {}

absl::StatusOr<std::unique_ptr<NetworkSource>> Read(InputFile& file) {
  FATHOM_RETURN_IF_ERROR(ReadToEnd(file));
  const auto failed = [&](int error) {
    return absl::ErrnoToStatus(
        error, absl::StrCat("read ", file.path(), " by libloc"));
  };
  loc_ctx* made = nullptr;
  if (loc_new(&made) != 0) return failed(errno);
  Owned<loc_ctx> context(made);
  loc_set_log_fn(context.get(), &Silence);
  const Owned<FILE> opened(fopen(file.path().c_str(), "rbe"));
  if (opened == nullptr) return failed(errno);
  FATHOM_RETURN_IF_ERROR(CheckLayout(opened.get(), file.path()));
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
