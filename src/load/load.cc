#include "src/load/load.h"

#include <xxhash.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "fathom/dataset.h"
#include "nlohmann/json.hpp"
#include "src/base/status_macros.h"
#include "src/dataset/native_block.h"
#include "src/dataset/tables.h"
#include "src/load/clickhouse_server.h"
#include "src/load/clickhouse_tables.h"
#include "src/load/table_load.h"

namespace fathom {
namespace {

constexpr Table kTables[] = {Table::kLinks, Table::kGaps, Table::kHops};

size_t Index(Table table) { return static_cast<size_t>(table); }

std::string ShowRows(const TableRows& rows) {
  return absl::StrCat(rows[0], " links, ", rows[1], " gaps and ", rows[2],
                      " hops");
}

class Loader {
 public:
  Loader(const LoadOptions& options, ClickhouseServer server,
         ClickhouseTables tables, std::unique_ptr<DatasetReader> reader)
      : options_(options),
        server_(std::move(server)),
        tables_(std::move(tables)),
        reader_(std::move(reader)) {
    const std::string& manifest = reader_->manifest();
    summary_.id = XXH3_64bits(manifest.data(), manifest.size());
  }

  absl::StatusOr<LoadSummary> Run() {
    FATHOM_RETURN_IF_ERROR(Open());
    absl::Status status = Load();
    TakeRows();
    if (absl::IsCancelled(status)) return summary_;
    if (status.ok()) status = Conclude();
    if (status.ok()) return summary_;
    return absl::Status(
        status.code(),
        absl::StrCat(status.message(), "\nWhat stands there of ",
                     options_.dataset, ": ", ShowRows(summary_.rows),
                     "; the same command goes on from there."));
  }

 private:
  // Up to where rows may be sent.
  absl::Status Open() {
    FATHOM_RETURN_IF_ERROR(ReadFirst());
    if (options_.create) {
      FATHOM_RETURN_IF_ERROR(tables_.Create(server_, family_));
    }
    FATHOM_RETURN_IF_ERROR(tables_.Check(server_, family_));
    FATHOM_RETURN_IF_ERROR(options_.again ? Remove() : RefuseIfWhole());
    for (const Table table : kTables) {
      FATHOM_ASSIGN_OR_RETURN(const uint64_t found, Count(table));
      summary_.found[Index(table)] = found;
      loads_.emplace_back(table, NativeBlock(table, family_, summary_.id),
                          [this](Table into, std::string_view block) {
                            return Insert(into, block);
                          });
      loads_.back().SetFound(found);
    }
    return absl::OkStatus();
  }

  // The first record says of which family the dataset is.
  absl::Status ReadFirst() {
    FATHOM_ASSIGN_OR_RETURN(links_, reader_->NextLinks());
    FATHOM_ASSIGN_OR_RETURN(replies_, reader_->NextReplies());
    if (!links_.empty()) {
      family_ = FamilyOf(links_[0]);
    } else if (!replies_.empty()) {
      family_ = FamilyOf(replies_[0]);
    }
    return absl::OkStatus();
  }

  absl::Status RefuseIfWhole() {
    FATHOM_ASSIGN_OR_RETURN(
        const auto rows,
        server_.Ask(absl::StrCat(
            "SELECT name, toString(time), links, gaps, hops FROM ",
            tables_.Datasets(), " WHERE dataset = ", summary_.id, " LIMIT 1")));
    if (rows.empty()) return absl::OkStatus();
    return absl::AlreadyExistsError(absl::StrCat(
        "load ", options_.dataset, ": ", server_.shown_url(), ", database ",
        tables_.database(), ", has it since ", rows[0][1], " as ", rows[0][0],
        ", dataset ", summary_.id, ": ", rows[0][2], " links, ", rows[0][3],
        " gaps and ", rows[0][4],
        " hops; --again removes these and loads it anew"));
  }

  // First what says that the dataset is there, then its rows: whatever comes
  // between, the next load does what is missing.
  absl::Status Remove() {
    FATHOM_RETURN_IF_ERROR(Drop(tables_.Datasets()));
    for (const Table table : kTables) {
      FATHOM_RETURN_IF_ERROR(Drop(tables_.Name(table)));
    }
    return absl::OkStatus();
  }

  absl::Status Drop(const std::string& table) {
    const std::string statement =
        absl::StrCat("ALTER TABLE ", table, " DROP PARTITION ", summary_.id);
    const absl::Status status = server_.Run(statement);
    if (status.ok()) return status;
    return absl::Status(
        status.code(),
        absl::StrCat(status.message(), "\nWhat was tried: ", statement,
                     "\nA Distributed table hands this on to nobody: run it on "
                     "each of its shards, for the table there."));
  }

  absl::StatusOr<uint64_t> Count(Table table) {
    FATHOM_ASSIGN_OR_RETURN(
        const auto rows,
        server_.Ask(absl::StrCat("SELECT count() FROM ", tables_.Name(table),
                                 " WHERE dataset = ", summary_.id)));
    uint64_t count = 0;
    if (!rows.empty() && !absl::SimpleAtoi(rows[0][0], &count)) {
      return absl::InternalError(absl::StrCat(server_.shown_url(), " counts \"",
                                              rows[0][0], "\" rows"));
    }
    return count;
  }

  // Links come first, then gaps.
  absl::Status Load() {
    while (!links_.empty()) {
      const bool gap = links_[0].gap != 0;
      size_t count = 1;
      while (count < links_.size() && (links_[count].gap != 0) == gap) ++count;
      FATHOM_RETURN_IF_ERROR(
          loads_[Index(gap ? Table::kGaps : Table::kLinks)].Add(
              links_.first(count)));
      links_ = links_.subspan(count);
      if (!links_.empty()) continue;
      FATHOM_ASSIGN_OR_RETURN(links_, reader_->NextLinks());
    }
    FATHOM_RETURN_IF_ERROR(loads_[Index(Table::kLinks)].Finish());
    FATHOM_RETURN_IF_ERROR(loads_[Index(Table::kGaps)].Finish());
    while (!replies_.empty()) {
      FATHOM_RETURN_IF_ERROR(loads_[Index(Table::kHops)].Add(replies_));
      FATHOM_ASSIGN_OR_RETURN(replies_, reader_->NextReplies());
    }
    return loads_[Index(Table::kHops)].Finish();
  }

  absl::Status Insert(Table table, std::string_view block) {
    if (options_.stop.stop_requested()) return absl::CancelledError("stopped");
    FATHOM_RETURN_IF_ERROR(server_.Insert(
        absl::StrCat("INSERT INTO ", tables_.Name(table), " FORMAT Native"),
        block));
    TakeRows();
    if (options_.on_progress) options_.on_progress(summary_.rows);
    return absl::OkStatus();
  }

  void TakeRows() {
    for (const Table table : kTables) {
      summary_.rows[Index(table)] = loads_[Index(table)].rows();
    }
  }

  // Counts once more, since two loads at a time would each have sent all, and
  // says in `datasets` that the dataset is there.
  absl::Status Conclude() {
    for (const Table table : kTables) {
      FATHOM_ASSIGN_OR_RETURN(const uint64_t count, Count(table));
      if (count == summary_.rows[Index(table)]) continue;
      return absl::AbortedError(absl::StrCat(
          server_.shown_url(), ": ", tables_.Name(table), " holds ", count,
          " rows of this dataset, which has ", summary_.rows[Index(table)],
          ": was another load of it running? --again loads it anew"));
    }
    const nlohmann::json row = {
        {"dataset", summary_.id},    {"name", NameOfDataset()},
        {"links", summary_.rows[0]}, {"gaps", summary_.rows[1]},
        {"hops", summary_.rows[2]},  {"manifest", reader_->manifest()},
    };
    FATHOM_RETURN_IF_ERROR(server_.Insert(
        absl::StrCat("INSERT INTO ", tables_.Datasets(),
                     " (dataset, name, links, gaps, hops, manifest) FORMAT "
                     "JSONEachRow"),
        row.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
    summary_.whole = true;
    return absl::OkStatus();
  }

  std::string NameOfDataset() const {
    std::filesystem::path path(options_.dataset);
    if (!path.has_filename()) path = path.parent_path();
    return path.filename().string();
  }

  const LoadOptions& options_;
  ClickhouseServer server_;
  const ClickhouseTables tables_;
  const std::unique_ptr<DatasetReader> reader_;
  Family family_ = Family::kIpv4;
  // Read, and not handed on yet.
  std::span<const Link> links_;
  std::span<const Reply> replies_;
  std::vector<TableLoad> loads_;  // By Table.
  LoadSummary summary_;
};

}  // namespace

absl::StatusOr<LoadSummary> LoadDataset(const LoadOptions& options) {
  FATHOM_ASSIGN_OR_RETURN(
      auto tables,
      ClickhouseTables::Make(options.database, options.table_prefix));
  FATHOM_ASSIGN_OR_RETURN(auto reader, OpenDataset(options.dataset));
  FATHOM_ASSIGN_OR_RETURN(
      auto server, ClickhouseServer::Open(options.url, options.password));
  return Loader(options, std::move(server), std::move(tables),
                std::move(reader))
      .Run();
}

}  // namespace fathom
