#ifndef FATHOM_BACKENDS_DPDK_DEVICE_H_
#define FATHOM_BACKENDS_DPDK_DEVICE_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace fathom {

// What the user calls a port of DPDK: a card by its PCI address,
// "0000:3b:00.0", or a virtual device with its arguments,
// "net_af_packet0,iface=eth0". A card may have arguments too.
struct DpdkDevice {
  bool pci = false;
  std::string name;       // "0000:3b:00.0", "net_af_packet0"
  std::string arguments;  // "iface=eth0"; may be empty.

  // "net_af_packet" of "net_af_packet0"; empty for a card.
  std::string_view driver() const;

  // The value of an argument; nullopt if it is not there.
  std::optional<std::string> Find(std::string_view key) const;

  // Adds an argument unless the user has given it.
  void AddUnlessGiven(std::string_view key, size_t value);
};

// InvalidArgument: says what would do.
absl::StatusOr<DpdkDevice> ParseDpdkDevice(std::string_view text);

}  // namespace fathom

#endif  // FATHOM_BACKENDS_DPDK_DEVICE_H_
