// A whole lane's sending half into ports of DPDK: permutation, look-up of the
// target, the last check, encoding, and handing frames over, beside the same
// lane into a backend that discards.
//
//   dpdk_bench [ROUNDS] [MS] [WAY]    the medians of 5 rounds of 500 ms each
//
// Budget: 100 ns a probe, 10 million a second a lane, over net_ring or memif;
// and two lanes send 1.8 times what one sends, where there is a processor for
// each and one for whoever drains. net_null drops frames itself, so it shows
// that with two processors. net_ring is drained by a thread, memif by a
// process; what they took is checked against what was sent.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <latch>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/discard_backend.h"
#include "fathom/packet_io.h"
#include "fathom/probe_codec.h"
#include "fathom/registry.h"
#include "fathom/strategy.h"
#include "src/engine/prober.h"
#include "src/net/special_purpose.h"

namespace fathom {
namespace {

using std::chrono::milliseconds;

constexpr Ttl kTtls{32};
constexpr size_t kTargets = 1 << 20;
constexpr uint64_t kNoLimit = 1'000'000'000;

// Nobody sends any more if nothing comes for so long.
constexpr milliseconds kSilence(300);

struct Sent {
  uint64_t probes = 0;
  double rate = 0;  // A second.
};

[[noreturn]] void Fail(const std::string& why) {
  std::fprintf(stderr, "dpdk_bench: %s\n", why.c_str());
  std::_Exit(1);
}

TargetSet MakeTargets() {
  std::vector<uint32_t> addresses;
  for (uint32_t i = 0; i < kTargets; ++i) {
    addresses.push_back(0x04000001 + i * 256);
  }
  return TargetSet(std::move(addresses));
}

// One lane sends at full speed for `time` and until all have left, over and
// over the targets.
Sent SendLane(Backend& backend, size_t lane, Nanos time, std::latch& ready) {
  const TargetSet targets = MakeTargets();
  const PrefixSet forbidden = SpecialPurposeSet();
  const auto codec = *Register<CodecModule>::Find("icmp")->make(
      {.key = {1, 2},
       .source = backend.source(),
       .link_header = backend.link_header()});
  const auto make = Register<StrategyModule>::Find("sweep")->make;
  ready.arrive_and_wait();
  uint64_t sent = 0;
  const Instant start = backend.Now();
  Instant now = start;
  while (now - start < time) {
    auto strategy = *make(targets, {.max_ttl = kTtls, .seed = lane + 1});
    Prober prober({*strategy, *codec, backend.tx(lane), forbidden});
    for (; now - start < time && !strategy->done(); now = backend.Now()) {
      const auto step = prober.Step(now, {}, kNoLimit);
      if (!step.ok()) Fail(step.status().ToString());
      // Whoever drains may be waiting for this very processor.
      if (*step == 0) std::this_thread::yield();
    }
    sent += prober.sent().value();
  }
  const auto status = backend.tx(lane).Drain(std::chrono::seconds(5));
  if (!status.ok()) Fail(status.ToString());
  const std::chrono::duration<double> seconds = backend.Now() - start;
  return {.probes = sent, .rate = static_cast<double>(sent) / seconds.count()};
}

// All lanes together.
Sent SendAll(const std::vector<Backend*>& lanes, Nanos time) {
  std::vector<Sent> sent(lanes.size());
  std::latch ready(static_cast<ptrdiff_t>(lanes.size()));
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < lanes.size(); ++i) {
      threads.emplace_back([&, i] {
        const size_t lane = lanes[i]->lanes() == 1 ? 0 : i;
        sent[i] = SendLane(*lanes[i], lane, time, ready);
      });
    }
  }
  Sent all;
  for (const Sent& one : sent) {
    all.probes += one.probes;
    all.rate += one.rate;
  }
  return all;
}

std::unique_ptr<Backend> OpenDpdk(const std::string& device, size_t lanes,
                                  uint32_t host) {
  BackendOptions options;
  options.device = device;
  options.lanes = lanes;
  options.source = IpAddress::V4(0x0a000000 + host);
  options.gateway_mac = "02:00:00:00:00:07";
  options.toward = IpAddress::V4(0x0a000007);
  auto backend = Register<BackendModule>::Find("dpdk")->open(options);
  if (!backend.ok()) Fail(backend.status().ToString());
  return *std::move(backend);
}

// Every probe is foreign to whoever drains.
uint64_t Drained(const Backend& backend) {
  for (const auto& [name, value] : backend.counters().own) {
    if (name == "rx_foreign") return value;
  }
  return 0;
}

// Takes what comes on all lanes, until `stop` or for long nothing more comes.
void DrainAll(Backend& backend, const std::stop_token& stop) {
  Instant last = backend.Now();
  uint64_t before = 0;
  while (!stop.stop_requested()) {
    for (int i = 0; i < 1000; ++i) {
      for (size_t lane = 0; lane < backend.lanes(); ++lane) {
        if (!backend.rx(lane).Receive(Nanos(0)).ok()) return;
      }
      if (i % 16 == 0) std::this_thread::yield();
    }
    const uint64_t drained = Drained(backend);
    if (drained != before || drained == 0) last = backend.Now();
    if (backend.Now() - last > kSilence) return;
    before = drained;
  }
}

void CheckDrained(uint64_t sent, uint64_t drained) {
  if (sent == drained) return;
  Fail(absl::StrCat(sent, " probes were sent and ", drained, " came"));
}

Sent IntoDiscard(size_t lanes, milliseconds time) {
  std::vector<DiscardBackend> backends(lanes);
  std::vector<Backend*> pointers;
  pointers.reserve(lanes);
  for (DiscardBackend& backend : backends) pointers.push_back(&backend);
  return SendAll(pointers, time);
}

Sent IntoNull(size_t lanes, milliseconds time) {
  const auto backend = OpenDpdk("net_null0,no-rx=1", lanes, 2);
  return SendAll(std::vector<Backend*>(lanes, backend.get()), time);
}

Sent IntoRing(size_t lanes, milliseconds time) {
  const auto backend = OpenDpdk("net_ring0", lanes, 2);
  std::jthread drain(
      [&](const std::stop_token& stop) { DrainAll(*backend, stop); });
  const Sent sent = SendAll(std::vector<Backend*>(lanes, backend.get()), time);
  drain.join();
  CheckDrained(sent.probes, Drained(*backend));
  return sent;
}

std::string MemifDevice(const char* role, const std::string& socket) {
  return absl::StrCat("net_memif0,socket-abstract=no,role=", role,
                      ",socket=", socket);
}

// In the other process: drains, and says how many it took.
int RunDrain(const std::string& socket, size_t lanes) {
  const auto backend = OpenDpdk(MemifDevice("server", socket), lanes, 7);
  DrainAll(*backend, {});
  std::printf("%lu\n", static_cast<unsigned long>(Drained(*backend)));
  return 0;
}

Sent IntoMemif(size_t lanes, milliseconds time) {
  const auto socket = std::filesystem::temp_directory_path() /
                      absl::StrCat("fathom-dpdk-bench-", getpid());
  const auto self = std::filesystem::read_symlink("/proc/self/exe");
  FILE* const peer = popen(absl::StrCat("exec '", self.string(), "' drain ",
                                        socket.string(), " ", lanes)
                               .c_str(),
                           "r");
  if (peer == nullptr) Fail("cannot start the process that drains");
  const auto backend = OpenDpdk(MemifDevice("client", socket), lanes, 2);
  const Sent sent = SendAll(std::vector<Backend*>(lanes, backend.get()), time);
  // It ends by itself, while nothing is sent: the driver does not bear more.
  unsigned long drained = 0;
  if (fscanf(peer, "%lu", &drained) != 1) Fail("the other process failed");
  pclose(peer);
  std::filesystem::remove(socket);
  CheckDrained(sent.probes, drained);
  return sent;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Way {
  const char* name;
  std::function<Sent(size_t lanes, milliseconds time)> send;
};

int Run(size_t rounds, milliseconds time, std::string_view only) {
  std::vector<Way> ways = {{"discard", &IntoDiscard},
                           {"net_null", &IntoNull},
                           {"net_ring", &IntoRing},
                           {"memif", &IntoMemif}};
  if (!only.empty()) {
    std::erase_if(ways, [&](const Way& way) { return only != way.name; });
    if (ways.empty()) Fail("there is no such way");
  }
  // Rounds are the outer loop, so that a busy neighbour meets all ways alike.
  std::vector<std::vector<double>> one(ways.size());
  std::vector<std::vector<double>> two(ways.size());
  for (size_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < ways.size(); ++i) {
      const auto rate = [&](size_t lanes) {
        return ways[i].send(lanes, time).rate / 1e6;
      };
      one[i].push_back(rate(1));
      two[i].push_back(rate(2));
    }
  }
  std::printf("million probes a second; %u processors\n",
              std::thread::hardware_concurrency());
  std::printf("%-10s %9s %9s %12s %9s %9s\n", "into", "one lane", "(best)",
              "of discard", "two lanes", "two/one");
  for (size_t i = 0; i < ways.size(); ++i) {
    const double rate = Median(one[i]);
    std::printf("%-10s %9.2f %9.2f %12.2f %9.2f %9.2f\n", ways[i].name, rate,
                *std::max_element(one[i].begin(), one[i].end()),
                rate / Median(one[0]), Median(two[i]), Median(two[i]) / rate);
  }
  return 0;
}

int Main(int count, char** arguments) {
  if (count == 4 && std::string_view(arguments[1]) == "drain") {
    return RunDrain(arguments[2], std::strtoul(arguments[3], nullptr, 10));
  }
  const size_t rounds =
      count > 1 ? std::max(1UL, std::strtoul(arguments[1], nullptr, 10)) : 5;
  const milliseconds time(count > 2 ? std::strtoul(arguments[2], nullptr, 10)
                                    : 500);
  return Run(rounds, time, count > 3 ? arguments[3] : "");
}

}  // namespace
}  // namespace fathom

int main(int count, char** arguments) { return fathom::Main(count, arguments); }
