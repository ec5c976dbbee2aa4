#include "src/dataset/salvage.h"

#include <unistd.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/dataset/dataset_files.h"
#include "src/dataset/parquet/reader.h"
#include "src/dataset/sealed_manifest.h"

namespace fathom {
namespace {

class Salvager {
 public:
  Salvager(const std::string& from, const std::string& to)
      : from_(from), to_(to) {}

  absl::StatusOr<Salvage> Run() {
    several_scans_ = IsThere(Table::kLinkScans) || IsThere(Table::kGapScans);
    FATHOM_RETURN_IF_ERROR(FindFamily());
    FATHOM_ASSIGN_OR_RETURN(const auto parquet,
                            Register<FormatModule>::Find("parquet"));
    FATHOM_ASSIGN_OR_RETURN(
        writer_,
        parquet.create({.path = to_, .several_scans = several_scans_}));
    FATHOM_RETURN_IF_ERROR(SaveHops());
    for (const Table table : {Table::kLinks, Table::kGaps}) {
      FATHOM_RETURN_IF_ERROR(SaveLinks(table, &DatasetWriter::WriteLinks));
    }
    for (const Table table : kScanTables) {
      if (!several_scans_) break;
      FATHOM_RETURN_IF_ERROR(SaveLinks(table, &DatasetWriter::WriteScanLinks));
    }
    FATHOM_RETURN_IF_ERROR(writer_->Finish(Manifest()));
    return std::move(result_);
  }

 private:
  bool IsThere(Table table) const {
    return access(TablePath(from_, table).c_str(), F_OK) == 0;
  }

  absl::StatusOr<std::unique_ptr<parquet::Reader>> Open(Table table) const {
    return parquet::Reader::OpenDamaged(
        TablePath(from_, table), SchemaOf(table, family_, several_scans_));
  }

  // The family in which a row group of some table can be read.
  absl::Status FindFamily() {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      family_ = family;
      for (const Table table : kTables) {
        const auto file = Open(table);
        if (!file.ok()) continue;
        std::vector<parquet::Values> columns;
        for (size_t i = 0; i < (*file)->row_groups(); ++i) {
          if ((*file)->ReadRowGroup(i, &columns).ok()) return absl::OkStatus();
        }
      }
    }
    return absl::DataLossError(
        absl::StrCat("recover ", from_, ": no row group of it can be read"));
  }

  void Lose(Table table, std::optional<size_t> row_group, std::string what) {
    result_.lost.push_back({.file = FileName(table),
                            .row_group = row_group,
                            .what = std::move(what)});
  }

  // Calls save(reader, records) with all that can be read of a table.
  template <typename TableReader, typename Save>
  absl::Status ForRecords(Table table, const Save& save) {
    auto file = Open(table);
    if (!file.ok()) {
      Lose(table, std::nullopt, std::string(file.status().message()));
      return absl::OkStatus();
    }
    if (const std::string* manifest = (*file)->Find(kManifestKey)) {
      ++manifests_[*manifest];
    }
    if ((*file)->rebuilt()) {
      Lose(table, std::nullopt,
           absl::StrCat("its footer; row groups were found by their pages: ",
                        (*file)->row_groups()));
    }
    TableReader reader(*std::move(file), TablePath(from_, table), table,
                       several_scans_);
    while (true) {
      const auto records = reader.Next();
      if (!records.ok()) {
        Lose(table, reader.SkipRowGroup(),
             std::string(records.status().message()));
        continue;
      }
      if (records->empty()) return absl::OkStatus();
      FATHOM_RETURN_IF_ERROR(save(reader, *records));
    }
  }

  absl::Status SaveHops() {
    return ForRecords<HopReader>(
        Table::kHops,
        [this](const HopReader& reader, std::span<const Reply> replies) {
          result_.hops += replies.size();
          scans_.clear();
          for (size_t i = 0; several_scans_ && i < replies.size(); ++i) {
            scans_.push_back(
                static_cast<uint16_t>(reader.row(i)[kHopScanColumn]));
          }
          return writer_->WriteScanReplies(replies, scans_);
        });
  }

  absl::Status SaveLinks(Table table, absl::Status (DatasetWriter::*write)(
                                          std::span<const Link>)) {
    return ForRecords<LinkReader>(
        table, [&](const LinkReader&, std::span<const Link> links) {
          result_.links += links.size();
          return ((*writer_).*write)(links);
        });
  }

  // The manifest that most of the files have, with what was lost.
  std::string Manifest() {
    const auto sealed = ReadSealedManifest(from_);
    if (sealed.ok()) ++manifests_[sealed->manifest];
    std::string most;
    int votes = 0;
    for (const auto& [manifest, count] : manifests_) {
      if (count > votes) {
        most = manifest;
        votes = count;
      }
    }
    auto json = nlohmann::json::parse(most, nullptr, false);
    if (!json.is_object()) json = nlohmann::json::object();
    nlohmann::json lost = nlohmann::json::array();
    for (const Damage& damage : result_.lost) {
      nlohmann::json& entry = lost.emplace_back();
      entry = {{"file", damage.file}, {"what", damage.what}};
      if (damage.row_group) entry["row_group"] = *damage.row_group;
    }
    json["salvaged"] = {{"lost", std::move(lost)}};
    return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
           "\n";
  }

  const std::string from_;
  const std::string to_;
  bool several_scans_ = false;
  Family family_ = Family::kIpv4;
  std::unique_ptr<DatasetWriter> writer_;
  std::map<std::string, int> manifests_;
  std::vector<uint16_t> scans_;
  Salvage result_;
};

}  // namespace

absl::StatusOr<Salvage> SalvageDataset(const std::string& from,
                                       const std::string& to) {
  return Salvager(from, to).Run();
}

}  // namespace fathom
