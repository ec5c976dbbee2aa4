#include "src/annotate/annotator.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fathom/registry.h"
#include "src/annotate/ixps.h"
#include "src/annotate/network_format.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

// The last bytes of the file, as many of kTail as there are.
absl::StatusOr<std::string> ReadTail(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status;
  if (!fd.valid() || fstat(fd.get(), &status) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("open ", path));
  }
  const auto size = std::min<int64_t>(status.st_size, NetworkFormat::kTail);
  std::string tail(static_cast<size_t>(size), '\0');
  const ssize_t got =
      pread(fd.get(), tail.data(), tail.size(), status.st_size - size);
  tail.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
  return tail;
}

absl::Status UnknownFormat(const std::string& path, std::string_view head) {
  std::string known;
  for (const NetworkFormat& format : Register<NetworkFormat>::All()) {
    absl::StrAppend(&known, known.empty() ? "" : ", ", format.name, " (",
                    format.help, ")");
  }
  const char* const packed = head.starts_with("BZh") ? "bzip2"
                             : head.starts_with(
                                   "\xfd"
                                   "7zXZ")
                                 ? "xz"
                             : head.starts_with("\x28\xb5\x2f\xfd") ? "zstd"
                             : head.starts_with("PK\x03\x04")       ? "zip"
                                                                    : nullptr;
  if (packed != nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("read ", path, ": it is compressed by ", packed,
                     "; unpack it first, or use gzip"));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "read ", path, ": in none of the formats that are known: ", known));
}

absl::StatusOr<NetworkFormat> FindFormat(InputFile& file) {
  FATHOM_ASSIGN_OR_RETURN(const std::string tail, ReadTail(file.path()));
  FATHOM_ASSIGN_OR_RETURN(const std::string_view head,
                          file.Peek(NetworkFormat::kHead));
  // What MRT is told by is weaker than the marks of others.
  std::optional<NetworkFormat> found;
  for (const NetworkFormat& format : Register<NetworkFormat>::All()) {
    if (!format.matches(head, tail)) continue;
    if (!found || std::string_view(found->name) == "MRT") found = format;
  }
  if (!found) return UnknownFormat(file.path(), head);
  return *found;
}

}  // namespace

struct Annotator::Sources {
  std::vector<std::unique_ptr<NetworkSource>> networks;
  Ixps ixps;
  std::vector<AnnotationFile> files;

  absl::Status AddNetworks(const std::string& path);
  absl::Status AddIxps(const std::string& path);
};

absl::Status Annotator::Sources::AddNetworks(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(path));
  FATHOM_ASSIGN_OR_RETURN(const NetworkFormat format, FindFormat(file));
  FATHOM_ASSIGN_OR_RETURN(auto source, format.read(file));
  files.push_back({.path = path,
                   .format = format.name,
                   .bytes = file.bytes(),
                   .xxh3 = file.xxh3(),
                   .networks = source->networks(),
                   .skipped = source->skipped()});
  networks.push_back(std::move(source));
  return absl::OkStatus();
}

absl::Status Annotator::Sources::AddIxps(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(path));
  FATHOM_RETURN_IF_ERROR(ixps.Read(file));
  files.push_back({.path = path,
                   .format = "exchanges",
                   .bytes = file.bytes(),
                   .xxh3 = file.xxh3(),
                   .networks = ixps.networks()});
  return absl::OkStatus();
}

Annotator::Annotator(std::unique_ptr<Sources> sources)
    : sources_(std::move(sources)) {}
Annotator::Annotator(Annotator&&) noexcept = default;
Annotator& Annotator::operator=(Annotator&&) noexcept = default;
Annotator::~Annotator() = default;

absl::StatusOr<Annotator> Annotator::Open(const AnnotationFiles& files) {
  auto sources = std::make_unique<Sources>();
  for (const std::string& path : files.networks) {
    FATHOM_RETURN_IF_ERROR(sources->AddNetworks(path));
  }
  for (const std::string& path : files.ixps) {
    FATHOM_RETURN_IF_ERROR(sources->AddIxps(path));
  }
  sources->ixps.Build();
  return Annotator(std::move(sources));
}

Annotation Annotator::Find(const IpAddress& address) const {
  Annotation annotation;
  for (const auto& source : sources_->networks) {
    source->Tell(address, &annotation);
  }
  if (const std::string* const ixp = sources_->ixps.Find(address)) {
    // Whoever announces the LAN, if anybody does, the router is another's.
    annotation.ixp = *ixp;
    annotation.asn = 0;
  }
  for (const auto& source : sources_->networks) {
    if (annotation.asn == 0 || !annotation.as_name.empty()) break;
    annotation.as_name = source->NameOfAs(annotation.asn, address);
  }
  return annotation;
}

std::string Annotator::NameOfAs(uint32_t asn) const {
  for (const auto& source : sources_->networks) {
    std::string name = source->NameOfAs(asn, IpAddress());
    if (!name.empty()) return name;
  }
  return {};
}

const std::vector<AnnotationFile>& Annotator::files() const {
  return sources_->files;
}

}  // namespace fathom
