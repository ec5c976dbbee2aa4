#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/base/unique_fd.h"
#include "src/dataset/output_file.h"
#include "src/dataset/parquet_table_reader.h"
#include "src/dataset/parquet_table_writer.h"
#include "src/dataset/tables.h"

// The dataset directory: a Parquet file per table, and the manifest, which
// stands in each of them as well, so that a file on its own says what it is.

namespace fathom {
namespace {

using HopWriter = ParquetTableWriter<Reply, HopRow>;
using LinkWriter = ParquetTableWriter<Link, LinkRow>;
using HopReader = ParquetTableReader<Reply, HopRow>;
using LinkReader = ParquetTableReader<Link, LinkRow>;

constexpr char kManifestKey[] = "fathom.manifest";
constexpr char kManifestName[] = "manifest.json";
// Far more than any manifest has, and little enough to be held.
constexpr int64_t kMaxManifest = 64 << 20;

std::string TablePath(const std::string& directory, Table table) {
  return absl::StrCat(directory, "/", kTableNames[static_cast<int>(table)],
                      ".parquet");
}

std::string ManifestPath(const std::string& directory) {
  return absl::StrCat(directory, "/", kManifestName);
}

// Removes what a writer may have made, and nothing else.
void RemoveDataset(const std::string& directory) {
  for (const Table table : {Table::kLinks, Table::kGaps, Table::kHops}) {
    unlink(TablePath(directory, table).c_str());
  }
  unlink(ManifestPath(directory).c_str());
  rmdir(directory.c_str());
}

class ParquetDatasetWriter final : public DatasetWriter {
 public:
  // Takes over the directory `temporary`, which is there.
  ParquetDatasetWriter(std::string path, std::string temporary)
      : path_(std::move(path)), temporary_(std::move(temporary)) {}

  ~ParquetDatasetWriter() override {
    if (!finished_) RemoveDataset(temporary_);
  }

  ParquetDatasetWriter(const ParquetDatasetWriter&) = delete;
  ParquetDatasetWriter& operator=(const ParquetDatasetWriter&) = delete;

  absl::Status WriteReplies(std::span<const Reply> replies) override {
    FATHOM_RETURN_IF_ERROR(state_);
    if (replies.empty()) return absl::OkStatus();
    FATHOM_RETURN_IF_ERROR(OpenFor(FamilyOf(replies[0])));
    FATHOM_RETURN_IF_ERROR(CheckFits(replies, family_));
    return state_ = hops_->Write(replies);
  }

  absl::Status WriteLinks(std::span<const Link> links) override {
    FATHOM_RETURN_IF_ERROR(state_);
    if (links.empty()) return absl::OkStatus();
    FATHOM_RETURN_IF_ERROR(OpenFor(FamilyOf(links[0])));
    FATHOM_RETURN_IF_ERROR(CheckFits(links, family_));
    while (!links.empty()) {
      const bool gap = links[0].gap != 0;
      size_t count = 1;
      while (count < links.size() && (links[count].gap != 0) == gap) ++count;
      state_ = (gap ? *gaps_ : *links_).Write(links.first(count));
      FATHOM_RETURN_IF_ERROR(state_);
      links = links.subspan(count);
    }
    return absl::OkStatus();
  }

  absl::Status Finish(const std::string& manifest) override {
    FATHOM_RETURN_IF_ERROR(state_);
    // A dataset without a row is one of IPv4.
    FATHOM_RETURN_IF_ERROR(OpenFor(Family::kIpv4));
    state_ = FinishFiles(manifest);
    FATHOM_RETURN_IF_ERROR(state_);
    state_ = absl::FailedPreconditionError(
        absl::StrCat("write ", path_, ": it is finished"));
    finished_ = true;
    return absl::OkStatus();
  }

 private:
  // Opens the tables if they are not: the first record says of which family.
  absl::Status OpenFor(Family family) {
    if (hops_ != nullptr) return absl::OkStatus();
    family_ = family;
    state_ = OpenTables();
    return state_;
  }

  absl::Status OpenTables() {
    FATHOM_ASSIGN_OR_RETURN(links_, OpenTable<LinkWriter>(Table::kLinks));
    FATHOM_ASSIGN_OR_RETURN(gaps_, OpenTable<LinkWriter>(Table::kGaps));
    FATHOM_ASSIGN_OR_RETURN(hops_, OpenTable<HopWriter>(Table::kHops));
    return absl::OkStatus();
  }

  template <typename TableWriter>
  absl::StatusOr<std::unique_ptr<TableWriter>> OpenTable(Table table) {
    const parquet::Schema schema = SchemaOf(table, family_);
    FATHOM_ASSIGN_OR_RETURN(
        auto file,
        parquet::Writer::Create(TablePath(temporary_, table), schema));
    return std::make_unique<TableWriter>(std::move(file), schema);
  }

  absl::Status FinishFiles(const std::string& manifest) {
    const parquet::KeyValues key_values = {{kManifestKey, manifest}};
    FATHOM_RETURN_IF_ERROR(links_->Finish(key_values));
    FATHOM_RETURN_IF_ERROR(gaps_->Finish(key_values));
    FATHOM_RETURN_IF_ERROR(hops_->Finish(key_values));
    FATHOM_ASSIGN_OR_RETURN(OutputFile file,
                            OutputFile::Create(ManifestPath(temporary_)));
    FATHOM_RETURN_IF_ERROR(file.Write(manifest));
    FATHOM_RETURN_IF_ERROR(file.Close());
    FATHOM_RETURN_IF_ERROR(SyncDirectory(temporary_));
    return Publish(temporary_, path_);
  }

  const std::string path_;
  const std::string temporary_;
  Family family_ = Family::kIpv4;
  std::unique_ptr<LinkWriter> links_;
  std::unique_ptr<LinkWriter> gaps_;
  std::unique_ptr<HopWriter> hops_;
  bool finished_ = false;
  // Not OK from the first failed write on: a half dataset must not be finished.
  absl::Status state_;
};

absl::StatusOr<std::string> MakeTemporaryDirectory(const std::string& path) {
  for (int attempt = 0; attempt < kTemporaryNames; ++attempt) {
    std::string name = TemporaryName(path, attempt);
    if (mkdir(name.c_str(), 0777) == 0) return name;
    if (errno != EEXIST) return FileError("create", name, errno);
  }
  return FileError("create", TemporaryName(path, 0), EEXIST);
}

absl::StatusOr<std::unique_ptr<DatasetWriter>> Create(
    const FormatOptions& options) {
  std::string path = options.path;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  FATHOM_RETURN_IF_ERROR(CheckIsNew(path));
  FATHOM_ASSIGN_OR_RETURN(std::string temporary, MakeTemporaryDirectory(path));
  return std::make_unique<ParquetDatasetWriter>(std::move(path),
                                                std::move(temporary));
}

absl::StatusOr<std::string> ReadText(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return FileError("open", path, errno);
  struct stat status;
  if (fstat(fd.get(), &status) != 0) return FileError("read", path, errno);
  if (status.st_size > kMaxManifest) return FileError("read", path, EFBIG);
  std::string text(static_cast<size_t>(status.st_size), '\0');
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = read(fd.get(), &text[done], text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError("read", path, errno);
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  text.resize(done);
  return text;
}

class ParquetDatasetReader final : public DatasetReader {
 public:
  ParquetDatasetReader(std::string manifest, std::unique_ptr<LinkReader> links,
                       std::unique_ptr<LinkReader> gaps,
                       std::unique_ptr<HopReader> hops)
      : manifest_(std::move(manifest)),
        links_(std::move(links)),
        gaps_(std::move(gaps)),
        hops_(std::move(hops)) {}

  const std::string& manifest() const override { return manifest_; }

  absl::StatusOr<std::span<const Reply>> NextReplies() override {
    return hops_->Next();
  }

  absl::StatusOr<std::span<const Link>> NextLinks() override {
    auto links = links_->Next();
    if (!links.ok() || !links->empty()) return links;
    return gaps_->Next();
  }

 private:
  const std::string manifest_;
  const std::unique_ptr<LinkReader> links_;
  const std::unique_ptr<LinkReader> gaps_;
  const std::unique_ptr<HopReader> hops_;
};

// Fails unless the table has the dataset's manifest: a file that was swapped
// or a footer that was damaged shows here.
template <typename TableReader>
absl::StatusOr<std::unique_ptr<TableReader>> OpenTable(
    const std::string& directory, Table table, Family family,
    const std::string& manifest) {
  const std::string path = TablePath(directory, table);
  FATHOM_ASSIGN_OR_RETURN(auto file,
                          parquet::Reader::Open(path, SchemaOf(table, family)));
  const std::string* const own = file->Find(kManifestKey);
  if (own == nullptr || *own != manifest) {
    return absl::DataLossError(
        absl::StrCat("read ", path, ": the manifest in it is not that of ",
                     ManifestPath(directory)));
  }
  return std::make_unique<TableReader>(std::move(file), path, table);
}

// What the columns of the first table say that can be read.
Family FamilyOfFiles(const std::string& directory) {
  for (const Table table : {Table::kLinks, Table::kGaps, Table::kHops}) {
    const std::string path = TablePath(directory, table);
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      if (parquet::Reader::Open(path, SchemaOf(table, family)).ok()) {
        return family;
      }
    }
  }
  return Family::kIpv4;
}

absl::StatusOr<std::unique_ptr<DatasetReader>> OpenTables(
    const std::string& path, std::string manifest, Family family) {
  FATHOM_ASSIGN_OR_RETURN(
      auto links, OpenTable<LinkReader>(path, Table::kLinks, family, manifest));
  FATHOM_ASSIGN_OR_RETURN(
      auto gaps, OpenTable<LinkReader>(path, Table::kGaps, family, manifest));
  FATHOM_ASSIGN_OR_RETURN(
      auto hops, OpenTable<HopReader>(path, Table::kHops, family, manifest));
  return std::make_unique<ParquetDatasetReader>(
      std::move(manifest), std::move(links), std::move(gaps), std::move(hops));
}

}  // namespace

absl::StatusOr<std::unique_ptr<DatasetReader>> OpenDataset(
    const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(std::string manifest, ReadText(ManifestPath(path)));
  const Family family = FamilyOfFiles(path);
  return OpenTables(path, std::move(manifest), family);
}

const Register<FormatModule> kParquet(
    {"parquet", "a directory of Parquet files: links, gaps and hops", &Create});

}  // namespace fathom
