#include "src/engine/finish.h"

#include <filesystem>
#include <memory>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/engine/spool_record.h"
#include "src/links/build_dataset.h"
#include "src/links/spool_reader.h"

namespace fathom {
namespace {

absl::Status BuildFrom(SpoolReader& spool, const std::string& dataset,
                       ScanRecord& record, uint64_t memory) {
  FATHOM_ASSIGN_OR_RETURN(const FormatModule format,
                          Register<FormatModule>::Find("parquet"));
  FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<DatasetWriter> writer,
                          format.create({.path = dataset}));
  LinkOptions options = WithMemory(memory);
  options.verify = record.verify;
  options.merge.temp_directory = PartialPath(dataset);
  FATHOM_ASSIGN_OR_RETURN(record.links, BuildDataset(spool, options, *writer));
  const SpoolDamage& damage = spool.damage();
  record.damaged_bytes = damage.cut_bytes + damage.lost_bytes;
  return writer->Finish(MakeManifest(record));
}

}  // namespace

std::string PartialPath(const std::string& dataset) {
  return dataset + ".partial";
}

std::string SpoolPath(const std::string& dataset) {
  return PartialPath(dataset) + "/replies.spool";
}

absl::Status CheckNothingThere(const std::string& dataset) {
  std::error_code error;
  if (std::filesystem::exists(
          std::filesystem::symlink_status(dataset, error))) {
    return absl::AlreadyExistsError(absl::StrCat(
        dataset, ": already there; remove it or choose another name"));
  }
  if (std::filesystem::exists(PartialPath(dataset), error)) {
    return absl::AlreadyExistsError(absl::StrCat(
        PartialPath(dataset),
        ": left by a scan that was cut short, or is running; go on with "
        "\"fathom scan --resume ",
        dataset, "\", save what it heard with \"fathom recover ", dataset,
        "\", or remove it"));
  }
  return absl::OkStatus();
}

absl::Status CheckResumable(const std::string& dataset) {
  std::error_code error;
  if (std::filesystem::exists(
          std::filesystem::symlink_status(dataset, error))) {
    return absl::AlreadyExistsError(absl::StrCat(
        dataset, ": already there; its scan is done, or was recovered"));
  }
  if (!std::filesystem::exists(SpoolPath(dataset), error)) {
    return absl::NotFoundError(
        absl::StrCat(SpoolPath(dataset), ": not there; nothing to resume"));
  }
  return absl::OkStatus();
}

absl::Status FinishDataset(const std::string& dataset, ScanRecord& record,
                           uint64_t memory) {
  FATHOM_ASSIGN_OR_RETURN(const auto spool,
                          SpoolReader::Open(SpoolPath(dataset)));
  FATHOM_RETURN_IF_ERROR(BuildFrom(*spool, dataset, record, memory));
  // The dataset is whole and on disk. If the spool cannot be removed nothing is
  // lost, and the next scan of that name says what is in its way.
  std::error_code ignored;
  std::filesystem::remove_all(PartialPath(dataset), ignored);
  return absl::OkStatus();
}

absl::StatusOr<ScanRecord> ReadPartial(const std::string& dataset) {
  auto opened = SpoolReader::Open(SpoolPath(dataset));
  if (absl::IsNotFound(opened.status())) {
    return absl::NotFoundError(
        absl::StrCat(SpoolPath(dataset), ": not there; nothing to recover"));
  }
  FATHOM_ASSIGN_OR_RETURN(const auto spool, std::move(opened));
  FATHOM_ASSIGN_OR_RETURN(ScanRecord record,
                          ReadSpoolRecord(spool->metadata(), spool->summary()));
  if (spool->summary()) return record;
  record.stop = spool->last_sealed().value_or(record.start);
  for (const SpoolReader::Note& note : spool->notes()) {
    if (note.kind != FrameKind::kResume) continue;
    FATHOM_ASSIGN_OR_RETURN(const ScanMark mark, ReadMarkAt(*spool, note));
    record.resumed = mark.resumed;
  }
  return record;
}

absl::StatusOr<ScanRecord> RecoverDataset(const std::string& dataset,
                                          uint64_t memory) {
  FATHOM_ASSIGN_OR_RETURN(ScanRecord record, ReadPartial(dataset));
  FATHOM_RETURN_IF_ERROR(FinishDataset(dataset, record, memory));
  return record;
}

}  // namespace fathom
