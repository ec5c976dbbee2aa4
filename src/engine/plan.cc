// What a scan would do, from the same parts that would do it.

#include <memory>

#include "fathom/registry.h"
#include "fathom/strategy.h"
#include "src/base/status_macros.h"
#include "src/engine/scan.h"
#include "src/engine/setup.h"

namespace fathom {

absl::StatusOr<ScanPlan> PlanScan(const TargetSet& targets,
                                  const ScanOptions& options,
                                  size_t link_header) {
  FATHOM_ASSIGN_OR_RETURN(const StrategyModule strategy_module,
                          Register<StrategyModule>::Find(options.strategy));
  FATHOM_ASSIGN_OR_RETURN(
      const auto strategy,
      strategy_module.make(targets, StrategyOptionsOf(options)));
  FATHOM_ASSIGN_OR_RETURN(const CodecModule codec_module,
                          Register<CodecModule>::Find(options.protocol));
  CodecOptions codec_options = CodecOptionsOf(options, strategy_module.flows);
  // Any; sizes are the same for all.
  codec_options.source = targets.family() == Family::kIpv4
                             ? IpAddress::V4(0)
                             : IpAddress::V6(0, 1);
  FATHOM_ASSIGN_OR_RETURN(const auto codec, codec_module.make(codec_options));
  const uint64_t probes = strategy->planned();
  const double seconds =
      static_cast<double>(probes) / static_cast<double>(options.pps);
  return ScanPlan{.probes = probes,
                  .exact = !strategy->observes(),
                  .bytes = probes * (codec->probe_size() + link_header),
                  .duration = options.cooldown +
                              std::chrono::duration_cast<Nanos>(
                                  std::chrono::duration<double>(seconds))};
}

}  // namespace fathom
