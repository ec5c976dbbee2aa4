#include "backends/dpdk_device.h"

#include <algorithm>
#include <cctype>
#include <cstddef>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace fathom {
namespace {

absl::string_view Absl(std::string_view text) {
  return {text.data(), text.size()};
}

// Whether each character of `text` is as in `pattern`: x a hexadecimal digit,
// anything else itself.
bool Matches(std::string_view text, std::string_view pattern) {
  return std::equal(
      text.begin(), text.end(), pattern.begin(), pattern.end(),
      [](char c, char wanted) {
        return wanted == 'x' ? std::isxdigit(static_cast<unsigned char>(c)) != 0
                             : c == wanted;
      });
}

}  // namespace

std::string_view DpdkDevice::driver() const {
  if (pci) return {};
  const size_t last = name.find_last_not_of("0123456789");
  return std::string_view(name).substr(0, last + 1);
}

std::optional<std::string> DpdkDevice::Find(std::string_view key) const {
  for (const absl::string_view argument : absl::StrSplit(arguments, ',')) {
    if (absl::StartsWith(argument, absl::StrCat(Absl(key), "="))) {
      return std::string(argument.substr(key.size() + 1));
    }
  }
  return std::nullopt;
}

void DpdkDevice::AddUnlessGiven(std::string_view key, size_t value) {
  if (Find(key)) return;
  absl::StrAppend(&arguments, arguments.empty() ? "" : ",", Absl(key), "=",
                  value);
}

absl::StatusOr<DpdkDevice> ParseDpdkDevice(std::string_view text) {
  const size_t comma = text.find(',');
  DpdkDevice device;
  device.name = text.substr(0, comma);
  if (comma != std::string_view::npos) {
    device.arguments = text.substr(comma + 1);
  }
  // lspci leaves out the domain where there is only one.
  if (Matches(device.name, "xx:xx.x")) device.name.insert(0, "0000:");
  device.pci = Matches(device.name, "xxxx:xx:xx.x");
  if (device.pci || absl::StartsWith(device.name, "net_") ||
      absl::StartsWith(device.name, "eth_")) {
    return device;
  }
  if (device.name.empty()) {
    return absl::InvalidArgumentError(
        "dpdk: no device; name a card by its PCI address, such as "
        "0000:3b:00.0, or a virtual device, such as "
        "net_af_packet0,iface=eth0");
  }
  return absl::InvalidArgumentError(
      absl::StrCat("dpdk: ", device.name,
                   " is neither the PCI address of a card nor a virtual "
                   "device; an interface of the kernel is "
                   "net_af_packet0,iface=",
                   device.name));
}

}  // namespace fathom
