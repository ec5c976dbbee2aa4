#include <string>

#include "absl/strings/str_cat.h"
#include "fathom/packet_io.h"
#include "fathom/probe_codec.h"
#include "fathom/registry.h"
#include "fathom/strategy.h"
#include "tools/flags.h"
#include "tools/scan_options.h"

namespace fathom {
namespace {

void DeclareTargets(CLI::App& app, ScanFlags& f) {
  app.option_defaults()->group("Targets");
  Add(app, "--exclude", f.exclude, "FILE", "never probe what FILE lists")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  Add(app, "--shard", f.shard, "I/N",
      "only part I of the targets dealt to N, for merge");
  auto* const ipv4 =
      app.add_flag("-4,--ipv4", f.ipv4, "of a mixed list, the IPv4 targets");
  app.add_flag("-6,--ipv6", f.ipv6, "of a mixed list, the IPv6 targets")
      ->excludes(ipv4);
  Add(app, "--per-prefix", f.per_prefix, "N",
      "addresses per /24, or per IPv6 unit [1]");
  Add(app, "--granularity", f.granularity, "LEN",
      "IPv6 unit: /LEN [48; 64 in a /48 or longer]");
  app.add_flag("--include-special", f.include_special,
               "probe special-purpose addresses too (labs)");
}

void DeclareProbing(CLI::App& app, ScanFlags& f) {
  app.option_defaults()->group("What to probe");
  Add(app, "--strategy", f.strategy, "S", Names<StrategyModule>() + " [sweep]");
  Add(app, "--protocol", f.protocol, "P", Names<CodecModule>() + " [icmp]");
  Add(app, "--min-ttl", f.min_ttl, "N", "lowest TTL to probe [1]");
  Add(app, "--max-ttl", f.max_ttl, "N", "highest TTL to probe [32]");
  Add(app, "--probes", f.probes, "N", "sweep: probes to each TTL, 1 to 8 [1]");
  Add(app, "--fill", f.fill, "N",
      "sweep: beyond --max-ttl, on to N if routers answer");
  Add(app, "--neighborhood", f.neighborhood, "N",
      "sweep: below TTL N, skip what is known");
  Add(app, "--router-pps", f.router_pps, "N",
      "sweep: the most for a router near us [any]");
  Add(app, "--min-yield", f.min_yield, "P",
      "back_forward: news that is worth a probe [0.01]");
  Add(app, "--confidence", f.confidence, "P",
      "multipath: that no next hop is missed [0.95]");
  Add(app, "--prefix-probes", f.prefix_probes, "N",
      "multipath: probes to a /24 at most [1000]");
  Add(app, "--repair", f.repair, "N", "ask holes again, 0 to 8 rounds [0]");
  app.add_flag("--verify{2}", f.verify, "ask links again, =1 to =8 times [2]");
  Add(app, "-e,--seed", f.seed, "N",
      "repeats a scan's choices [drawn, printed]");
  Add(app, "--contact", f.contact, "TEXT",
      "goes into every probe: who you are");
}

void DeclareSending(CLI::App& app, ScanFlags& f) {
  app.option_defaults()->group("Sending and hearing");
  Add(app, "-p,--pps", f.pps, "N",
      "probes a second; K, M, G are understood [1K]");
  Add(app, "-b,--backend", f.backend, "B",
      Names<BackendModule>() + " [io_uring]");
  Add(app, "-i,--interface", f.interface, "DEV",
      "network interface [by route], or scenario file");
  Add(app, "--source", f.source, "ADDR",
      "address to probe from [of the interface]");
  Add(app, "--gateway", f.gateway, "ADDR", "first router [by route]");
  Add(app, "--gateway-mac", f.gateway_mac, "MAC",
      "its Ethernet address [by ARP or ND]");
  Add(app, "--lanes", f.lanes, "N", "queue pairs, two threads each [1]");
  Add(app, "--pin", f.pin, "CPUS", "processors for the threads, such as 2-5,8");
  Add(app, "-c,--cooldown", f.cooldown, "TIME",
      "hear late replies this long [10s]");
  Add(app, "--max-runtime", f.max_runtime, "TIME", "stop sending after it");
  Add(app, "--on-loss", f.on_loss, "WHAT",
      "slow, warn or stop if replies are lost here [slow]");
  Add(app, "--loss-limit", f.loss_limit, "P", "percent that may be lost [1]");
}

void DeclareOutput(CLI::App& app, ScanFlags& f) {
  app.option_defaults()->group("What comes out");
  Add(app, "-o,--output", f.output, "NAME", "directory of the dataset to make");
  Add(app, "--resume", f.resume, "NAME",
      "go on with a scan that was cut short");
  Add(app, "--finish-memory", f.finish_memory, "BYTES",
      "for making the dataset, about [900M]");
  Add(app, "--vantage", f.vantage, "NAME", "for the manifest: where this is");
  Add(app, "--status-log", f.status_log, "FILE",
      "a CSV row a second of progress");
  app.add_flag("--dry-run", f.dry_run, "say what would be sent; send nothing");
  app.add_flag("--json", f.json, "the summary as JSON on standard output");
  app.add_flag("-q,--quiet", f.quiet, "nothing but errors");
  app.add_flag("-v,--verbose", f.verbose, "all counters at the end");
}

}  // namespace

void DeclareScanFlags(CLI::App& app, ScanFlags& flags) {
  // The last of two settles it, so that scripts can append.
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  Add(app, "TARGETS", flags.targets, "FILE", "file of addresses and prefixes");
  DeclareOutput(app, flags);
  DeclareSending(app, flags);
  DeclareProbing(app, flags);
  DeclareTargets(app, flags);
}

}  // namespace fathom
