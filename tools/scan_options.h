#ifndef FATHOM_TOOLS_SCAN_OPTIONS_H_
#define FATHOM_TOOLS_SCAN_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "fathom/packet_io.h"
#include "src/engine/scan.h"
#include "src/schedule/targets.h"

namespace fathom {

// What the user wrote on the command line of `fathom scan`.
struct ScanFlags {
  std::string targets;
  std::string output;
  std::string pps = "1K";
  std::string backend = "io_uring";
  std::string interface;
  std::string source;
  std::string gateway;
  std::string gateway_mac;
  std::string strategy = "sweep";
  std::string protocol = "icmp";
  int min_ttl = 1;
  int max_ttl = 32;
  int probes = 1;
  int fill = 0;
  int neighborhood = 0;
  std::string router_pps = "0";
  int repair = 0;
  int verify = 0;
  double confidence = 0.95;
  uint32_t prefix_probes = 1000;
  double min_yield = 0.01;
  std::string seed;
  std::vector<std::string> exclude;
  std::string shard = "1/1";
  std::string vantage;
  std::string resume;
  bool include_special = false;
  uint32_t per_prefix = 1;
  int granularity = 0;
  bool ipv4 = false;
  bool ipv6 = false;
  std::string cooldown = "10s";
  std::string max_runtime = "0";
  std::string finish_memory = "900M";
  std::string contact;
  uint32_t lanes = 1;
  std::string pin;
  std::string on_loss = "slow";
  double loss_limit = 1;  // Percent.
  std::string status_log;
  bool dry_run = false;
  bool json = false;
  bool quiet = false;
  bool verbose = false;
};

// Declares the options on `app`; `flags` must outlive it.
void DeclareScanFlags(CLI::App& app, ScanFlags& flags);

// What the flags mean; the error says which one is wrong and what would do. A
// seed that was not given is drawn.
absl::StatusOr<ScanOptions> ToScanOptions(const ScanFlags& flags);
// "1/4" to "4/4".
absl::StatusOr<Shard> ToShard(const ScanFlags& flags);

// Which targets to load, without the exclusions.
absl::StatusOr<TargetOptions> ToTargetOptions(const ScanFlags& flags,
                                              uint64_t seed);

// For targets of `family`.
absl::StatusOr<BackendOptions> ToBackendOptions(const ScanFlags& flags,
                                                Family family);

}  // namespace fathom

#endif  // FATHOM_TOOLS_SCAN_OPTIONS_H_
