// How fast frames leave: every backend that opens on a veth pair, plain loops
// on packet sockets, and zmap and masscan where they are installed, all into a
// peer that drops by XDP, and counted there. As root, in namespaces of its own.
//
//   send_bench [ROUNDS] [MILLISECONDS] [threaded]
//
// `threaded` gives the peer's reception a kernel thread of its own (threaded
// NAPI); without it the sender pays for that too.
//
// Rates are those of the clock; "by CPU" compares the sending threads'
// processor time a frame instead, which suffers less from whatever else runs.
//
// Budget: io_uring at 0.98 of the best loop, xdp at 5 times that.
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bench/dropping_wire.h"
#include "fathom/packet_io.h"
#include "fathom/registry.h"
#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/base/status_macros.h"
#include "src/base/unique_fd.h"
#include "src/codec/headers.h"
#include "src/net/link_socket.h"

namespace fathom {
namespace {

constexpr size_t kProbeSize = 60;
constexpr size_t kBatch = 256;  // That the engine asks for at such rates.

struct Settings {
  int rounds = 9;
  std::chrono::milliseconds slice{300};
  bool threaded = false;
};

Nanos Clock(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return std::chrono::seconds(now.tv_sec) + Nanos(now.tv_nsec);
}

// So that the peer's thread, if it has one, has the other processor.
void PinToFirst() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(0, &set);
  sched_setaffinity(0, sizeof set, &set);
}

// Probe `number`, as the engine would write it but for the codec's secrets.
void WriteProbe(std::span<const std::byte> link_header, size_t number,
                std::span<std::byte> room) {
  std::copy(link_header.begin(), link_header.end(), room.begin());
  const auto packet =
      room.subspan(link_header.size(), kProbeSize - link_header.size());
  Ipv4Header ip = {};
  ip.version_ihl = 0x45;
  ip.total_length = static_cast<uint16_t>(packet.size());
  ip.ttl = static_cast<uint8_t>(1 + number % 32);
  ip.protocol = kProtocolIcmp;
  ip.source = 0x0a000002;
  ip.destination = 0xc6120000 + static_cast<uint32_t>(number & 0xffff);
  ip.checksum = InternetChecksum(std::as_bytes(std::span(&ip, 1)));
  Store(ip, packet);
  const auto message = packet.subspan(sizeof ip);
  IcmpHeader icmp = {};
  icmp.type = kIcmpEchoRequest;
  icmp.sequence = static_cast<uint16_t>(number);
  Store(icmp, message);
  icmp.checksum = InternetChecksum(message);
  Store(icmp, message);
}

struct Speed {
  double per_second = 0;
  double cpu_nanos = 0;  // Of the sending thread, a frame; 0 if not known.
};

// Runs `send` until the slice is over; what arrived of it, by the clock.
Speed Measure(
    const DroppingWire& wire, Nanos slice, const std::function<bool()>& send,
    const std::function<void()>& finish = [] {}) {
  const uint64_t before = wire.Arrived();
  const Nanos start = Clock(CLOCK_MONOTONIC);
  const Nanos cpu = Clock(CLOCK_THREAD_CPUTIME_ID);
  while (Clock(CLOCK_MONOTONIC) - start < slice) {
    if (!send()) break;
  }
  finish();
  const Nanos used = Clock(CLOCK_THREAD_CPUTIME_ID) - cpu;
  const Nanos took = Clock(CLOCK_MONOTONIC) - start;
  const auto count = static_cast<double>(wire.Arrived() - before);
  return {
      .per_second = count * 1e9 / static_cast<double>(took.count()),
      .cpu_nanos = static_cast<double>(used.count()) / std::max(count, 1.0)};
}

Speed SendByBackend(const DroppingWire& wire, Backend& backend, Nanos slice) {
  TxQueue& tx = backend.tx(0);
  size_t number = 0;
  return Measure(
      wire, slice,
      [&] {
        const auto lent = tx.Lend(kBatch);
        for (TxFrame& frame : lent) {
          WriteProbe(backend.link_header(), number++, frame.room);
          frame.length = kProbeSize;
        }
        return tx.Send(lent.size()).ok();
      },
      [&] { (void)tx.Drain(std::chrono::seconds(1)); });
}

// A plain loop over one system call for a batch of frames.
class PlainLoop {
 public:
  PlainLoop(UniqueFd fd, size_t batch)
      : fd_(std::move(fd)), frames_(batch), parts_(batch), messages_(batch) {
    for (size_t i = 0; i < batch; ++i) {
      parts_[i] = {frames_[i].data(), kProbeSize};
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  Speed Run(const DroppingWire& wire, Nanos slice) {
    const auto header = wire.link_header();
    size_t number = 0;
    return Measure(wire, slice, [&] {
      for (auto& frame : frames_) WriteProbe(header, number++, frame);
      // A device without room is no reason to stop.
      return sendmmsg(fd_.get(), messages_.data(),
                      static_cast<unsigned>(messages_.size()), 0) > 0 ||
             errno == ENOBUFS || errno == EAGAIN;
    });
  }

 private:
  UniqueFd fd_;
  std::vector<std::array<std::byte, 64>> frames_;
  std::vector<iovec> parts_;
  std::vector<mmsghdr> messages_;
};

// Another scanner, from its first frames on; killed at the end.
Speed SendByProgram(const DroppingWire& wire, const std::string& command,
                    Nanos slice) {
  std::vector<std::string> words = absl::StrSplit(command, ' ');
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  for (const int fd : {0, 1, 2}) {
    posix_spawn_file_actions_addopen(&quiet, fd, "/dev/null", O_RDWR, 0);
  }
  pid_t child = 0;
  const int error =
      posix_spawnp(&child, argv[0], &quiet, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&quiet);
  if (error != 0) return {};
  // It has begun once a burst has arrived.
  const uint64_t before = wire.Arrived();
  const auto pause = [] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return true;
  };
  for (int i = 0; i < 1'000 && wire.Arrived() < before + 1'000; ++i) pause();
  Speed speed = Measure(wire, slice, pause);
  speed.cpu_nanos = 0;
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return speed;
}

// One way of sending, and how fast it was each time.
struct Way {
  std::string name;
  std::function<Speed()> run;
  std::vector<double> rates{};
  std::vector<double> costs{};
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

class Contest {
 public:
  explicit Contest(const Settings& settings) : settings_(settings) {}

  absl::Status Run() {
    FATHOM_ASSIGN_OR_RETURN(const DroppingWire wire,
                            DroppingWire::Make(settings_.threaded));
    PinToFirst();
    for (const size_t batch : {64, 1024}) {
      FATHOM_RETURN_IF_ERROR(AddLoop(wire, batch));
    }
    AddBackends(wire);
    AddPrograms(wire);
    // In turn, so that all meet the same weather.
    for (int i = 0; i < settings_.rounds; ++i) {
      for (Way& way : ways_) {
        FATHOM_RETURN_IF_ERROR(wire.netns().CheckIsolated());
        const Speed speed = way.run();
        way.rates.push_back(speed.per_second);
        way.costs.push_back(speed.cpu_nanos);
      }
    }
    Print();
    return absl::OkStatus();
  }

 private:
  absl::Status AddLoop(const DroppingWire& wire, size_t batch) {
    FATHOM_ASSIGN_OR_RETURN(UniqueFd fd, OpenSender(wire.near(), 2048));
    const auto loop = std::make_shared<PlainLoop>(std::move(fd), batch);
    ways_.push_back(
        {absl::StrCat("sendmmsg ", batch, ", qdisc bypass"),
         [this, &wire, loop] { return loop->Run(wire, settings_.slice); }});
    ++loops_;
    return absl::OkStatus();
  }

  // A backend stands on the wire only while it runs: some take it over.
  void AddBackends(const DroppingWire& wire) {
    BackendOptions options;
    options.device = "veth0";
    options.gateway_mac = wire.far_mac();
    options.toward = IpAddress::V4(0x0a000001);
    for (const BackendModule& module : Register<BackendModule>::All()) {
      // The lab is no interface.
      if (std::strcmp(module.name, "simulated") == 0) continue;
      const auto tried = module.open(options);
      if (!tried.ok()) {
        std::printf("%s does not send here: %s\n", module.name,
                    std::string(tried.status().message()).c_str());
        continue;
      }
      ways_.push_back({module.name, [this, &wire, module, options]() -> Speed {
                         const auto backend = module.open(options);
                         if (!backend.ok()) return {};
                         return SendByBackend(wire, **backend, settings_.slice);
                       }});
    }
  }

  void AddPrograms(const DroppingWire& wire) {
    const std::string mac = wire.far_mac();
    const std::array<std::array<std::string, 3>, 3> programs = {{
        {"zmap, one thread", "zmap",
         absl::StrCat("zmap --config=/dev/null --quiet --disable-syslog -M "
                      "icmp_echoscan -i veth0 -S 10.0.0.2 -G ",
                      mac, " -b /dev/null -r 0 -T 1 -o /dev/null 10.0.0.0/8")},
        {"zmap, two threads", "zmap",
         absl::StrCat("zmap --config=/dev/null --quiet --disable-syslog -M "
                      "icmp_echoscan -i veth0 -S 10.0.0.2 -G ",
                      mac, " -b /dev/null -r 0 -T 2 -o /dev/null 10.0.0.0/8")},
        {"masscan", "masscan",
         absl::StrCat("masscan 10.0.0.0/8 --ping --rate 100000000 -e veth0 "
                      "--source-ip 10.0.0.2 --router-mac ",
                      mac)},
    }};
    for (const auto& [name, program, command] : programs) {
      if (!wire.netns().Run("command -v " + program + " >/dev/null").ok()) {
        std::printf("%s is not installed\n", program.c_str());
        continue;
      }
      ways_.push_back({name, [this, &wire, command = command] {
                         return SendByProgram(wire, command,
                                              2 * settings_.slice);
                       }});
    }
  }

  const Way& BestLoop() const {
    return *std::max_element(ways_.begin(),
                             ways_.begin() + static_cast<long>(loops_),
                             [](const Way& a, const Way& b) {
                               return Median(a.rates) < Median(b.rates);
                             });
  }

  // The median of the rounds' ratios.
  static double Ratio(const std::vector<double>& a,
                      const std::vector<double>& b) {
    std::vector<double> ratios;
    for (size_t i = 0; i < a.size(); ++i) {
      if (b[i] > 0) ratios.push_back(a[i] / b[i]);
    }
    return Median(std::move(ratios));
  }

  void Print() const {
    const Way& best = BestLoop();
    std::printf("%-28s %7s %7s %8s %8s", "60-byte probes, peer drops", "Mpps",
                "ns CPU", "of loop", "by CPU");
    for (size_t i = loops_; i < ways_.size(); ++i) {
      if (IsProgram(ways_[i])) std::printf(" %18s", ways_[i].name.c_str());
    }
    std::printf("\n");
    for (const Way& way : ways_) {
      std::printf("%-28s %7.3f %7.0f %8.3f %8.3f", way.name.c_str(),
                  Median(way.rates) / 1e6, Median(way.costs),
                  Ratio(way.rates, best.rates), Ratio(best.costs, way.costs));
      for (size_t i = loops_; i < ways_.size(); ++i) {
        if (IsProgram(ways_[i]))
          std::printf(" %18.2f", Ratio(way.rates, ways_[i].rates));
      }
      std::printf("\n");
    }
  }

  static bool IsProgram(const Way& way) { return Median(way.costs) == 0; }

  const Settings settings_;
  std::vector<Way> ways_;
  size_t loops_ = 0;  // The first so many ways are plain loops.
};

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) {
  fathom::Settings settings;
  if (argc > 1) settings.rounds = std::clamp(std::atoi(argv[1]), 1, 50);
  if (argc > 2) {
    settings.slice =
        std::chrono::milliseconds(std::clamp(std::atoi(argv[2]), 10, 1000));
  }
  settings.threaded = argc > 3 && std::strcmp(argv[3], "threaded") == 0;
  const absl::Status status = fathom::Contest(settings).Run();
  if (status.ok()) return EXIT_SUCCESS;
  std::fprintf(stderr, "skipped: %s\n", status.ToString().c_str());
  return absl::IsPermissionDenied(status) ? 77 : EXIT_FAILURE;
}
