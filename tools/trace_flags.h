#ifndef FATHOM_TOOLS_TRACE_FLAGS_H_
#define FATHOM_TOOLS_TRACE_FLAGS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/trace/trace_run.h"

namespace fathom {

// What the user wrote on the command line of `fathom trace`.
struct TraceFlags {
  std::vector<std::string> hosts;
  bool ipv4 = false;
  bool ipv6 = false;
  std::string protocol;  // Empty: icmp, or what is allowed.
  int first_ttl = 1;
  int max_ttl = 30;
  int probes = 3;
  int flows = 1;
  int gap_limit = 5;
  std::string wait = "1s";
  std::string interval;
  std::string backend;
  std::string interface;
  std::string source;
  std::string contact;
  std::string seed;
  std::string resolver;
  std::vector<std::string> networks;
  std::vector<std::string> ixps;
  bool no_names = false;
  bool report = false;
  bool json = false;
  bool watch = false;
};

// Declares the options on `app`; `flags` must outlive it.
void DeclareTraceFlags(CLI::App& app, TraceFlags& flags);

// What the flags mean; the error says which one is wrong and what would do.
absl::StatusOr<TraceRunOptions> ToTraceRunOptions(const TraceFlags& flags);

}  // namespace fathom

#endif  // FATHOM_TOOLS_TRACE_FLAGS_H_
