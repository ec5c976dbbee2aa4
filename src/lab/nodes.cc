#include "src/lab/nodes.h"

#include "src/base/hash.h"
#include "src/lab/scenario.h"

namespace fathom::lab {
namespace {

constexpr uint64_t kTopologySalt = 0x746f706f;

uint32_t MaskOf(uint8_t bits) { return bits == 0 ? 0 : ~0U << (32 - bits); }

}  // namespace

Nodes::Nodes(const Scenario& scenario)
    : root_(scenario.space.front().first().v4()),
      per_destination_(scenario.per_destination),
      per_packet_(scenario.per_packet),
      meshed_(scenario.meshed),
      diamond_length_(scenario.diamond_length),
      widths_(scenario.widths),
      tunnels_(scenario.tunnels),
      tunnel_kinds_(scenario.tunnel_kinds),
      hidden_routers_(scenario.hidden_routers),
      changes_(scenario.route_changes),
      change_age_({scenario.route_change_s.min * 1e3,
                   scenario.route_change_s.max * 1e3}) {
  for (size_t i = 0; i < kLevels; ++i) {
    levels_[i] = {.seed = Derive(scenario.seed ^ kTopologySalt, i),
                  .mask = MaskOf(kLevelBits[i]),
                  .slots = RouterSlots(scenario, i),
                  .bare = Share(scenario.bare[i]),
                  .chain = scenario.chain[i],
                  .delay = DelayRange(scenario.delay_ms[i]),
                  .diamonds = Share(scenario.diamonds[i]),
                  .unrouted = Share(scenario.unrouted[i]),
                  .filtered = Share(scenario.filtered[i]),
                  .loops = Share(scenario.loops[i])};
  }
}

}  // namespace fathom::lab
