#ifndef FATHOM_BENCH_DROPPING_WIRE_H_
#define FATHOM_BENCH_DROPPING_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "src/net/neighbor.h"
#include "tests/netns.h"

namespace fathom {

// A wire into nothing, in namespaces of its own: veth0 here, with 10.0.0.2 and
// a route to everywhere; peer0 on the far side counts what comes and drops it
// by XDP, as early as there is.
class DroppingWire {
 public:
  // `threaded`: the far side receives in a kernel thread of its own, where that
  // is to be had; or else the sender pays for it.
  static absl::StatusOr<DroppingWire> Make(bool threaded);

  const Netns& netns() const { return netns_; }
  const Interface& near() const { return near_; }
  std::string far_mac() const { return MacToString(far_mac_); }

  // Of a frame from here to the far side.
  std::vector<std::byte> link_header() const;

  // Frames that reached the far side so far.
  uint64_t Arrived() const;

 private:
  DroppingWire(Netns netns, Interface near, MacAddress far_mac)
      : netns_(std::move(netns)), near_(std::move(near)), far_mac_(far_mac) {}

  Netns netns_;
  Interface near_;
  MacAddress far_mac_;
};

}  // namespace fathom

#endif  // FATHOM_BENCH_DROPPING_WIRE_H_
