#include "src/lab/survey.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/base/hash.h"
#include "src/codec/headers.h"
#include "src/lab/network.h"
#include "src/lab/truth.h"

namespace fathom::lab {
namespace {

constexpr uint64_t kSampleSalt = 0x73616d70;

uint64_t SizeOf(const Prefix& prefix) {
  return uint64_t{1} << (32 - prefix.length());
}

Percentiles PercentilesOf(std::vector<double> values) {
  Percentiles result{};
  if (values.empty()) return result;
  std::sort(values.begin(), values.end());
  for (size_t i = 0; i < kPercentiles.size(); ++i) {
    result[i] = values[static_cast<size_t>(
        kPercentiles[i] * static_cast<double>(values.size() - 1))];
  }
  return result;
}

// Counts things and those of them that have a property.
class Tally {
 public:
  void Add(bool has) {
    ++all_;
    having_ += has ? 1 : 0;
  }
  double share() const {
    return all_ == 0 ? 0.0
                     : static_cast<double>(having_) / static_cast<double>(all_);
  }

 private:
  uint64_t all_ = 0;
  uint64_t having_ = 0;
};

// Adds up what is seen on the way to each target.
class Surveyor {
 public:
  explicit Surveyor(const Scenario& scenario)
      : truth_(scenario), source_(scenario.source.v4()) {}

  void Visit(uint32_t target) {
    const FlowKeys keys = AddressKeys(source_, target);
    const Route route = truth_.topology().RouteTo(target);
    ++result_.targets;
    VisitEnd(target, keys, route);
    VisitSegments(route);
    changing_.Add(truth_.topology().AgesOf(target).size() > 1);
    for (uint8_t ttl = 1; ttl <= route.hops; ++ttl) {
      VisitRouter(truth_.topology().Land(target, keys, ttl).router);
    }
  }

  LabSurvey Result() const {
    LabSurvey survey = result_;
    survey.length = PercentilesOf(lengths_);
    survey.last_hop = PercentilesOf(last_hops_);
    survey.rtt_ms = PercentilesOf(rtts_ms_);
    survey.slow_hosts = slow_.share();
    survey.answering = answering_.share();
    survey.udp = udp_.share();
    survey.absent = absent_.share();
    survey.unrouted = unrouted_.share();
    survey.filtered = filtered_.share();
    survey.looping = looping_.share();
    survey.balanced = balanced_.share();
    survey.tunnelled = tunnelled_.share();
    survey.changing = changing_.share();
    survey.two_wide = two_wide_.share();
    survey.per_packet = per_packet_.share();
    survey.meshed = meshed_.share();
    survey.short_quotes = short_quotes_.share();
    survey.initial_255 = initial_255_.share();
    survey.unlimited = unlimited_.share();
    survey.silent_hops = silent_.share();
    const double explicit_share = explicit_.share();
    survey.dim_tunnels =
        explicit_share == 0 ? 0 : (1 - explicit_share) / explicit_share;
    return survey;
  }

 private:
  void VisitEnd(uint32_t target, const FlowKeys& keys, const Route& route) {
    const HostTraits host = truth_.behaviour().Host(target);
    const bool reached = route.end == RouteEnd::kHost;
    if (reached && host.present) {
      const Landing end = truth_.topology().Land(target, keys, 255);
      const Nanos rtt = end.forward + end.back + 2 * host.delay;
      lengths_.push_back(route.hops + 1);
      rtts_ms_.push_back(static_cast<double>(rtt.count()) / 1e6);
      slow_.Add(rtt >= std::chrono::seconds(1));
    } else {
      last_hops_.push_back(LastHop(target, keys));
    }
    answering_.Add(reached && host.present);
    udp_.Add(reached && host.present && host.udp);
    absent_.Add(reached && !host.present);
    unrouted_.Add(route.end == RouteEnd::kUnrouted);
    filtered_.Add(route.end == RouteEnd::kFiltered);
    looping_.Add(route.end == RouteEnd::kLoop);
  }

  void VisitSegments(const Route& route) {
    bool balanced = false;
    bool tunnelled = false;
    for (const Segment& segment : route.used()) {
      balanced |= segment.span > 0 && segment.balancer == Balancer::kPerFlow;
      tunnelled |= segment.tunnel != Tunnel::kNone;
      if (!nodes_.insert(segment.hash).second) continue;
      if (segment.span > 0) {
        two_wide_.Add(segment.width == 2);
        per_packet_.Add(segment.balancer == Balancer::kPerPacket);
        meshed_.Add(segment.meshed);
      } else if (segment.tunnel != Tunnel::kNone) {
        explicit_.Add(segment.tunnel == Tunnel::kExplicit);
      }
    }
    balanced_.Add(balanced);
    tunnelled_.Add(tunnelled);
  }

  uint8_t LastHop(uint32_t target, const FlowKeys& keys) const {
    uint8_t last = 0;
    truth_.VisitHops(target, keys, Sight::kOneFlow, [&](const TrueHop& hop) {
      last = std::max(last, hop.distance);
    });
    return last;
  }

  void VisitRouter(uint32_t address) {
    const RouterTraits router = truth_.behaviour().Router(address);
    silent_.Add(router.silent);
    if (router.silent || !routers_.insert(address).second) return;
    short_quotes_.Add(router.quotes == 0);
    initial_255_.Add(router.initial_ttl == 255);
    unlimited_.Add(!router.limited() ||
                   router.token < std::chrono::milliseconds(1));
  }

  const Truth truth_;
  const uint32_t source_;
  LabSurvey result_;
  Tally slow_, answering_, udp_, absent_, unrouted_, filtered_, looping_;
  Tally balanced_, tunnelled_, changing_;
  Tally two_wide_, per_packet_, meshed_, explicit_;
  Tally short_quotes_, initial_255_, unlimited_, silent_;
  std::vector<double> lengths_;
  std::vector<double> last_hops_;
  std::vector<double> rtts_ms_;
  absl::flat_hash_set<uint64_t> nodes_;
  absl::flat_hash_set<uint32_t> routers_;
};

// Counts oddities among the replies.
class Listener final : public Observer {
 public:
  void Observe(const Observation& seen) override {
    if (!HasReply(seen.fate) || seen.fate == Fate::kTruncated) return;
    const size_t quote = sizeof(Ipv4Header) + sizeof(IcmpHeader);
    rewritten.Add(seen.fate == Fate::kRewritten);
    labelled.Add(seen.reply.size() > kLabelled);
    odd.Add(seen.fate == Fate::kTimeExceeded &&
            Load<Ipv4Header>(seen.reply.subspan(quote)).ttl > kMaxTtl);
  }

  Tally rewritten, labelled, odd;

 private:
  // Probes are short, so only extensions make a reply this long.
  static constexpr size_t kLabelled = 128;
  static constexpr uint8_t kMaxTtl = 16;
};

using ProbeBytes = std::array<std::byte, 46>;

// An echo request as traceroutes send it.
ProbeBytes MakeProbe(uint32_t source, uint32_t target, uint8_t ttl) {
  ProbeBytes bytes{};
  Ipv4Header ip = {.version_ihl = 0x45,
                   .tos = 0,
                   .total_length = bytes.size(),
                   .id = ttl,
                   .flags_fragment = 0,
                   .ttl = ttl,
                   .protocol = kProtocolIcmp,
                   .checksum = 0,
                   .source = source,
                   .destination = target};
  Store(ip, bytes);
  ip.checksum = InternetChecksum(std::span(bytes).first(sizeof ip));
  Store(ip, bytes);
  const auto message = std::span(bytes).subspan(sizeof ip);
  IcmpHeader icmp = {.type = kIcmpEchoRequest,
                     .code = 0,
                     .checksum = 0,
                     .id = 1,
                     .sequence = 1};
  Store(icmp, message);
  icmp.checksum = InternetChecksum(message);
  Store(icmp, message);
  return bytes;
}

}  // namespace

uint32_t SampleAddress(const Scenario& scenario, uint64_t index) {
  uint64_t size = 0;
  for (const Prefix& prefix : scenario.space) size += SizeOf(prefix);
  assert(size > 0);
  uint64_t offset = Derive(scenario.seed ^ kSampleSalt, index) % size;
  for (const Prefix& prefix : scenario.space) {
    if (offset < SizeOf(prefix)) {
      return prefix.first().v4() + static_cast<uint32_t>(offset);
    }
    offset -= SizeOf(prefix);
  }
  return 0;  // Not reached: the offset lies in one of them.
}

LabSurvey SurveyLab(const Scenario& scenario, uint64_t targets) {
  assert(targets > 0);
  Surveyor surveyor(scenario);
  for (uint64_t i = 0; i < targets; ++i) {
    surveyor.Visit(SampleAddress(scenario, i));
  }
  return surveyor.Result();
}

LabSweep SweepLab(const Scenario& scenario, uint64_t blocks, uint64_t pps) {
  constexpr uint64_t kTtls = 16;
  constexpr uint64_t kStep = 0x9e3779b1;  // Prime, so it reaches every index.
  Listener listener;
  Network network(scenario, &listener);
  std::vector<uint32_t> targets(blocks);
  for (uint64_t i = 0; i < blocks; ++i) targets[i] = SampleAddress(scenario, i);
  const uint64_t probes = blocks * kTtls;
  const Nanos gap(1'000'000'000 / static_cast<int64_t>(pps));
  Instant now;
  std::array<RxFrame, 64> frames;
  for (uint64_t i = 0; i < probes; ++i, now += gap) {
    const uint64_t index = i * kStep % probes;
    network.Send(now, MakeProbe(scenario.source.v4(), targets[index / kTtls],
                                static_cast<uint8_t>(1 + index % kTtls)));
    while (network.Receive(now, frames) > 0) {
    }
  }
  const NetworkCounters counters = network.counters();
  return {.replies_per_probe = static_cast<double>(counters.answered()) /
                               static_cast<double>(counters.probes()),
          .labelled = listener.labelled.share(),
          .rewritten = listener.rewritten.share(),
          .odd_quotes = listener.odd.share()};
}

}  // namespace fathom::lab
