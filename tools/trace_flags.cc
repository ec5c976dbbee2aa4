#include "tools/trace_flags.h"

#include "absl/strings/str_cat.h"
#include "fathom/packet_io.h"
#include "fathom/probe_codec.h"
#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "tools/flags.h"
#include "tools/quantity.h"

namespace fathom {
namespace {

constexpr int kMaxProbes = 64;
constexpr int kMaxFlows = 64;

void DeclareWhat(CLI::App& app, TraceFlags& f) {
  app.option_defaults()->group("What to ask");
  Add(app, "--protocol", f.protocol, "P", Names<CodecModule>() + " [icmp]");
  Add(app, "-f,--first-ttl", f.first_ttl, "N", "first hop to ask [1]");
  Add(app, "-m,--max-ttl", f.max_ttl, "N", "last hop to ask [30]");
  Add(app, "-q,--probes", f.probes, "N", "probes to each hop and flow [3]");
  Add(app, "--flows", f.flows, "N", "flows, to see where paths fork [1]");
  Add(app, "--gap-limit", f.gap_limit, "N",
      "silent hops in a row that end it [5]");
  Add(app, "-w,--wait", f.wait, "TIME", "for an answer, at most [1s]");
  Add(app, "--interval", f.interval, "TIME",
      "from round to round [25ms; --watch: 1s]");
  Add(app, "--contact", f.contact, "TEXT",
      "goes into every probe: who you are");
}

void DeclareWay(CLI::App& app, TraceFlags& f) {
  app.option_defaults()->group("Which way");
  app.add_flag("-4", f.ipv4, "only IPv4 addresses of names");
  app.add_flag("-6", f.ipv6, "only IPv6 addresses of names");
  Add(app, "-b,--backend", f.backend, "B",
      "unprivileged, " + Names<BackendModule>() + " [as allowed]");
  Add(app, "-i,--interface", f.interface, "DEV",
      "network interface [by route], or scenario file");
  Add(app, "--source", f.source, "ADDR",
      "address to ask from [of the interface]");
  Add(app, "-e,--seed", f.seed, "N", "of what marks probes as ours [drawn]");
}

void DeclareNotes(CLI::App& app, TraceFlags& f) {
  app.option_defaults()->group("What is known of addresses");
  app.add_flag("-n", f.no_names, "no names, whatever else is said");
  Add(app, "--resolver", f.resolver, "ADDR",
      "name server for names of hops, or system [none]");
  for (const auto& [name, value, help] :
       {std::tuple{"--networks", &f.networks,
                   "whose addresses are: pfx2as, MRT, MMDB, libloc"},
        std::tuple{"--ixps", &f.ixps, "prefixes of exchanges"}}) {
    Add(app, name, *value, "FILE", help)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
}

absl::Status CheckRange(const char* option, int value, int least, int most) {
  if (least <= value && value <= most) return absl::OkStatus();
  return Wrong(option, absl::StrCat(value),
               absl::StrCat("must be ", least, " to ", most));
}

absl::StatusOr<Nanos> Duration(const std::string& option,
                               const std::string& value, Nanos least,
                               Nanos most) {
  const auto duration = ParseDuration(value);
  if (!duration) {
    return Wrong(option, value, "not a duration; write 0.5, 500ms, 2s");
  }
  if (*duration < least || *duration > most) {
    return Wrong(option, value,
                 absl::StrCat("must be ", least / Nanos(1'000'000), "ms to ",
                              most / Nanos(1'000'000'000), "s"));
  }
  return *duration;
}

absl::Status CheckNumbers(const TraceFlags& flags) {
  FATHOM_RETURN_IF_ERROR(
      CheckRange("--max-ttl", flags.max_ttl, 1, kMaxTtl.value()));
  FATHOM_RETURN_IF_ERROR(
      CheckRange("--first-ttl", flags.first_ttl, 1, flags.max_ttl));
  FATHOM_RETURN_IF_ERROR(CheckRange("--probes", flags.probes, 1, kMaxProbes));
  FATHOM_RETURN_IF_ERROR(CheckRange("--flows", flags.flows, 1, kMaxFlows));
  return CheckRange("--gap-limit", flags.gap_limit, 1, kMaxTtl.value());
}

}  // namespace

void DeclareTraceFlags(CLI::App& app, TraceFlags& flags) {
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  Add(app, "HOST", flags.hosts, "HOST", "names or addresses")
      ->required()
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.option_defaults()->group("What comes out");
  app.add_flag("--report", flags.report, "a table of loss and times, as mtr's");
  app.add_flag("--json", flags.json, "an object a line for each host");
  app.add_flag("--watch", flags.watch, "a live table until q is pressed");
  DeclareWhat(app, flags);
  DeclareWay(app, flags);
  DeclareNotes(app, flags);
}

absl::StatusOr<TraceRunOptions> ToTraceRunOptions(const TraceFlags& flags) {
  FATHOM_RETURN_IF_ERROR(CheckNumbers(flags));
  if (flags.contact.size() > kMaxContact) {
    return Wrong("--contact", flags.contact,
                 absl::StrCat("longer than ", kMaxContact, " bytes"));
  }
  TraceRunOptions options;
  TraceOptions& trace = options.trace;
  trace.first_ttl = Ttl(static_cast<uint8_t>(flags.first_ttl));
  trace.max_ttl = Ttl(static_cast<uint8_t>(flags.max_ttl));
  trace.flows = static_cast<uint16_t>(flags.flows);
  trace.probes = flags.watch ? 0 : static_cast<uint32_t>(flags.probes);
  trace.gap_limit = static_cast<uint8_t>(flags.gap_limit);
  using std::chrono::milliseconds;
  using std::chrono::minutes;
  FATHOM_ASSIGN_OR_RETURN(
      trace.max_wait,
      Duration("--wait", flags.wait, milliseconds(10), minutes(1)));
  trace.min_wait = std::min(trace.min_wait, trace.max_wait);
  const std::string interval =
      flags.interval.empty() ? (flags.watch ? "1s" : "25ms") : flags.interval;
  FATHOM_ASSIGN_OR_RETURN(
      trace.interval,
      Duration("--interval", interval, milliseconds(flags.watch ? 100 : 1),
               minutes(1)));
  FATHOM_ASSIGN_OR_RETURN(options.seed, ToSeed(flags.seed));
  options.protocol = flags.protocol.empty() ? "icmp" : flags.protocol;
  options.contact = flags.contact;
  return options;
}

}  // namespace fathom
