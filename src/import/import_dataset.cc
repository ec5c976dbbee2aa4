#include "src/import/import_dataset.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/engine/manifest.h"
#include "src/found/found_file.h"
#include "src/found/replies.h"
#include "src/import/flow_numbers.h"
#include "src/links/build_dataset.h"
#include "src/links/reply_spool.h"
#include "src/links/spool_reader.h"

namespace fathom {
namespace {

using found::FoundFile;
using found::FoundFormat;
using found::FoundReply;
using found::ProbeMethod;
using Json = nlohmann::ordered_json;

// Targets are not known beforehand. Buckets by the upper bits of the address
// are uneven, but one that is too large is only read more often.
constexpr uint32_t kBuckets = 64;

std::vector<IpAddress> Boundaries(Family family) {
  std::vector<IpAddress> boundaries;
  for (uint32_t i = 1; i < kBuckets; ++i) {
    // Unicast IPv4 ends at 224.0.0.0; all of IPv6 that is routed lies in 2000::
    // to 3fff::, and most of it in the first eighth of that.
    boundaries.push_back(
        family == Family::kIpv4
            ? IpAddress::V4(i * (0xe000'0000 / kBuckets))
            : IpAddress::V6((uint64_t{0x2000} << 48) + (uint64_t{i} << 51), 0));
  }
  return boundaries;
}

// A directory that goes with the object.
class WorkDirectory {
 public:
  static absl::StatusOr<WorkDirectory> Make(const std::string& dataset) {
    const std::string path = absl::StrCat(dataset, ".importing-", getpid());
    std::error_code error;
    if (!std::filesystem::create_directory(path, error)) {
      return absl::ErrnoToStatus(error ? error.value() : EEXIST,
                                 absl::StrCat("create ", path));
    }
    return WorkDirectory(path);
  }

  ~WorkDirectory() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }

  WorkDirectory(WorkDirectory&& other) noexcept
      : path_(std::exchange(other.path_, "")) {}
  WorkDirectory& operator=(WorkDirectory&&) = delete;

  const std::string& path() const { return path_; }

 private:
  explicit WorkDirectory(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

// Replies on their way to the spool. The first says of which family the dataset
// is.
class Importer final : public found::ReplySink {
 public:
  Importer(std::string spool_path, ImportRecord& record)
      : spool_path_(std::move(spool_path)), record_(record) {}

  absl::Status Take(const FoundReply& found) override {
    Reply reply = found.reply;
    if (!Fits(reply)) return absl::OkStatus();
    if (spool_ == nullptr) {
      FATHOM_RETURN_IF_ERROR(OpenSpool(reply.probe.target.family()));
    }
    const auto flow = flows_.Find(found.flow_key, found.flow);
    if (!flow) {
      return absl::InvalidArgumentError(
          "more than 65536 flows, which no dataset can tell apart; import the "
          "results of fewer probers at once, and merge");
    }
    reply.probe.flow = FlowId(*flow);
    methods_ |= MethodBit(found.method);
    start_ = std::min(start_, reply.received);
    stop_ = std::max(stop_, reply.received);
    ++record_.files.back().replies;
    spool_->inlet(0).Consume(Instant(), std::span(&reply, 1));
    return absl::OkStatus();
  }

  absl::Status CutShort(const absl::Status& what) override {
    record_.files.back().cut_short = std::string(what.message());
    return absl::OkStatus();
  }

  void PassOver() override { ++record_.passed_over; }

  // All was taken. Not OK if not all reached the disk.
  absl::Status Close() {
    if (spool_ == nullptr) {
      FATHOM_RETURN_IF_ERROR(OpenSpool(Family::kIpv4));
    }
    record_.flows = flows_.size();
    absl::Status closed = spool_->Close(Instant(), "");
    spool_.reset();
    return closed;
  }

  // What is known of a scan that nobody saw.
  ScanRecord Scan() const {
    ScanRecord scan;
    scan.end = ScanEnd::kDone;
    if (stop_ != Instant::min()) {
      scan.start = start_;
      scan.stop = stop_;
    }
    return scan;
  }

  // "icmp", "udp", "tcp", or empty if several were used or nothing was heard.
  std::string Protocol() const {
    constexpr const char* kNames[] = {"icmp", "udp", "tcp"};
    for (size_t i = 0; i < std::size(kNames); ++i) {
      if (methods_ == 1U << i) return kNames[i];
    }
    return "";
  }

 private:
  static unsigned MethodBit(ProbeMethod method) {
    return 1U << static_cast<unsigned>(method);
  }

  bool Fits(const Reply& reply) {
    const Family family = reply.probe.target.family();
    if (spool_ == nullptr) family_ = family;
    if (family != family_ || reply.responder.family() != family) {
      ++record_.other_family;
      return false;
    }
    if (reply.probe.ttl != Ttl(0)) return true;
    ++record_.no_distance;
    return false;
  }

  absl::Status OpenSpool(Family family) {
    SpoolOptions options;
    options.boundaries = Boundaries(family);
    FATHOM_ASSIGN_OR_RETURN(spool_, ReplySpool::Create(spool_path_, options));
    return absl::OkStatus();
  }

  const std::string spool_path_;
  ImportRecord& record_;
  std::unique_ptr<ReplySpool> spool_;
  Family family_ = Family::kIpv4;
  FlowNumbers flows_;
  unsigned methods_ = 0;
  Instant start_ = Instant::max();
  Instant stop_ = Instant::min();
};

absl::StatusOr<FoundFormat> FindFormat(FoundFile& file,
                                       const std::string& name) {
  // Enough to see the first line of any format.
  constexpr size_t kHead = 4096;
  FATHOM_ASSIGN_OR_RETURN(const std::string_view head, file.Peek(kHead));
  std::string names;
  for (const FoundFormat& format : ImportFormats()) {
    if (name == format.name) return format;
    if (name == "auto" && format.knows(file.path(), head)) return format;
    absl::StrAppend(&names, names.empty() ? "" : ", ", format.name);
  }
  if (name != "auto") {
    return absl::InvalidArgumentError(
        absl::StrCat("no \"", name, "\"; there are: ", names));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(file.path(),
                   ": in no format that is known by its start; name one with "
                   "--from: ",
                   names));
}

absl::Status ReadFile(const std::string& path, const std::string& format,
                      Importer& importer, ImportRecord& record) {
  FATHOM_ASSIGN_OR_RETURN(FoundFile file, FoundFile::Open(path));
  FATHOM_ASSIGN_OR_RETURN(const FoundFormat module, FindFormat(file, format));
  record.files.push_back({.path = path, .format = module.name});
  FATHOM_RETURN_IF_ERROR(module.read_replies(file, importer));
  record.files.back().bytes = file.bytes();
  record.files.back().xxh3 = file.Xxh3();
  return absl::OkStatus();
}

// The manifest of a scan, with what is special about one of others'.
std::string ManifestOf(const ScanRecord& scan, const ImportOptions& options,
                       const std::string& protocol,
                       const ImportRecord& record) {
  Json files = Json::array();
  for (const ImportedFile& file : record.files) {
    files.push_back({{"path", file.path},
                     {"format", file.format},
                     {"bytes", file.bytes},
                     {"xxh3", absl::StrFormat("%016x", file.xxh3)},
                     {"replies", file.replies},
                     {"cut_short", file.cut_short}});
  }
  Json manifest = Json::parse(MakeManifest(scan), nullptr, false);
  manifest["end"] = "imported";
  manifest["vantage"] = options.vantage;
  manifest["import"] = {{"files", std::move(files)},
                        {"flows", record.flows},
                        {"left_out",
                         {{"other_family", record.other_family},
                          {"no_distance", record.no_distance},
                          {"other_records", record.passed_over}}}};
  manifest["configuration"] = {{"protocol", protocol}};
  return manifest.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

bool ImportRecord::is_whole() const {
  return std::all_of(files.begin(), files.end(), [](const ImportedFile& file) {
    return file.cut_short.empty();
  });
}

std::vector<FoundFormat> ImportFormats() {
  std::vector<FoundFormat> formats;
  for (const FoundFormat& format : Register<FoundFormat>::All()) {
    if (format.read_replies != nullptr) formats.push_back(format);
  }
  return formats;
}

absl::StatusOr<ImportRecord> ImportDataset(const ImportOptions& options) {
  FATHOM_ASSIGN_OR_RETURN(const FormatModule parquet,
                          Register<FormatModule>::Find("parquet"));
  FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<DatasetWriter> writer,
                          parquet.create({.path = options.dataset}));
  FATHOM_ASSIGN_OR_RETURN(const WorkDirectory directory,
                          WorkDirectory::Make(options.dataset));
  const std::string spool_path = directory.path() + "/replies.spool";
  ImportRecord record;
  Importer importer(spool_path, record);
  for (const std::string& file : options.files) {
    FATHOM_RETURN_IF_ERROR(ReadFile(file, options.format, importer, record));
  }
  FATHOM_RETURN_IF_ERROR(importer.Close());
  FATHOM_ASSIGN_OR_RETURN(const auto spool, SpoolReader::Open(spool_path));
  LinkOptions links;
  links.merge.temp_directory = directory.path();
  ScanRecord scan = importer.Scan();
  FATHOM_ASSIGN_OR_RETURN(scan.links, BuildDataset(*spool, links, *writer));
  record.manifest = ManifestOf(scan, options, importer.Protocol(), record);
  FATHOM_RETURN_IF_ERROR(writer->Finish(record.manifest));
  return record;
}

}  // namespace fathom
