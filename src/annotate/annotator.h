#ifndef FATHOM_SRC_ANNOTATE_ANNOTATOR_H_
#define FATHOM_SRC_ANNOTATE_ANNOTATOR_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "fathom/address.h"

namespace fathom {

// An Annotator says what local files know about an address: whose it is and
// where it stands. It asks nobody.
//
// Each file is read by what is in it, whatever its name. Where several tell of
// one address, each field is that of the first file, in the order given, that
// knows it.

struct AnnotationFiles {
  // Each of: prefixes with their AS in text (pfx2as), a dump of BGP routes
  // (MRT), names of ASes in text, an MMDB, or a database of libloc. Text and
  // MRT may be compressed by gzip.
  std::vector<std::string> networks{};
  // Prefixes of the LANs of exchanges, in text or JSON.
  std::vector<std::string> ixps{};
};

struct Annotation {
  uint32_t asn = 0;  // 0: not known, or the LAN of an exchange.
  std::string as_name{};
  std::string country{};  // ISO 3166, two letters.
  std::string city{};
  std::optional<double> latitude{};  // Degrees; both are known, or neither.
  std::optional<double> longitude{};
  std::string ixp{};  // The exchange whose LAN it is.

  friend bool operator==(const Annotation&, const Annotation&) = default;
};

// What was read from one file, for manifests and for people.
struct AnnotationFile {
  std::string path{};
  std::string format{};   // "pfx2as", "MRT", "AS names", "MMDB", ...
  uint64_t bytes = 0;     // As it lies on the disk.
  uint64_t xxh3 = 0;      // XXH3-64 of those bytes.
  uint64_t networks = 0;  // Prefixes that were read; 0 where nobody counted.
  uint64_t skipped = 0;   // Records that say nothing an annotation holds.
};

// Thread safety: Find() of one Annotator is for one thread at a time.
class Annotator {
 public:
  // Reads all files. Errors name the file, and the line or byte.
  static absl::StatusOr<Annotator> Open(const AnnotationFiles& files);

  Annotator(Annotator&&) noexcept;
  Annotator& operator=(Annotator&&) noexcept;
  ~Annotator();

  Annotation Find(const IpAddress& address) const;

  // The name of an AS, from the first file that has one; else empty.
  std::string NameOfAs(uint32_t asn) const;

  // The networks' files, then the exchanges', in the order given.
  const std::vector<AnnotationFile>& files() const;

 private:
  struct Sources;
  explicit Annotator(std::unique_ptr<Sources> sources);

  std::unique_ptr<Sources> sources_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_ANNOTATE_ANNOTATOR_H_
