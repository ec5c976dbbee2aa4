// fathom lab peer: readies the scanner's end of the wire.

#include <memory>
#include <string>

#include "src/lab/veth_peer.h"
#include "tools/exit_code.h"
#include "tools/lab_commands.h"

namespace fathom {

void AddLabPeer(CLI::App& lab, int& exit_code) {
  CLI::App* const command =
      lab.add_subcommand("peer", "ready the scanner's end of a veth for xdp");
  const auto interface = std::make_shared<std::string>();
  command
      ->add_option("IFACE", *interface, "the scanner's end, in its namespace")
      ->required();
  command->callback([interface, &exit_code] {
    const absl::Status status = lab::PrepareVethPeer(*interface);
    if (status.ok()) return;
    Report(status);
    exit_code = kExitDevice;
  });
}

}  // namespace fathom
