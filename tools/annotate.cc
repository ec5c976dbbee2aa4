// fathom annotate: says of a dataset's interfaces whose they are and where.

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "src/annotate/annotate_dataset.h"
#include "src/base/status_macros.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/interrupts.h"
#include "tools/quantity.h"

namespace fathom {
namespace {

struct AnnotateFlags {
  std::string dataset;
  AnnotationFiles files;
  std::vector<std::string> resolvers;
  std::string queries_per_second = "100";
  std::vector<std::string> look_up;
  bool quiet = false;
};

// Where Debian's libloc-database is.
constexpr char kSystemNetworks[] = "/usr/share/libloc-location/location.db";

absl::Status Check(const AnnotateFlags& flags) {
  if (flags.dataset.empty() == flags.look_up.empty()) {
    return absl::InvalidArgumentError(
        "give NAME, the dataset to annotate, or --lookup ADDR");
  }
  if (flags.files.networks.empty() && flags.files.ixps.empty() &&
      flags.resolvers.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "nothing to annotate from: give --networks FILE, --ixps FILE or "
        "--resolver ADDR; Debian's package libloc-database is ",
        kSystemNetworks));
  }
  return absl::OkStatus();
}

// None if no server was named.
absl::StatusOr<std::unique_ptr<Resolver>> MakeResolver(
    const AnnotateFlags& flags) {
  if (flags.resolvers.empty()) return nullptr;
  const auto rate = ParseQuantity(flags.queries_per_second);
  constexpr uint64_t kMaxRate = 100'000;
  if (!rate || *rate > kMaxRate) {
    return absl::InvalidArgumentError(
        absl::StrCat("--queries-per-second ", flags.queries_per_second,
                     ": not a rate of 1 to 100K"));
  }
  ResolverOptions options{.servers = flags.resolvers,
                          .queries_per_second = static_cast<uint32_t>(*rate)};
  // Enough to keep the rate while answers take a third of a second.
  options.most_at_once = std::max<size_t>(64, *rate / 3);
  return Resolver::Make(options);
}

// One line about one address, in JSON.
std::string ToJson(const IpAddress& address, const Annotation& annotation,
                   const std::string& name) {
  nlohmann::json line = {{"address", address.ToString()},
                         {"asn", annotation.asn},
                         {"as_name", annotation.as_name},
                         {"country", annotation.country},
                         {"city", annotation.city},
                         {"ixp", annotation.ixp},
                         {"name", name}};
  if (annotation.latitude) line["latitude"] = *annotation.latitude;
  if (annotation.longitude) line["longitude"] = *annotation.longitude;
  return line.dump(-1, ' ', /*ensure_ascii=*/false,
                   nlohmann::json::error_handler_t::replace);
}

absl::Status LookUpOne(const std::string& text, const Annotator& annotator,
                       Resolver* resolver) {
  const auto address = IpAddress::Parse(text);
  if (!address) {
    return absl::InvalidArgumentError(
        absl::StrCat("--lookup \"", text, "\": not an address"));
  }
  std::string name;
  if (resolver != nullptr) {
    resolver->AskName(*address);
    while (resolver->pending() != 0) {
      FATHOM_RETURN_IF_ERROR(resolver->Work(std::chrono::seconds(1)));
    }
    const std::string* const found = resolver->NameOf(*address);
    if (found != nullptr) name = *found;
  }
  std::printf("%s\n", ToJson(*address, annotator.Find(*address), name).c_str());
  return absl::OkStatus();
}

// "-" stands for the lines of standard input.
absl::Status LookUp(const AnnotateFlags& flags, const Annotator& annotator,
                    Resolver* resolver) {
  for (const std::string& text : flags.look_up) {
    if (text != "-") {
      FATHOM_RETURN_IF_ERROR(LookUpOne(text, annotator, resolver));
      continue;
    }
    for (std::string line; std::getline(std::cin, line);) {
      FATHOM_RETURN_IF_ERROR(LookUpOne(line, annotator, resolver));
    }
  }
  return absl::OkStatus();
}

// A line on the terminal, redrawn every second; nothing elsewhere.
class ProgressLine {
 public:
  explicit ProgressLine(bool quiet)
      : shown_(!quiet && isatty(STDERR_FILENO) == 1) {}
  ~ProgressLine() {
    if (drawn_) std::fputs("\n", stderr);
  }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void Show(const AnnotationProgress& progress, const Resolver* resolver) {
    const auto now = std::chrono::steady_clock::now();
    if (!shown_ || now - last_ < std::chrono::seconds(1)) return;
    last_ = now;
    drawn_ = true;
    std::string line = "\rReading the dataset";
    if (progress.interfaces != 0) {
      line = absl::StrFormat("\r%d of %d interfaces", progress.written,
                             progress.interfaces);
    }
    if (resolver != nullptr) {
      absl::StrAppend(&line, ", ", resolver->counts().named, " names, ",
                      resolver->pending(), " asked for");
    }
    std::fprintf(stderr, "%s\x1b[K", line.c_str());
  }

 private:
  const bool shown_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_;
};

void Print(const AnnotationSummary& summary, const std::string& dataset) {
  const auto print = [](const std::string& line) {
    std::printf("%s\n", line.c_str());
  };
  print(absl::StrFormat("Annotated: %s", dataset));
  print(absl::StrFormat(
      "Interfaces: %d; with an AS %d, a country %d, a place %d, a name %d; on "
      "exchanges' LANs %d",
      summary.interfaces, summary.with_asn, summary.with_country,
      summary.with_place, summary.with_name, summary.on_ixps));
  print(absl::StrFormat("AS links:  %d, of which %d through an exchange",
                        summary.as_links, summary.as_links_through_ixps));
  const AsLinkCounts& links = summary.links;
  print(absl::StrFormat(
      "Links:     %d between ASes, %d within one, %d of which an end's AS is "
      "not known, %d not to be trusted",
      links.between, links.within, links.unknown, links.doubted));
}

absl::Status AnnotateOne(const AnnotateFlags& flags, const Annotator& annotator,
                         Resolver* resolver, const Interrupts& interrupts) {
  std::string path = flags.dataset;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  ProgressLine line(flags.quiet);
  const AnnotateOptions options{
      .dataset = path,
      .resolver = resolver,
      .resolver_servers = absl::StrJoin(flags.resolvers, ", "),
      .on_progress = [&](const AnnotationProgress& progress) {
        line.Show(progress, resolver);
        return interrupts.token().stop_requested()
                   ? absl::CancelledError("interrupted; nothing was written")
                   : absl::OkStatus();
      }};
  FATHOM_ASSIGN_OR_RETURN(const AnnotationSummary summary,
                          AnnotateDataset(annotator, options));
  if (!flags.quiet) Print(summary, path);
  return absl::OkStatus();
}

absl::Status RunCommand(const AnnotateFlags& flags) {
  FATHOM_RETURN_IF_ERROR(Check(flags));
  const Interrupts interrupts("");
  FATHOM_ASSIGN_OR_RETURN(const auto resolver, MakeResolver(flags));
  // Before the files are read, which takes seconds.
  if (flags.look_up.empty()) {
    FATHOM_RETURN_IF_ERROR(OpenDataset(flags.dataset).status());
  }
  FATHOM_ASSIGN_OR_RETURN(const Annotator annotator,
                          Annotator::Open(flags.files));
  if (!flags.look_up.empty()) return LookUp(flags, annotator, resolver.get());
  return AnnotateOne(flags, annotator, resolver.get(), interrupts);
}

}  // namespace

void AddAnnotate(CLI::App& app, int& exit_code) {
  CLI::App* const command = app.add_subcommand(
      "annotate", "Add AS numbers, places and names to a dataset");
  const auto flags = std::make_shared<AnnotateFlags>();
  command->add_option("NAME", flags->dataset, "the dataset");
  command
      ->add_option("--networks", flags->files.networks,
                   "pfx2as, MRT, MMDB, libloc or AS names")
      ->type_name("FILE")
      ->allow_extra_args(false);
  command
      ->add_option("--ixps", flags->files.ixps,
                   "prefixes of exchanges, text or JSON")
      ->type_name("FILE")
      ->allow_extra_args(false);
  command
      ->add_option("--resolver", flags->resolvers,
                   "ask this name server for names [none]")
      ->type_name("ADDR")
      ->allow_extra_args(false);
  command
      ->add_option("--queries-per-second", flags->queries_per_second,
                   "most questions to it [100]")
      ->type_name("N");
  command
      ->add_option("--lookup", flags->look_up,
                   "say what is known of ADDR (- for stdin)")
      ->type_name("ADDR")
      ->allow_extra_args(false);
  command->add_flag("-q,--quiet", flags->quiet, "say nothing but errors");
  command->footer(
      "Writes interfaces.parquet and as_links.parquet into the dataset, anew "
      "each time.\nEach of --networks, --ixps and --resolver may be given "
      "several times; what the\nfirst file knows counts. Files are told apart "
      "by what is in them. No network is\nused without --resolver.");
  command->callback([flags, &exit_code] {
    const absl::Status status = RunCommand(*flags);
    if (status.ok()) return;
    const int code = Report(status);
    exit_code = status.code() == absl::StatusCode::kCancelled
                    ? static_cast<int>(kExitInterrupted)
                    : code;
  });
}

}  // namespace fathom
