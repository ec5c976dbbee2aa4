#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
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
#include "src/dataset/dataset_files.h"
#include "src/dataset/output_file.h"
#include "src/dataset/parquet_table_writer.h"
#include "src/dataset/sealed_manifest.h"
#include "src/dataset/tables.h"

namespace fathom {
namespace {

using HopWriter = ParquetTableWriter<Reply, HopRow>;
using LinkWriter = ParquetTableWriter<Link, LinkRow>;

// There only if addresses are not as a dataset has them.
constexpr char kAddressesKey[] = "fathom.addresses";

std::string ManifestPath(const std::string& directory) {
  return absl::StrCat(directory, "/", kManifestName);
}

// Removes what a writer may have made, and nothing else.
void RemoveDataset(const std::string& directory) {
  for (const Table table : kTables) unlink(TablePath(directory, table).c_str());
  for (const Table table : kScanTables) {
    unlink(TablePath(directory, table).c_str());
  }
  unlink(ManifestPath(directory).c_str());
  rmdir(directory.c_str());
}

class ParquetDatasetWriter final : public DatasetWriter {
 public:
  // Takes over the directory `temporary`, which is there.
  ParquetDatasetWriter(std::string path, std::string temporary,
                       const FormatOptions& options)
      : path_(std::move(path)),
        temporary_(std::move(temporary)),
        several_scans_(options.several_scans),
        addresses_(options.addresses) {}

  ~ParquetDatasetWriter() override {
    if (!finished_) RemoveDataset(temporary_);
  }

  ParquetDatasetWriter(const ParquetDatasetWriter&) = delete;
  ParquetDatasetWriter& operator=(const ParquetDatasetWriter&) = delete;

  absl::Status WriteReplies(std::span<const Reply> replies) override {
    return WriteScanReplies(replies, {});
  }

  absl::Status WriteScanReplies(std::span<const Reply> replies,
                                std::span<const uint16_t> scans) override {
    FATHOM_RETURN_IF_ERROR(state_);
    if (replies.empty()) return absl::OkStatus();
    FATHOM_RETURN_IF_ERROR(OpenFor(FamilyOf(replies[0])));
    FATHOM_RETURN_IF_ERROR(CheckFits(replies, family_));
    return state_ = hops_->Write(replies, scans);
  }

  absl::Status WriteLinks(std::span<const Link> links) override {
    return WriteTo(links_, gaps_, links);
  }

  absl::Status WriteScanLinks(std::span<const Link> links) override {
    assert(several_scans_);
    return WriteTo(link_scans_, gap_scans_, links);
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
  absl::Status WriteTo(const std::unique_ptr<LinkWriter>& without_gap,
                       const std::unique_ptr<LinkWriter>& with_gap,
                       std::span<const Link> links) {
    FATHOM_RETURN_IF_ERROR(state_);
    if (links.empty()) return absl::OkStatus();
    FATHOM_RETURN_IF_ERROR(OpenFor(FamilyOf(links[0])));
    FATHOM_RETURN_IF_ERROR(CheckFits(links, family_));
    while (!links.empty()) {
      const bool gap = links[0].gap != 0;
      size_t count = 1;
      while (count < links.size() && (links[count].gap != 0) == gap) ++count;
      state_ = (gap ? *with_gap : *without_gap).Write(links.first(count));
      FATHOM_RETURN_IF_ERROR(state_);
      links = links.subspan(count);
    }
    return absl::OkStatus();
  }

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
    if (!several_scans_) return absl::OkStatus();
    FATHOM_ASSIGN_OR_RETURN(link_scans_,
                            OpenTable<LinkWriter>(Table::kLinkScans));
    FATHOM_ASSIGN_OR_RETURN(gap_scans_,
                            OpenTable<LinkWriter>(Table::kGapScans));
    return absl::OkStatus();
  }

  template <typename TableWriter>
  absl::StatusOr<std::unique_ptr<TableWriter>> OpenTable(Table table) {
    const parquet::Schema schema =
        SchemaOf(table, family_, several_scans_, addresses_);
    FATHOM_ASSIGN_OR_RETURN(
        auto file,
        parquet::Writer::Create(TablePath(temporary_, table), schema));
    return std::make_unique<TableWriter>(std::move(file), schema,
                                         SpellingsOf(table, several_scans_));
  }

  absl::Status FinishFiles(const std::string& manifest) {
    parquet::KeyValues key_values = {{kManifestKey, manifest}};
    if (addresses_ == AddressForm::kText) {
      key_values.emplace_back(kAddressesKey, "text");
    } else if (addresses_ == AddressForm::kBinary && family_ == Family::kIpv4) {
      key_values.emplace_back(kAddressesKey, "binary");
    }
    SealedManifest sealed{.manifest = manifest};
    const auto finish = [&](Table table, auto& writer) {
      FATHOM_RETURN_IF_ERROR(writer.Finish(key_values));
      sealed.files[FileName(table)] = writer.seal();
      return absl::OkStatus();
    };
    FATHOM_RETURN_IF_ERROR(finish(Table::kLinks, *links_));
    FATHOM_RETURN_IF_ERROR(finish(Table::kGaps, *gaps_));
    FATHOM_RETURN_IF_ERROR(finish(Table::kHops, *hops_));
    if (several_scans_) {
      FATHOM_RETURN_IF_ERROR(finish(Table::kLinkScans, *link_scans_));
      FATHOM_RETURN_IF_ERROR(finish(Table::kGapScans, *gap_scans_));
    }
    FATHOM_RETURN_IF_ERROR(WriteSealedManifest(temporary_, sealed));
    return Publish(temporary_, path_);
  }

  const std::string path_;
  const std::string temporary_;
  const bool several_scans_;
  const AddressForm addresses_;
  Family family_ = Family::kIpv4;
  std::unique_ptr<LinkWriter> links_;
  std::unique_ptr<LinkWriter> gaps_;
  std::unique_ptr<HopWriter> hops_;
  std::unique_ptr<LinkWriter> link_scans_;  // Null unless several_scans_.
  std::unique_ptr<LinkWriter> gap_scans_;
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
                                                std::move(temporary), options);
}

// The tables of a dataset, open to be read. The last two are null unless it is
// of several scans.
struct OpenedTables {
  std::unique_ptr<LinkReader> links{};
  std::unique_ptr<LinkReader> gaps{};
  std::unique_ptr<HopReader> hops{};
  std::unique_ptr<LinkReader> link_scans{};
  std::unique_ptr<LinkReader> gap_scans{};
};

class ParquetDatasetReader final : public DatasetReader {
 public:
  ParquetDatasetReader(std::string manifest, OpenedTables tables)
      : manifest_(std::move(manifest)), tables_(std::move(tables)) {}

  const std::string& manifest() const override { return manifest_; }

  absl::StatusOr<std::span<const Reply>> NextReplies() override {
    auto replies = tables_.hops->Next();
    scans_.clear();
    if (!replies.ok() || !several_scans()) return replies;
    for (size_t i = 0; i < replies->size(); ++i) {
      scans_.push_back(
          static_cast<uint16_t>(tables_.hops->row(i)[kHopScanColumn]));
    }
    return replies;
  }

  absl::StatusOr<std::span<const Link>> NextLinks() override {
    auto links = tables_.links->Next();
    if (!links.ok() || !links->empty()) return links;
    return tables_.gaps->Next();
  }

  bool several_scans() const override { return tables_.link_scans != nullptr; }

  std::span<const uint16_t> reply_scans() const override { return scans_; }

  absl::StatusOr<std::span<const Link>> NextScanLinks() override {
    if (!several_scans()) return std::span<const Link>();
    auto links = tables_.link_scans->Next();
    if (!links.ok() || !links->empty()) return links;
    return tables_.gap_scans->Next();
  }

 private:
  const std::string manifest_;
  const OpenedTables tables_;
  std::vector<uint16_t> scans_;
};

// What all tables of a dataset have in common.
struct DatasetShape {
  std::string directory;
  Family family = Family::kIpv4;
  bool several_scans = false;
};

// Fails if the dataset was written for other readers.
absl::Status CheckAddresses(const std::string& directory) {
  for (const AddressForm form : {AddressForm::kText, AddressForm::kBinary}) {
    const std::string path = TablePath(directory, Table::kLinks);
    const auto file = parquet::Reader::Open(
        path, SchemaOf(Table::kLinks, Family::kIpv4, false, form));
    if (!file.ok() || (*file)->Find(kAddressesKey) == nullptr) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "read ", path, ": its addresses are ", *(*file)->Find(kAddressesKey),
        ", for other readers; use "
        "the dataset that it was converted from"));
  }
  return absl::OkStatus();
}

// Fails unless the table has the dataset's manifest: a file that was swapped
// or a footer that was damaged shows here.
template <typename TableReader>
absl::StatusOr<std::unique_ptr<TableReader>> OpenTable(
    const DatasetShape& shape, Table table, const std::string& manifest) {
  const std::string path = TablePath(shape.directory, table);
  FATHOM_ASSIGN_OR_RETURN(
      auto file, parquet::Reader::Open(
                     path, SchemaOf(table, shape.family, shape.several_scans)));
  const std::string* const own = file->Find(kManifestKey);
  if (own == nullptr || *own != manifest) {
    return absl::DataLossError(
        absl::StrCat("read ", path, ": the manifest in it is not that of ",
                     ManifestPath(shape.directory)));
  }
  return std::make_unique<TableReader>(std::move(file), path, table,
                                       shape.several_scans);
}

// What the columns of the first table say that can be read.
Family FamilyOfFiles(const std::string& directory) {
  for (const Table table : kTables) {
    const std::string path = TablePath(directory, table);
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      if (parquet::Reader::Open(path, SchemaOf(table, family)).ok()) {
        return family;
      }
    }
  }
  return Family::kIpv4;
}

absl::StatusOr<OpenedTables> OpenTables(const DatasetShape& shape,
                                        const std::string& manifest) {
  OpenedTables opened;
  const auto open_links = [&](Table table,
                              std::unique_ptr<LinkReader>& reader) {
    auto links = OpenTable<LinkReader>(shape, table, manifest);
    if (links.ok()) reader = *std::move(links);
    return links.status();
  };
  FATHOM_RETURN_IF_ERROR(open_links(Table::kLinks, opened.links));
  FATHOM_RETURN_IF_ERROR(open_links(Table::kGaps, opened.gaps));
  FATHOM_ASSIGN_OR_RETURN(opened.hops,
                          OpenTable<HopReader>(shape, Table::kHops, manifest));
  if (!shape.several_scans) return opened;
  FATHOM_RETURN_IF_ERROR(open_links(Table::kLinkScans, opened.link_scans));
  FATHOM_RETURN_IF_ERROR(open_links(Table::kGapScans, opened.gap_scans));
  return opened;
}

bool IsThere(const std::string& path) {
  return access(path.c_str(), F_OK) == 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DatasetReader>> OpenDataset(
    const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(SealedManifest sealed, ReadSealedManifest(path));
  FATHOM_RETURN_IF_ERROR(CheckAddresses(path));
  const DatasetShape shape = {
      .directory = path,
      .family = FamilyOfFiles(path),
      .several_scans = IsThere(TablePath(path, Table::kLinkScans)) ||
                       IsThere(TablePath(path, Table::kGapScans))};
  FATHOM_ASSIGN_OR_RETURN(OpenedTables tables,
                          OpenTables(shape, sealed.manifest));
  return std::make_unique<ParquetDatasetReader>(std::move(sealed.manifest),
                                                std::move(tables));
}

const Register<FormatModule> kParquet(
    {"parquet", "a directory of Parquet files: links, gaps and hops", &Create,
     std::nullopt, true});

}  // namespace fathom
