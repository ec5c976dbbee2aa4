#include "src/dataset/check_dataset.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "fathom/dataset.h"
#include "src/base/status_macros.h"
#include "src/base/unique_fd.h"
#include "src/dataset/output_file.h"
#include "src/dataset/parquet/metadata.h"
#include "src/dataset/sealed_manifest.h"

namespace fathom {
namespace {

// Reads a file from its front, hashing as it goes.
class HashedFile {
 public:
  static absl::StatusOr<HashedFile> Open(const std::string& path) {
    UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) return FileError("open", path, errno);
    struct stat status;
    if (fstat(fd.get(), &status) != 0) return FileError("read", path, errno);
    if (!S_ISREG(status.st_mode)) return FileError("read", path, EINVAL);
    return HashedFile(path, std::move(fd),
                      static_cast<uint64_t>(status.st_size));
  }

  uint64_t size() const { return size_; }

  // The hash of the next `count` bytes. Adds them to that of the file.
  absl::StatusOr<uint64_t> Next(uint64_t count) {
    XXH3_64bits_reset(part_.get());
    while (count > 0) {
      const size_t most = std::min<uint64_t>(count, buffer_.size());
      const ssize_t got = read(fd_.get(), buffer_.data(), most);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return FileError("read", path_, errno);
      if (got == 0) {
        return absl::DataLossError(
            absl::StrCat("read ", path_, ": the file became shorter"));
      }
      XXH3_64bits_update(part_.get(), buffer_.data(), static_cast<size_t>(got));
      XXH3_64bits_update(all_.get(), buffer_.data(), static_cast<size_t>(got));
      count -= static_cast<uint64_t>(got);
    }
    return XXH3_64bits_digest(part_.get());
  }

  // Of what was read.
  uint64_t hash() const { return XXH3_64bits_digest(all_.get()); }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  using State = std::unique_ptr<XXH3_state_t, Free>;

  HashedFile(std::string path, UniqueFd fd, uint64_t size)
      : path_(std::move(path)),
        fd_(std::move(fd)),
        size_(size),
        part_(XXH3_createState()),
        all_(XXH3_createState()),
        buffer_(1 << 20) {
    XXH3_64bits_reset(all_.get());
  }

  std::string path_;
  UniqueFd fd_;
  uint64_t size_;
  State part_;
  State all_;
  std::vector<std::byte> buffer_;
};

class Check {
 public:
  explicit Check(const std::string& path) : path_(path) {}

  DatasetCheck Run() {
    const auto sealed = ReadSealedManifest(path_);
    if (sealed.ok()) {
      result_.sealed = !sealed->files.empty();
      if (!sealed->intact) {
        Add(kManifestName, std::nullopt,
            absl::DataLossError("the checksums of files in it are damaged"));
      }
      for (const auto& [name, seal] : sealed->files) {
        const absl::Status status = CheckFile(name, seal);
        if (!status.ok()) Add(name, std::nullopt, status);
      }
    }
    const absl::Status status = ReadRows();
    // What reading stumbles over is told already where a seal tells of it.
    if (!status.ok() && result_.damages.empty()) {
      Add(NameIn(status), std::nullopt, status);
    }
    return std::move(result_);
  }

 private:
  absl::Status CheckFile(const std::string& name, const FileSeal& seal) {
    if (name.empty() || name.find('/') != std::string::npos) {
      return absl::DataLossError("not a name of a file in a dataset");
    }
    FATHOM_ASSIGN_OR_RETURN(HashedFile file,
                            HashedFile::Open(absl::StrCat(path_, "/", name)));
    ++result_.files;
    result_.bytes += file.size();
    result_.rows += seal.rows;
    if (file.size() != seal.bytes) {
      return absl::DataLossError(absl::StrCat(file.size(), " bytes where ",
                                              seal.bytes, " were written"));
    }
    return CheckHashes(name, seal, file);
  }

  absl::Status CheckHashes(const std::string& name, const FileSeal& seal,
                           HashedFile& file) {
    const size_t before = result_.damages.size();
    uint64_t left = file.size();
    FATHOM_RETURN_IF_ERROR(Take(file, parquet::kMagic.size(), &left).status());
    for (size_t i = 0; i < seal.row_groups.size(); ++i) {
      FATHOM_ASSIGN_OR_RETURN(const uint64_t hash,
                              Take(file, seal.row_groups[i].bytes, &left));
      if (hash == seal.row_groups[i].xxh3) continue;
      Add(name, i, absl::DataLossError("not the bytes that were written"));
    }
    FATHOM_RETURN_IF_ERROR(Take(file, left, &left).status());
    if (file.hash() == seal.xxh3 || result_.damages.size() > before) {
      return absl::OkStatus();
    }
    return absl::DataLossError(
        "not the bytes that were written, in its footer or first four bytes");
  }

  static absl::StatusOr<uint64_t> Take(HashedFile& file, uint64_t count,
                                       uint64_t* left) {
    if (count > *left) {
      return absl::DataLossError("row groups beyond its end in the manifest");
    }
    *left -= count;
    return file.Next(count);
  }

  absl::Status ReadRows() {
    FATHOM_ASSIGN_OR_RETURN(const auto reader, OpenDataset(path_));
    size_t got = 1;
    while (got > 0) {
      FATHOM_ASSIGN_OR_RETURN(const auto links, reader->NextLinks());
      got = links.size();
    }
    for (got = 1; got > 0;) {
      FATHOM_ASSIGN_OR_RETURN(const auto replies, reader->NextReplies());
      got = replies.size();
    }
    for (got = 1; got > 0;) {
      FATHOM_ASSIGN_OR_RETURN(const auto links, reader->NextScanLinks());
      got = links.size();
    }
    return absl::OkStatus();
  }

  // Which file a reader's message is about.
  static std::string NameIn(const absl::Status& status) {
    const std::string_view message(status.message().data(),
                                   status.message().size());
    for (const char* const table : kTableNames) {
      const std::string name = absl::StrCat(table, ".parquet");
      if (message.find("/" + name) != message.npos) return name;
    }
    return kManifestName;
  }

  void Add(std::string file, std::optional<size_t> row_group,
           const absl::Status& status) {
    result_.damages.push_back({.file = std::move(file),
                               .row_group = row_group,
                               .what = std::string(status.message())});
  }

  const std::string path_;
  DatasetCheck result_;
};

}  // namespace

DatasetCheck CheckDataset(const std::string& path) { return Check(path).Run(); }

}  // namespace fathom
