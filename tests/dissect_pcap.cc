// What fathom reads out of the packets of a capture, as JSON, a line each:
//
//   dissect_pcap FILE
//
// FILE is a pcap of raw IP (link type 101) in this machine's byte order.

#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "src/base/bytes.h"
#include "src/codec/dissect.h"
#include "src/net/icmp_extensions.h"

namespace fathom {
namespace {

using Json = nlohmann::json;

constexpr size_t kFileHeader = 24, kPacketHeader = 16;

Json InterfaceJson(const InterfaceInfo& info) {
  Json json = {{"role", static_cast<int>(info.role)}, {"name", info.name}};
  if (info.index) json["index"] = *info.index;
  if (info.address) json["address"] = info.address->ToString();
  if (info.mtu) json["mtu"] = *info.mtu;
  return json;
}

Json ExtensionsJson(std::span<const std::byte> extensions) {
  Json json = {{"labels", Json::array()},
               {"interfaces", Json::array()},
               {"objects", Json::array()}};
  for (const MplsLabel& label : MplsStackOf(extensions)) {
    json["labels"].push_back(
        {label.label, label.traffic_class, label.bottom ? 1 : 0, label.ttl});
  }
  for (const ExtensionObject& object : ObjectsOf(extensions)) {
    json["objects"].push_back({object.object_class, object.object_type});
    if (const auto info = InterfaceOf(object)) {
      json["interfaces"].push_back(InterfaceJson(*info));
    }
  }
  return json;
}

Json ToJson(const Packet& packet) {
  constexpr const char* kShapes[] = {"error", "echo reply", "segment",
                                     "malformed", "other"};
  Json json = {{"shape", kShapes[static_cast<int>(packet.shape)]},
               {"source", packet.source.ToString()},
               {"destination", packet.destination.ToString()},
               {"ttl", packet.ttl.value()},
               {"type", packet.icmp_type},
               {"code", packet.icmp_code},
               {"flags", packet.tcp_flags},
               {"extensions", ExtensionsJson(packet.extensions)}};
  if (packet.shape == PacketShape::kError) {
    const QuotedPacket& quote = *packet.quote;
    json["quote"] = {{"source", quote.source.ToString()},
                     {"destination", quote.destination.ToString()},
                     {"ttl", quote.ttl.value()},
                     {"tos", quote.tos},
                     {"protocol", quote.protocol}};
  }
  return json;
}

int Run(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  auto bytes = std::as_bytes(std::span(text));
  if (bytes.size() < kFileHeader) {
    std::cerr << path << ": no capture\n";
    return 2;
  }
  bytes = bytes.subspan(kFileHeader);
  while (bytes.size() >= kPacketHeader) {
    const auto size = Load<uint32_t>(bytes.subspan(8));
    bytes = bytes.subspan(kPacketHeader);
    if (size > bytes.size()) return 2;
    std::cout << ToJson(Dissect(bytes.first(size))) << "\n";
    bytes = bytes.subspan(size);
  }
  return 0;
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: dissect_pcap FILE\n";
    return 2;
  }
  return fathom::Run(argv[1]);
}
