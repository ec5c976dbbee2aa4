#ifndef FATHOM_BACKENDS_SIMULATED_H_
#define FATHOM_BACKENDS_SIMULATED_H_

#include <memory>

#include "absl/status/statusor.h"
#include "fathom/packet_io.h"
#include "src/lab/network.h"
#include "src/lab/scenario.h"

namespace fathom {

// The simulated backend as tests open it, with a scenario of their own and an
// observer that is told of every probe. Everyone else opens "simulated" by
// name, with the path of a scenario file as the device.
//
// `observer` may be null; else it must outlive the backend.
absl::StatusOr<std::unique_ptr<Backend>> OpenSimulated(
    const lab::Scenario& scenario, const BackendOptions& options,
    lab::Observer* observer);

// The time at which every simulation begins: 2026-01-01T00:00:00Z.
inline constexpr Instant kSimulationStart{std::chrono::seconds{1'767'225'600}};

}  // namespace fathom

#endif  // FATHOM_BACKENDS_SIMULATED_H_
