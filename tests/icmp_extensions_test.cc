// Reading of what routers add to their errors: objects written here by the
// RFCs come back as they were, and no bytes at all do harm.

#include "src/net/icmp_extensions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "src/base/bytes.h"

namespace fathom {
namespace {

using Bytes = std::vector<std::byte>;
using Role = InterfaceInfo::Role;

template <typename T>
void Append(T value, Bytes& to) {
  to.resize(to.size() + sizeof value);
  Store(value, std::span(to).last(sizeof value));
}

Bytes Object(uint8_t object_class, uint8_t type, const Bytes& payload) {
  Bytes object(4 + payload.size());
  Store(Be16(static_cast<uint16_t>(object.size())), object);
  object[2] = static_cast<std::byte>(object_class);
  object[3] = static_cast<std::byte>(type);
  std::copy(payload.begin(), payload.end(), object.begin() + 4);
  return object;
}

Bytes Text(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// RFC 4950, section 3.
Bytes Stack(const std::vector<MplsLabel>& labels) {
  Bytes payload;
  for (const MplsLabel& label : labels) {
    Append(Be32(label.label << 12 | uint32_t{label.traffic_class} << 9 |
                (label.bottom ? 0x100U : 0U) | label.ttl),
           payload);
  }
  return Object(1, 1, payload);
}

// RFC 5837, section 4.
Bytes Interface(const InterfaceInfo& interface) {
  auto type = static_cast<uint8_t>(static_cast<int>(interface.role) << 6);
  Bytes payload;
  if (interface.index) {
    type |= 8;
    Append(Be32(*interface.index), payload);
  }
  if (interface.address) {
    type |= 4;
    const IpAddress& address = *interface.address;
    const bool v4 = address.family() == Family::kIpv4;
    Append(Be16(v4 ? 1 : 2), payload);
    Append(Be16(0), payload);
    if (v4) {
      Append(Be32(address.v4()), payload);
    } else {
      Append(BigEndian<uint64_t>(address.high()), payload);
      Append(BigEndian<uint64_t>(address.low()), payload);
    }
  }
  if (!interface.name.empty()) {
    type |= 2;
    const size_t length = (1 + interface.name.size() + 3) / 4 * 4;
    Append(static_cast<uint8_t>(length), payload);
    payload = payload + Text(interface.name);
    payload.resize(payload.size() + length - 1 - interface.name.size());
  }
  if (interface.mtu) {
    type |= 1;
    Append(Be32(*interface.mtu), payload);
  }
  return Object(2, type, payload);
}

MplsLabel RandomLabel(std::mt19937_64& random) {
  return {.label = static_cast<uint32_t>(random() % (1 << 20)),
          .traffic_class = static_cast<uint8_t>(random() % 8),
          .bottom = random() % 2 == 0,
          .ttl = static_cast<uint8_t>(random())};
}

InterfaceInfo RandomInterface(std::mt19937_64& random) {
  InterfaceInfo interface;
  interface.role = static_cast<Role>(random() % 4);
  if (random() % 2 == 0) interface.index = static_cast<uint32_t>(random());
  if (random() % 2 == 0) {
    interface.address = random() % 2 == 0
                            ? IpAddress::V4(static_cast<uint32_t>(random()))
                            : IpAddress::V6(random() | 1, random());
  }
  // The longest name fills its field up, without a zero at the end.
  interface.name.assign(random() % 64, 'x');
  for (char& c : interface.name) c = static_cast<char>(1 + random() % 255);
  if (random() % 2 == 0) interface.mtu = static_cast<uint32_t>(random());
  return interface;
}

void ExpectEqual(const InterfaceInfo& a, const InterfaceInfo& b) {
  EXPECT_EQ(a.role, b.role);
  EXPECT_EQ(a.index, b.index);
  EXPECT_EQ(a.address, b.address);
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.mtu, b.mtu);
}

TEST(IcmpExtensions, RecoversEveryStackOfLabels) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 2000; ++round) {
    Bytes objects;
    std::vector<MplsLabel> all;
    for (uint64_t i = random() % 4; i != 0; --i) {
      std::vector<MplsLabel> labels(random() % 7);
      for (MplsLabel& label : labels) label = RandomLabel(random);
      all.insert(all.end(), labels.begin(), labels.end());
      objects = objects + Stack(labels);
      // Others between them are no labels, nor are other types of the class.
      objects = objects + Object(9, 1, Bytes(8)) + Object(1, 2, Bytes(4));
    }
    ASSERT_EQ(MplsStackOf(objects), all);
  }
}

TEST(IcmpExtensions, RecoversEveryInterface) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 5000; ++round) {
    const InterfaceInfo interface = RandomInterface(random);
    const Bytes bytes = Interface(interface);
    const auto objects = ObjectsOf(bytes);
    ASSERT_EQ(objects.size(), 1U);
    const auto read = InterfaceOf(objects[0]);
    ASSERT_TRUE(read);
    ExpectEqual(*read, interface);
  }
}

TEST(IcmpExtensions, KeepsUnknownObjectsAsTheyAre) {
  const Bytes payload = Text("12345678");
  const Bytes objects = Object(200, 7, payload) + Object(0, 0, {});
  const auto found = ObjectsOf(objects);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].object_class, 200);
  EXPECT_EQ(found[0].object_type, 7);
  EXPECT_TRUE(std::equal(payload.begin(), payload.end(),
                         found[0].payload.begin(), found[0].payload.end()));
  EXPECT_TRUE(found[1].payload.empty());
  EXPECT_FALSE(InterfaceOf(found[0]));
}

TEST(IcmpExtensions, TakesWholeObjectsOnly) {
  const Bytes objects = Object(1, 1, Bytes(8)) + Object(2, 0, Bytes(16));
  for (size_t limit = 0; limit <= objects.size() + 9; ++limit) {
    const size_t whole = limit < 12 ? 0 : limit < 32 ? 12 : 32;
    EXPECT_EQ(WholeObjects(objects, limit), whole);
    const std::span some(objects.data(), std::min(limit, objects.size()));
    EXPECT_EQ(WholeObjects(some, 999), whole);
    EXPECT_EQ(ObjectsOf(some).size(), static_cast<size_t>(whole + 19) / 20);
  }
}

TEST(IcmpExtensions, StopsAtLengthsThatCannotBe) {
  for (const int length : {0, 1, 3, 5, 6, 7, 9, 11, 16, 0x8000, 0xffff}) {
    Bytes objects = Object(5, 5, Bytes(4)) + Object(6, 6, Bytes(8));
    Store(Be16(static_cast<uint16_t>(length)), std::span(objects).subspan(8));
    EXPECT_EQ(ObjectsOf(objects).size(), 1U) << length;
    EXPECT_EQ(WholeObjects(objects, 999), 8U) << length;
  }
}

TEST(IcmpExtensions, RefusesInterfacesThatEndTooEarly) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 500; ++round) {
    const InterfaceInfo interface = RandomInterface(random);
    const Bytes bytes = Interface(interface);
    const auto whole = ObjectsOf(bytes)[0];
    for (size_t size = 0; size < whole.payload.size(); ++size) {
      const Bytes cut(whole.payload.begin(), whole.payload.begin() + size);
      EXPECT_FALSE(InterfaceOf({2, whole.object_type, cut}));
    }
  }
  // An address of no known family, a name that is no length or too long.
  EXPECT_FALSE(InterfaceOf({2, 4, Bytes(64, std::byte{3})}));
  EXPECT_FALSE(InterfaceOf({2, 2, Bytes(64)}));
  EXPECT_FALSE(InterfaceOf({2, 2, Bytes(128, std::byte{68})}));
}

TEST(IcmpExtensions, SpellsWhatItKnows) {
  const Bytes labels = Stack({{24015, 0, false, 1}, {299, 5, true, 254}});
  EXPECT_EQ(SpellMpls(labels), "24015/0/0/1 299/5/1/254");
  EXPECT_EQ(SpellExtensions(labels), "mpls 24015/0/0/1 299/5/1/254");
  InterfaceInfo interface;
  interface.index = 5;
  interface.address = IpAddress::V4(0x0a000001);
  interface.name = "ge-0/0/0";
  interface.mtu = 1500;
  EXPECT_EQ(SpellExtensions(Interface(interface)),
            "incoming index 5 address 10.0.0.1 name \"ge-0/0/0\" mtu 1500");
  interface = {};
  interface.role = Role::kNextHop;
  interface.address = *IpAddress::Parse("2001:db8::1");
  interface.name = "a\"\\\x01\xff";
  EXPECT_EQ(SpellExtensions(labels + Interface(interface)),
            "mpls 24015/0/0/1 299/5/1/254; next-hop address 2001:db8::1 name "
            "\"a\\x22\\x5c\\x01\\xff\"");
}

TEST(IcmpExtensions, SpellsTheRestAsBytes) {
  EXPECT_EQ(SpellExtensions({}), "");
  EXPECT_EQ(SpellMpls({}), "");
  EXPECT_EQ(SpellExtensions(Object(3, 1, Text("\n\v\f\r"))),
            "object 3/1 0x0a0b0c0d");
  EXPECT_EQ(SpellExtensions(Object(3, 2, {}) + Stack({})),
            "object 3/2; object 1/1");
  // Too short for what its type promises.
  EXPECT_EQ(SpellExtensions(Object(2, 9, Text("abcd"))),
            "object 2/9 0x61626364");
}

TEST(IcmpExtensions, BearsAnyBytes) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 50'000; ++round) {
    // At its exact size on the heap, so that a sanitizer sees any overrun.
    Bytes noise(random() % 64);
    for (std::byte& byte : noise) byte = static_cast<std::byte>(random());
    if (noise.size() > 4) {
      noise[0] = std::byte{0};
      noise[1] &= std::byte{0x3c};
      noise[2] = static_cast<std::byte>(random() % 4);
    }
    size_t total = 0;
    for (const ExtensionObject& object : ObjectsOf(noise)) {
      total += 4 + object.payload.size();
      InterfaceOf(object);
    }
    EXPECT_EQ(total, WholeObjects(noise, 999));
    EXPECT_LE(MplsStackOf(noise).size(), noise.size() / 4);
    for (const char c : SpellExtensions(noise))
      EXPECT_TRUE(c >= ' ' && c < 127);
  }
}

}  // namespace
}  // namespace fathom
