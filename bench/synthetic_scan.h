#ifndef FATHOM_BENCH_SYNTHETIC_SCAN_H_
#define FATHOM_BENCH_SYNTHETIC_SCAN_H_

#include <algorithm>
#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "fathom/dataset.h"
#include "fathom/probe.h"
#include "src/base/hash.h"

namespace fathom {

// What a scan of one address per /24 leaves behind, made up: routes that fork
// like a tree by longer and longer prefixes, a quarter of the routers silent,
// replies spread at random over an hour. Seeded, and in the datasets' order.
// Good for sizes and speeds; it is no model of the Internet.
class SyntheticScan {
 public:
  explicit SyntheticScan(uint64_t seed, Family family = Family::kIpv4)
      : seed_(seed), family_(family) {}

  // The replies of targets [first, first + count), sorted.
  std::vector<Reply> Hops(uint32_t first, uint32_t count) const {
    std::vector<Reply> replies;
    for (uint32_t i = first; i < first + count; ++i) AppendPath(i, &replies);
    return replies;
  }

  // The links (and gaps) between neighbouring replies of a path, sorted.
  static std::vector<Link> Links(const std::vector<Reply>& hops) {
    std::map<std::tuple<IpAddress, IpAddress, uint8_t>, Link> links;
    for (size_t i = 1; i < hops.size(); ++i) {
      const Reply& near = hops[i - 1];
      const Reply& far = hops[i];
      if (near.probe.target != far.probe.target) continue;
      const auto gap = static_cast<uint8_t>(far.probe.ttl.value() -
                                            near.probe.ttl.value() - 1);
      Add(near, far, gap, &links[{near.responder, far.responder, gap}]);
    }
    std::vector<Link> sorted;
    sorted.reserve(links.size());
    for (auto& [key, link] : links) sorted.push_back(link);
    return sorted;
  }

 private:
  static void Add(const Reply& near, const Reply& far, uint8_t gap,
                  Link* link) {
    const bool is_new = link->near != near.responder;
    const Instant early = std::min(near.received, far.received);
    const Instant late = std::max(near.received, far.received);
    const bool end = far.kind == ReplyKind::kDestination;
    if (is_new) {
      *link = {.near = near.responder,
               .far = far.responder,
               .target = near.probe.target,
               .first_seen = early,
               .last_seen = late,
               .min_ttl = near.probe.ttl,
               .gap = gap,
               .flags = end ? uint8_t{kLinkToDestination} : uint8_t{0}};
      return;
    }
    ++link->paths;
    link->first_seen = std::min(link->first_seen, early);
    link->last_seen = std::max(link->last_seen, late);
    link->min_ttl = std::min(link->min_ttl, near.probe.ttl);
  }

  uint64_t Chance(uint64_t what, uint64_t which) const {
    return Derive(seed_ ^ what << 56, which);
  }

  // The router at distance `ttl` from us, and `left` hops before the /24
  // `index`: the nearer to us, the more targets share it.
  uint64_t RouterAt(uint32_t index, uint32_t ttl, uint32_t left) const {
    constexpr int kShared[] = {0, 1, 3, 4, 6, 8, 9, 10, 11, 12, 14, 16};
    const int shared =
        ttl <= 3 || left >= std::size(kShared) ? 24 : kShared[left];
    const uint64_t key =
        uint64_t{ttl} << 40 | uint64_t(shared) << 32 | index >> shared;
    return Chance(1, key);
  }

  void AppendPath(uint32_t index, std::vector<Reply>* replies) const {
    const IpAddress target =
        Address((kFirstAddress + (index << 8)) | (1 + Chance(2, index) % 254));
    const auto length = static_cast<uint32_t>(9 + Chance(3, index >> 8) % 8 +
                                              Chance(6, index >> 4) % 3);
    uint64_t rtt_us = 300;
    for (uint32_t ttl = 1; ttl <= length; ++ttl) {
      const uint64_t router = RouterAt(index, ttl, length - ttl);
      rtt_us += router % 97 < 10 ? router % 40'000 : router % 3'000;
      const bool last = ttl == length;
      if (last ? Chance(4, index) % 8 != 0 : router % 4 == 0) continue;
      const uint64_t luck = Chance(5, uint64_t{ttl} << 32 | index);
      Reply& reply = replies->emplace_back();
      reply.probe = {target, Ttl(static_cast<uint8_t>(ttl)), FlowId(0)};
      reply.responder =
          last ? target : RouterAddress(router, index, length - ttl);
      reply.received = Instant(std::chrono::seconds(1'700'000'000) +
                               std::chrono::milliseconds(luck % 3'600'000));
      reply.rtt = std::chrono::microseconds(
          rtt_us + (luck >> 32) % 400 + (luck % 50 == 0 ? luck % 20'000 : 0));
      reply.kind = last ? ReplyKind::kDestination : ReplyKind::kHop;
      reply.icmp_type = last ? 0 : 11;
      reply.arrival_ttl =
          Ttl(static_cast<uint8_t>((router % 5 < 3 ? 256 : 65) - ttl));
      reply.quoted_ttl = Ttl(last ? 0 : 1);
      if (!last) AddOddities(router, &reply);
    }
  }

  // What routers do that most do not.
  static void AddOddities(uint64_t router, Reply* reply) {
    // A stack of two labels (RFC 4950), and an object of no known class.
    static constexpr std::byte kLabels[] = {
        std::byte{0},    std::byte{12},   std::byte{1},    std::byte{1},
        std::byte{0x05}, std::byte{0xdc}, std::byte{0xf0}, std::byte{1},
        std::byte{0},    std::byte{0},    std::byte{0x31}, std::byte{9}};
    static constexpr std::byte kUnknown[] = {
        std::byte{0},    std::byte{8}, std::byte{200}, std::byte{7},
        std::byte{0xde}, std::byte{0}, std::byte{0},   std::byte{1}};
    if (router % 13 == 0) reply->extensions.bytes = kLabels;
    if (router % 131 == 0) reply->extensions.bytes = kUnknown;
    if (router % 17 == 0) reply->quoted_tos = 0x28;
    if (router % 113 == 0) reply->changes = kChangedId | kChangedLength;
  }

  // One address of the /24 a.b.c.0 is one of a /64 that ends in abc.
  IpAddress Address(uint64_t v4) const {
    if (family_ == Family::kIpv4) {
      return IpAddress::V4(static_cast<uint32_t>(v4));
    }
    return IpAddress::V6(uint64_t{0x20010db8} << 32 | v4 >> 8, v4 & 0xff);
  }

  // Routers near the targets have addresses from the targets' own /14, the
  // others from a few large networks.
  IpAddress RouterAddress(uint64_t router, uint32_t index,
                          uint32_t left) const {
    if (left < 7) {
      return Address((kFirstAddress + (index >> 10 << 18)) |
                     static_cast<uint32_t>(router >> 46));
    }
    const uint64_t network = Chance(7, router % 200) % 0xdf00 + 0x100;
    return Address(static_cast<uint32_t>(network << 16 | router >> 48));
  }

  static constexpr uint32_t kFirstAddress = 0x01000000;

  const uint64_t seed_;
  const Family family_;
};

}  // namespace fathom

#endif  // FATHOM_BENCH_SYNTHETIC_SCAN_H_
