#include "tools/scan_options.h"

#include <sched.h>

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "src/base/status_macros.h"
#include "tools/flags.h"
#include "tools/quantity.h"

namespace fathom {
namespace {

// More lanes than any machine has queues.
constexpr uint32_t kMaxLanes = 128;

absl::StatusOr<Nanos> Duration(const std::string& option,
                               const std::string& value) {
  const auto duration = ParseDuration(value);
  if (!duration) {
    return Wrong(option, value,
                 "not a duration; write seconds, or 90s, 15m, 2h, 1d");
  }
  return *duration;
}

absl::Status CheckTtls(const ScanFlags& flags) {
  if (flags.min_ttl >= 1 && flags.min_ttl <= flags.max_ttl &&
      flags.max_ttl <= kMaxTtl.value()) {
    return absl::OkStatus();
  }
  return Wrong(
      "--min-ttl", absl::StrCat(flags.min_ttl, " --max-ttl ", flags.max_ttl),
      absl::StrCat("must satisfy 1 <= min <= max <= ", kMaxTtl.value()));
}

absl::StatusOr<std::optional<IpAddress>> OptionalAddress(
    const std::string& option, const std::string& value) {
  if (value.empty()) return std::nullopt;
  const auto address = IpAddress::Parse(value);
  if (!address) {
    return Wrong(option, value,
                 "not an address such as 192.0.2.1 or 2001:db8::1");
  }
  return address;
}

// "2-5,8": what --pin names, in its order.
absl::StatusOr<std::vector<int>> Processors(const std::string& value) {
  std::vector<int> processors;
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  for (const absl::string_view part :
       absl::StrSplit(value, ',', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> ends =
        absl::StrSplit(part, absl::MaxSplits('-', 1));
    int first = 0, last = 0;
    if (!absl::SimpleAtoi(ends.first, &first) ||
        !absl::SimpleAtoi(ends.second.empty() ? ends.first : ends.second,
                          &last) ||
        first < 0 || last < first || last >= CPU_SETSIZE) {
      return Wrong("--pin", value, "not processors such as 0 or 2-5,8");
    }
    for (int i = first; i <= last; ++i) {
      if (!CPU_ISSET(static_cast<size_t>(i), &allowed)) {
        return Wrong("--pin", value,
                     absl::StrCat("processor ", i,
                                  " is not there, or not "
                                  "allowed to this process"));
      }
      processors.push_back(i);
    }
  }
  return processors;
}

absl::StatusOr<OnLoss> ToOnLoss(const std::string& value) {
  if (value == "slow") return OnLoss::kSlow;
  if (value == "warn") return OnLoss::kWarn;
  if (value == "stop") return OnLoss::kStop;
  return Wrong("--on-loss", value, "not one of slow, warn, stop");
}

absl::Status AddLearningOptions(const ScanFlags& flags, ScanOptions& options) {
  if (!(flags.confidence > 0 && flags.confidence < 1)) {
    return Wrong("--confidence", absl::StrCat(flags.confidence),
                 "not between 0 and 1, such as 0.95");
  }
  if (flags.prefix_probes < 1) {
    return Wrong("--prefix-probes", "0", "must be 1 at least");
  }
  if (!(flags.min_yield >= 0.001 && flags.min_yield <= 1)) {
    return Wrong("--min-yield", absl::StrCat(flags.min_yield),
                 "not between 0.001 and 1");
  }
  options.min_yield = flags.min_yield;
  options.confidence = flags.confidence;
  options.prefix_probes = flags.prefix_probes;
  return absl::OkStatus();
}

absl::Status AddLossOptions(const ScanFlags& flags, ScanOptions& options) {
  FATHOM_ASSIGN_OR_RETURN(options.on_loss, ToOnLoss(flags.on_loss));
  if (!(flags.loss_limit > 0 && flags.loss_limit <= 100)) {
    return Wrong("--loss-limit", absl::StrCat(flags.loss_limit),
                 "not a percentage above 0, up to 100");
  }
  options.loss_limit = flags.loss_limit / 100;
  return absl::OkStatus();
}

// The refinements of the sweep.
absl::Status AddSweepOptions(const ScanFlags& flags, ScanOptions& options) {
  if (flags.fill != 0 &&
      (flags.fill <= flags.max_ttl || flags.fill > kMaxTtl.value())) {
    return Wrong(
        "--fill", absl::StrCat(flags.fill),
        absl::StrCat("must be above --max-ttl, which is ", flags.max_ttl,
                     ", and at most ", kMaxTtl.value()));
  }
  if (flags.neighborhood != 0 && (flags.neighborhood <= flags.min_ttl ||
                                  flags.neighborhood > flags.max_ttl)) {
    return Wrong(
        "--neighborhood", absl::StrCat(flags.neighborhood),
        absl::StrCat("must be above --min-ttl, which is ", flags.min_ttl,
                     ", and at most --max-ttl, ", flags.max_ttl));
  }
  const auto router_pps = flags.router_pps == "0"
                              ? std::optional<uint64_t>(0)
                              : ParseQuantity(flags.router_pps);
  if (!router_pps) {
    return Wrong("--router-pps", flags.router_pps,
                 "not a rate; write 100, or 0 for any");
  }
  options.fill = Ttl(static_cast<uint8_t>(flags.fill));
  options.neighborhood = Ttl(static_cast<uint8_t>(flags.neighborhood));
  options.router_pps = *router_pps;
  const bool refined = flags.fill != 0 || flags.neighborhood != 0 ||
                       *router_pps != 0 || flags.probes != 1;
  if (refined && flags.strategy != "sweep") {
    return Wrong("--strategy", flags.strategy,
                 "--probes, --fill, --neighborhood and --router-pps are for "
                 "sweep");
  }
  return absl::OkStatus();
}

absl::Status AddSecondLook(const ScanFlags& flags, ScanOptions& options) {
  if (flags.repair < 0 || flags.repair > 8) {
    return Wrong("--repair", absl::StrCat(flags.repair), "must be 0 to 8");
  }
  options.repair = static_cast<uint8_t>(flags.repair);
  if (flags.verify < 0 || flags.verify > 8) {
    return absl::InvalidArgumentError("--verify: must be =1 to =8");
  }
  options.verify = static_cast<uint8_t>(flags.verify);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ScanOptions> ToScanOptions(const ScanFlags& flags) {
  ScanOptions options;
  FATHOM_RETURN_IF_ERROR(CheckTtls(flags));
  options.min_ttl = Ttl(static_cast<uint8_t>(flags.min_ttl));
  options.max_ttl = Ttl(static_cast<uint8_t>(flags.max_ttl));
  if (flags.probes < 1 || flags.probes > 8) {
    return Wrong("--probes", absl::StrCat(flags.probes), "must be 1 to 8");
  }
  options.probes = static_cast<uint8_t>(flags.probes);
  FATHOM_RETURN_IF_ERROR(AddSweepOptions(flags, options));
  FATHOM_RETURN_IF_ERROR(AddSecondLook(flags, options));
  FATHOM_RETURN_IF_ERROR(AddLearningOptions(flags, options));
  const auto pps = ParseQuantity(flags.pps);
  if (!pps) {
    return Wrong("--pps", flags.pps, "not a rate; write 10000, 10K or 1.5M");
  }
  options.pps = *pps;
  FATHOM_ASSIGN_OR_RETURN(options.finish_memory,
                          FinishMemory(flags.finish_memory));
  FATHOM_ASSIGN_OR_RETURN(options.cooldown,
                          Duration("--cooldown", flags.cooldown));
  FATHOM_ASSIGN_OR_RETURN(options.max_runtime,
                          Duration("--max-runtime", flags.max_runtime));
  FATHOM_ASSIGN_OR_RETURN(options.seed, ToSeed(flags.seed));
  FATHOM_ASSIGN_OR_RETURN(options.processors, Processors(flags.pin));
  FATHOM_RETURN_IF_ERROR(AddLossOptions(flags, options));
  if (flags.contact.size() > kMaxContact) {
    return Wrong("--contact", flags.contact,
                 absl::StrCat("longer than ", kMaxContact, " bytes"));
  }
  if (flags.targets.empty()) {
    return absl::InvalidArgumentError(
        "no TARGETS; name a file of addresses and prefixes, or the scan to go "
        "on with: --resume NAME");
  }
  if (flags.output.empty() && !flags.dry_run) {
    return absl::InvalidArgumentError(
        "no dataset to write; name it with -o NAME, or use --dry-run");
  }
  options.dataset = flags.output;
  options.resume = !flags.resume.empty();
  options.vantage = flags.vantage;
  FATHOM_ASSIGN_OR_RETURN(options.shard, ToShard(flags));
  options.strategy = flags.strategy;
  options.protocol = flags.protocol;
  options.contact = flags.contact;
  return options;
}

absl::StatusOr<Shard> ToShard(const ScanFlags& flags) {
  const std::vector<std::string> parts = absl::StrSplit(flags.shard, '/');
  Shard shard;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &shard.index) ||
      !absl::SimpleAtoi(parts[1], &shard.count) || shard.index < 1 ||
      shard.index > shard.count) {
    return Wrong("--shard", flags.shard, "not a part such as 1/4 or 4/4");
  }
  --shard.index;
  return shard;
}

absl::StatusOr<TargetOptions> ToTargetOptions(const ScanFlags& flags,
                                              uint64_t seed) {
  if (flags.per_prefix < 1 || flags.per_prefix > 256) {
    return Wrong("--per-prefix", absl::StrCat(flags.per_prefix),
                 "must be 1 to 256");
  }
  if (flags.granularity < 0 || flags.granularity > 128) {
    return Wrong("--granularity", absl::StrCat(flags.granularity),
                 "must be the length of an IPv6 prefix, 1 to 128");
  }
  TargetOptions options = {
      .path = flags.targets,
      .seed = seed,
      .per_prefix = flags.per_prefix,
      .granularity = static_cast<uint8_t>(flags.granularity),
      .include_special = flags.include_special};
  if (flags.ipv4) options.family = Family::kIpv4;
  if (flags.ipv6) options.family = Family::kIpv6;
  return options;
}

absl::StatusOr<BackendOptions> ToBackendOptions(const ScanFlags& flags,
                                                Family family) {
  BackendOptions options;
  options.tcp = flags.protocol.starts_with("tcp");
  options.device = flags.interface;
  options.gateway_mac = flags.gateway_mac;
  if (flags.lanes < 1 || flags.lanes > kMaxLanes) {
    return Wrong("--lanes", absl::StrCat(flags.lanes),
                 absl::StrCat("must be 1 to ", kMaxLanes));
  }
  options.lanes = flags.lanes;
  FATHOM_ASSIGN_OR_RETURN(options.source,
                          OptionalAddress("--source", flags.source));
  FATHOM_ASSIGN_OR_RETURN(options.gateway,
                          OptionalAddress("--gateway", flags.gateway));
  if (options.source && options.source->family() != family) {
    return Wrong("--source", flags.source,
                 family == Family::kIpv4 ? "the targets are IPv4; so must it be"
                                         : "the targets are IPv6; so must it "
                                           "be");
  }
  return options;
}

}  // namespace fathom
