#ifndef FATHOM_TOOLS_TRACE_HOSTS_H_
#define FATHOM_TOOLS_TRACE_HOSTS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "fathom/packet_io.h"
#include "src/trace/trace_run.h"
#include "tools/trace_flags.h"

namespace fathom {

// A host as the user named it, and the address that is traced.
struct TraceHost {
  std::string word{};
  IpAddress address{};
};

// The addresses of the hosts, by the system's resolver where they are names.
// NotFound names the host that has none.
absl::StatusOr<std::vector<TraceHost>> LookUpHosts(const TraceFlags& flags);

// Hosts that are reached the same way share a backend and are traced at the
// same time; so are groups.
struct TraceGroup {
  std::unique_ptr<Backend> backend{};
  std::unique_ptr<TraceRun> run{};
};

// Where a host is traced: in which group, as which of its tracers.
struct TracePlace {
  size_t group = 0;
  size_t index = 0;
};

struct TracePlan {
  std::vector<TraceGroup> groups{};
  std::vector<TracePlace> places{};  // By host; several may share one.
  std::string remark{};              // What else than asked for is done, or "".
};

// PermissionDenied says what to grant.
absl::StatusOr<TracePlan> PlanTraces(const std::vector<TraceHost>& hosts,
                                     const TraceFlags& flags,
                                     const TraceRunOptions& options);

}  // namespace fathom

#endif  // FATHOM_TOOLS_TRACE_HOSTS_H_
