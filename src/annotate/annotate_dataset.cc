#include "src/annotate/annotate_dataset.h"

#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/annotate/annotation_tables.h"
#include "src/annotate/interfaces.h"
#include "src/base/status_macros.h"
#include "src/dataset/sealed_manifest.h"

namespace fathom {
namespace {

// So many names are asked for together, and remembered till they are written.
constexpr size_t kBatch = 16'384;

// A server that lets so many questions go by without any answer is not there.
constexpr uint64_t kSilence = 256;

// Calls `take` with all links of the dataset, batch by batch.
absl::Status ForLinks(const std::string& dataset,
                      const std::function<void(std::span<const Link>)>& take) {
  FATHOM_ASSIGN_OR_RETURN(const auto reader, OpenDataset(dataset));
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const auto links, reader->NextLinks());
    if (links.empty()) return absl::OkStatus();
    take(links);
  }
}

nlohmann::json ToJson(const AnnotationFile& file) {
  return {{"path", file.path},
          {"format", file.format},
          {"bytes", file.bytes},
          {"xxh3", absl::StrFormat("%016x", file.xxh3)},
          {"networks", file.networks},
          {"skipped", file.skipped}};
}

class Work {
 public:
  Work(const Annotator& annotator, const AnnotateOptions& options)
      : annotator_(annotator), options_(options), as_links_(interfaces_) {}

  absl::StatusOr<AnnotationSummary> Run() {
    FATHOM_RETURN_IF_ERROR(CountInterfaces());
    const std::vector<IpAddress> addresses = interfaces_.Sorted();
    summary_.interfaces = addresses.size();
    const Family family =
        addresses.empty() ? Family::kIpv4 : addresses[0].family();
    FATHOM_ASSIGN_OR_RETURN(auto interfaces,
                            InterfaceTable::Create(options_.dataset, family));
    FATHOM_ASSIGN_OR_RETURN(auto as_links,
                            AsLinkTable::Create(options_.dataset));
    FATHOM_RETURN_IF_ERROR(WriteInterfaces(addresses, interfaces));
    FATHOM_RETURN_IF_ERROR(FindAsLinks());
    FATHOM_RETURN_IF_ERROR(WriteAsLinks(as_links));
    const parquet::KeyValues keys = {{"fathom.manifest", manifest_},
                                     {"fathom.annotation", Describe()}};
    FATHOM_RETURN_IF_ERROR(interfaces.table().Finish(keys));
    FATHOM_RETURN_IF_ERROR(as_links.table().Finish(keys));
    FATHOM_RETURN_IF_ERROR(Publish(interfaces.table(), as_links.table()));
    return summary_;
  }

 private:
  absl::Status CountInterfaces();
  absl::Status WriteInterfaces(std::span<const IpAddress> addresses,
                               InterfaceTable& table);
  absl::Status WriteBatch(std::span<const IpAddress> addresses,
                          InterfaceTable& table);
  absl::Status AskNames(std::span<const IpAddress> addresses);
  absl::Status FindAsLinks();
  absl::Status WriteAsLinks(AsLinkTable& table);
  absl::Status Progress() {
    if (!options_.on_progress) return absl::OkStatus();
    return options_.on_progress({written_, summary_.interfaces});
  }
  std::string Describe() const;
  absl::Status Publish(RowTable& interfaces, RowTable& as_links);

  const Annotator& annotator_;
  const AnnotateOptions& options_;
  std::string manifest_;
  Interfaces interfaces_;
  AsLinks as_links_;
  AnnotationSummary summary_;
  uint64_t written_ = 0;
};

absl::Status Work::CountInterfaces() {
  FATHOM_ASSIGN_OR_RETURN(const auto reader, OpenDataset(options_.dataset));
  manifest_ = reader->manifest();
  uint64_t batches = 0;
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const auto replies, reader->NextReplies());
    if (replies.empty()) break;
    interfaces_.Count(replies);
    if (++batches % 1024 == 0) FATHOM_RETURN_IF_ERROR(Progress());
  }
  return ForLinks(options_.dataset, [this](std::span<const Link> links) {
    interfaces_.Count(links);
  });
}

absl::Status Work::WriteInterfaces(std::span<const IpAddress> addresses,
                                   InterfaceTable& table) {
  while (!addresses.empty()) {
    const auto batch = addresses.first(std::min(addresses.size(), kBatch));
    addresses = addresses.subspan(batch.size());
    FATHOM_RETURN_IF_ERROR(AskNames(batch));
    FATHOM_RETURN_IF_ERROR(WriteBatch(batch, table));
    FATHOM_RETURN_IF_ERROR(Progress());
  }
  return absl::OkStatus();
}

absl::Status Work::AskNames(std::span<const IpAddress> addresses) {
  Resolver* const resolver = options_.resolver;
  if (resolver == nullptr) return absl::OkStatus();
  for (const IpAddress& address : addresses) resolver->AskName(address);
  while (resolver->pending() != 0) {
    FATHOM_RETURN_IF_ERROR(resolver->Work(std::chrono::milliseconds(200)));
    const ResolverCounts& counts = resolver->counts();
    const uint64_t answered = counts.named + counts.nameless;
    if (answered == 0 && counts.failed >= kSilence) {
      return absl::UnavailableError(
          absl::StrCat("ask name server ", options_.resolver_servers,
                       ": no answer to ", counts.failed, " questions"));
    }
    FATHOM_RETURN_IF_ERROR(Progress());
  }
  return absl::OkStatus();
}

absl::Status Work::WriteBatch(std::span<const IpAddress> addresses,
                              InterfaceTable& table) {
  for (const IpAddress& address : addresses) {
    const Annotation annotation = annotator_.Find(address);
    Interface& interface = *interfaces_.Find(address);
    interface.asn = annotation.asn;
    interface.ixp = !annotation.ixp.empty();
    const std::string* const name = options_.resolver == nullptr
                                        ? nullptr
                                        : options_.resolver->NameOf(address);
    const std::string shown = name == nullptr ? "" : *name;
    FATHOM_RETURN_IF_ERROR(table.Write(address, annotation, shown, interface));
    summary_.with_asn += annotation.asn != 0 ? 1 : 0;
    summary_.with_country += annotation.country.empty() ? 0 : 1;
    summary_.with_place += annotation.latitude ? 1 : 0;
    summary_.with_name += shown.empty() ? 0 : 1;
    summary_.on_ixps += interface.ixp ? 1 : 0;
  }
  written_ += addresses.size();
  return absl::OkStatus();
}

absl::Status Work::FindAsLinks() {
  FATHOM_RETURN_IF_ERROR(
      ForLinks(options_.dataset,
               [this](std::span<const Link> links) { as_links_.Vote(links); }));
  as_links_.AssignIxps();
  FATHOM_RETURN_IF_ERROR(ForLinks(
      options_.dataset,
      [this](std::span<const Link> links) { as_links_.Count(links); }));
  summary_.links = as_links_.counts();
  return absl::OkStatus();
}

absl::Status Work::WriteAsLinks(AsLinkTable& table) {
  absl::flat_hash_map<uint32_t, std::string> names;  // One for each AS.
  const auto name_of = [&](uint32_t asn) {
    const auto [name, is_new] = names.try_emplace(asn);
    if (is_new) name->second = annotator_.NameOfAs(asn);
    return name->second;
  };
  for (const AsLink& link : as_links_.Sorted()) {
    FATHOM_RETURN_IF_ERROR(
        table.Write(link, name_of(link.near_asn), name_of(link.far_asn)));
    ++summary_.as_links;
    if (link.ixp_links != 0) ++summary_.as_links_through_ixps;
  }
  return absl::OkStatus();
}

// What the tables were made of, for their footers.
std::string Work::Describe() const {
  nlohmann::json files = nlohmann::json::array();
  for (const AnnotationFile& file : annotator_.files()) {
    files.push_back(ToJson(file));
  }
  const AsLinkCounts& links = summary_.links;
  nlohmann::json result = {
      {"format", "fathom annotation 1"},
      {"tool", "fathom " FATHOM_VERSION},
      {"manifest_xxh3",
       absl::StrFormat("%016x",
                       XXH3_64bits(manifest_.data(), manifest_.size()))},
      {"files", std::move(files)},
      {"links",
       {{"between", links.between},
        {"within", links.within},
        {"unknown", links.unknown},
        {"unknown_ixp", links.unknown_ixp},
        {"doubted", links.doubted}}},
      {"ixp_addresses",
       {{"all", summary_.on_ixps}, {"given_an_as", links.ixp_owned}}}};
  if (options_.resolver != nullptr) {
    const ResolverCounts& counts = options_.resolver->counts();
    result["resolver"] = {{"servers", options_.resolver_servers},
                          {"named", counts.named},
                          {"nameless", counts.nameless},
                          {"failed", counts.failed}};
  }
  // Paths may hold any bytes; what is not UTF-8 in them is replaced.
  return result.dump(2, ' ', /*ensure_ascii=*/false,
                     nlohmann::json::error_handler_t::replace);
}

// Puts the tables in their places, and their seals into the manifest. In
// between it has none of them, so that whatever a crash leaves is no damage.
absl::Status Work::Publish(RowTable& interfaces, RowTable& as_links) {
  FATHOM_ASSIGN_OR_RETURN(SealedManifest sealed,
                          ReadSealedManifest(options_.dataset));
  const bool has_seals = !sealed.files.empty();
  sealed.files.erase(kInterfacesName);
  sealed.files.erase(kAsLinksName);
  if (has_seals) {
    FATHOM_RETURN_IF_ERROR(WriteSealedManifest(options_.dataset, sealed));
  }
  sealed.files[kAsLinksName] = as_links.seal();
  sealed.files[kInterfacesName] = interfaces.seal();
  FATHOM_RETURN_IF_ERROR(as_links.Publish());
  FATHOM_RETURN_IF_ERROR(interfaces.Publish());
  if (!has_seals) return absl::OkStatus();  // Of a version without.
  return WriteSealedManifest(options_.dataset, sealed);
}

}  // namespace

absl::StatusOr<AnnotationSummary> AnnotateDataset(
    const Annotator& annotator, const AnnotateOptions& options) {
  return Work(annotator, options).Run();
}

}  // namespace fathom
