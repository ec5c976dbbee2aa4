#include "src/net/icmp_extensions.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "src/base/bytes.h"

namespace fathom {
namespace {

using ByteSpan = std::span<const std::byte>;

constexpr size_t kObjectHeader = 4;
constexpr size_t kWord = 4;

constexpr uint8_t kMplsClass = 1;  // RFC 4950, section 3.
constexpr uint8_t kIncomingStack = 1;

// RFC 5837, section 4: the type says the role, and what follows in this order.
constexpr uint8_t kInterfaceClass = 2;
constexpr uint8_t kHasIndex = 0x08;
constexpr uint8_t kHasAddress = 0x04;
constexpr uint8_t kHasName = 0x02;
constexpr uint8_t kHasMtu = 0x01;
constexpr size_t kMaxName = 64;  // Its byte of length included.

constexpr uint16_t kAfiIpv4 = 1;
constexpr uint16_t kAfiIpv6 = 2;

// The length of the object that `objects` begin with; 0 if there is none that
// is whole. Objects are of 32-bit words (RFC 4884, section 7).
size_t ObjectLength(ByteSpan objects) {
  if (objects.size() < kObjectHeader) return 0;
  const size_t length = Load<Be16>(objects);
  const bool whole = length >= kObjectHeader && length % kWord == 0 &&
                     length <= objects.size();
  return whole ? length : 0;
}

// Calls visit(object) for each object.
template <typename Visit>
void ForEachObject(ByteSpan objects, const Visit& visit) {
  while (const size_t length = ObjectLength(objects)) {
    visit(ExtensionObject{
        .object_class = std::to_integer<uint8_t>(objects[2]),
        .object_type = std::to_integer<uint8_t>(objects[3]),
        .payload = objects.subspan(kObjectHeader, length - kObjectHeader)});
    objects = objects.subspan(length);
  }
}

bool IsMplsStack(const ExtensionObject& object) {
  return object.object_class == kMplsClass &&
         object.object_type == kIncomingStack;
}

void AppendLabels(ByteSpan payload, std::vector<MplsLabel>& labels) {
  for (; payload.size() >= kWord; payload = payload.subspan(kWord)) {
    const uint32_t entry = Load<Be32>(payload);
    labels.push_back({.label = entry >> 12,
                      .traffic_class = static_cast<uint8_t>(entry >> 9 & 7),
                      .bottom = (entry >> 8 & 1) != 0,
                      .ttl = static_cast<uint8_t>(entry)});
  }
}

std::string SpellLabels(const std::vector<MplsLabel>& labels) {
  std::string text;
  for (const MplsLabel& label : labels) {
    absl::StrAppend(&text, text.empty() ? "" : " ", label.label, "/",
                    label.traffic_class, "/", label.bottom ? 1 : 0, "/",
                    label.ttl);
  }
  return text;
}

// Takes things off the front of a payload; remembers if it was too short.
class PayloadReader {
 public:
  explicit PayloadReader(ByteSpan rest) : rest_(rest) {}

  bool ok() const { return ok_; }

  ByteSpan Take(size_t count) {
    ok_ = ok_ && count <= rest_.size();
    if (!ok_) return {};
    const ByteSpan taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

  uint32_t Word() {
    const ByteSpan word = Take(kWord);
    return ok_ ? uint32_t{Load<Be32>(word)} : 0;
  }

  // A family of RFC 8126's address family numbers, two bytes of nothing, and
  // the address.
  std::optional<IpAddress> Address() {
    const uint16_t family = Word() >> 16;
    if (family == kAfiIpv4) return IpAddress::V4(Word());
    const ByteSpan bytes = Take(family == kAfiIpv6 ? 16 : rest_.size() + 1);
    if (!ok_) return std::nullopt;
    return IpAddress::V6(Load<BigEndian<uint64_t>>(bytes),
                         Load<BigEndian<uint64_t>>(bytes.subspan(8)));
  }

  // A byte of length, which counts itself and the zeros that fill the word.
  std::string Name() {
    const size_t length =
        rest_.empty() ? 0 : std::to_integer<size_t>(rest_.front());
    ok_ = ok_ && length >= 1 && length <= kMaxName;
    const ByteSpan field = Take(length);
    if (!ok_) return "";
    const ByteSpan name = field.subspan(1);
    const auto end = std::find(name.begin(), name.end(), std::byte{0});
    return {reinterpret_cast<const char*>(name.data()),
            static_cast<size_t>(end - name.begin())};
  }

 private:
  ByteSpan rest_;
  bool ok_ = true;
};

void AppendHex(uint8_t byte, std::string& text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  text += kDigits[byte >> 4];
  text += kDigits[byte & 15];
}

// In quotes; quotes and backslashes in it are written as bytes, too.
std::string SpellName(const std::string& name) {
  std::string text = "\"";
  for (const char c : name) {
    if (c >= ' ' && c <= '~' && c != '"' && c != '\\') {
      text += c;
      continue;
    }
    text += "\\x";
    AppendHex(static_cast<uint8_t>(c), text);
  }
  return text + "\"";
}

std::string SpellInterface(const InterfaceInfo& interface) {
  static constexpr const char* kRoles[] = {"incoming", "sub-ip", "outgoing",
                                           "next-hop"};
  std::string text = kRoles[static_cast<size_t>(interface.role)];
  if (interface.index) absl::StrAppend(&text, " index ", *interface.index);
  if (interface.address) {
    absl::StrAppend(&text, " address ", interface.address->ToString());
  }
  if (!interface.name.empty()) {
    absl::StrAppend(&text, " name ", SpellName(interface.name));
  }
  if (interface.mtu) absl::StrAppend(&text, " mtu ", *interface.mtu);
  return text;
}

std::string SpellRaw(const ExtensionObject& object) {
  std::string text =
      absl::StrCat("object ", object.object_class, "/", object.object_type);
  if (!object.payload.empty()) text += " 0x";
  for (const std::byte byte : object.payload) {
    AppendHex(std::to_integer<uint8_t>(byte), text);
  }
  return text;
}

std::string SpellObject(const ExtensionObject& object) {
  if (IsMplsStack(object) && !object.payload.empty()) {
    std::vector<MplsLabel> labels;
    AppendLabels(object.payload, labels);
    return absl::StrCat("mpls ", SpellLabels(labels));
  }
  if (const auto interface = InterfaceOf(object)) {
    return SpellInterface(*interface);
  }
  return SpellRaw(object);
}

}  // namespace

std::vector<ExtensionObject> ObjectsOf(ByteSpan objects) {
  std::vector<ExtensionObject> found;
  ForEachObject(
      objects, [&](const ExtensionObject& object) { found.push_back(object); });
  return found;
}

size_t WholeObjects(ByteSpan objects, size_t limit) {
  objects = objects.first(std::min(objects.size(), limit));
  size_t total = 0;
  while (const size_t length = ObjectLength(objects.subspan(total))) {
    total += length;
  }
  return total;
}

std::vector<MplsLabel> MplsStackOf(ByteSpan objects) {
  std::vector<MplsLabel> labels;
  ForEachObject(objects, [&](const ExtensionObject& object) {
    if (IsMplsStack(object)) AppendLabels(object.payload, labels);
  });
  return labels;
}

std::optional<InterfaceInfo> InterfaceOf(const ExtensionObject& object) {
  if (object.object_class != kInterfaceClass) return std::nullopt;
  const uint8_t type = object.object_type;
  PayloadReader reader(object.payload);
  InterfaceInfo interface;
  interface.role = static_cast<InterfaceInfo::Role>(type >> 6);
  if ((type & kHasIndex) != 0) interface.index = reader.Word();
  if ((type & kHasAddress) != 0) interface.address = reader.Address();
  if ((type & kHasName) != 0) interface.name = reader.Name();
  if ((type & kHasMtu) != 0) interface.mtu = reader.Word();
  if (!reader.ok()) return std::nullopt;
  return interface;
}

std::string SpellMpls(ByteSpan objects) {
  return SpellLabels(MplsStackOf(objects));
}

std::string SpellExtensions(ByteSpan objects) {
  std::string text;
  ForEachObject(objects, [&](const ExtensionObject& object) {
    absl::StrAppend(&text, text.empty() ? "" : "; ", SpellObject(object));
  });
  return text;
}

}  // namespace fathom
