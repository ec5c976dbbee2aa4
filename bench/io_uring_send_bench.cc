// Packet I/O by the io_uring backend beside plain loops on packet sockets, in
// namespaces of its own: run as root; `io_uring_send_bench [ROUNDS] [MILLIS]`.
//
// Budget: sending at no less than 0.95 of a sendmmsg loop, batches of 64, with
// PACKET_QDISC_BYPASS; receiving at no less than 0.95 of a recvmmsg loop.
#include <linux/if_packet.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "backends/packet_socket.h"
#include "fathom/packet_io.h"
#include "fathom/registry.h"
#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/base/status_macros.h"
#include "src/base/unique_fd.h"
#include "src/codec/headers.h"
#include "src/net/link_socket.h"
#include "src/net/neighbor.h"
#include "src/net/xdp_verdict.h"
#include "tests/netns.h"

namespace fathom {
namespace {

constexpr size_t kBatch = 64;
constexpr size_t kProbeSize = 60;

constexpr size_t kBurst = 20'000;  // Fits into the receiver's socket.

struct Settings {
  int rounds = 15;
  Nanos slice = std::chrono::milliseconds(300);
};

Nanos Clock(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return std::chrono::seconds(now.tv_sec) + Nanos(now.tv_nsec);
}

void Pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu % std::max(1U, std::thread::hardware_concurrency()), &set);
  sched_setaffinity(0, sizeof set, &set);
}

// Writes the probe, or with type 0 the reply, with this number.
void WriteProbe(std::span<const std::byte> link_header, uint8_t type,
                uint32_t number, std::span<std::byte> room) {
  std::copy(link_header.begin(), link_header.end(), room.begin());
  const auto packet =
      room.subspan(link_header.size(), kProbeSize - link_header.size());
  Ipv4Header ip = {};
  ip.version_ihl = 0x45;
  ip.total_length = static_cast<uint16_t>(packet.size());
  ip.ttl = static_cast<uint8_t>(1 + number % 32);
  ip.protocol = kProtocolIcmp;
  ip.source = 0x0a000002;
  ip.destination = type == kIcmpEchoReply ? 0x0a000002 : 0xc6120000 + number;
  ip.checksum = InternetChecksum(std::as_bytes(std::span(&ip, 1)));
  Store(ip, packet);
  const auto message = packet.subspan(sizeof ip);
  IcmpHeader icmp = {};
  icmp.type = type;
  icmp.sequence = static_cast<uint16_t>(number);
  Store(icmp, message);
  Store(number, message.subspan(sizeof icmp));
  icmp.checksum = InternetChecksum(message);
  Store(icmp, message);
}

// How fast something went: by the clock, and by the thread's processor time,
// which suffers less from whatever else runs.
struct Speed {
  double per_second = 0;
  double cpu_nanos = 0;  // A packet.
};

class Stopwatch {
 public:
  Nanos elapsed() const { return Clock(CLOCK_MONOTONIC) - wall_; }

  Speed For(size_t packets) const {
    const double count = static_cast<double>(std::max<size_t>(packets, 1));
    const Nanos cpu = Clock(CLOCK_THREAD_CPUTIME_ID) - cpu_;
    return {.per_second = count * 1e9 / static_cast<double>(elapsed().count()),
            .cpu_nanos = static_cast<double>(cpu.count()) / count};
  }

 private:
  const Nanos wall_ = Clock(CLOCK_MONOTONIC);
  const Nanos cpu_ = Clock(CLOCK_THREAD_CPUTIME_ID);
};

// A plain loop over one system call for 64 messages, either way.
class PlainLoop {
 public:
  explicit PlainLoop(UniqueFd fd) : fd_(std::move(fd)) {
    for (size_t i = 0; i < kBatch; ++i) {
      parts_[i] = {frames_[i].data(), frames_[i].size()};
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  std::span<std::byte> frame(size_t i) { return frames_[i]; }

  size_t Send() {
    for (size_t i = 0; i < kBatch; ++i) parts_[i].iov_len = kProbeSize;
    return Sum(sendmmsg(fd_.get(), messages_.data(), kBatch, 0));
  }

  // Waits for packets; with their time stamps, as the backend.
  size_t Receive() {
    for (size_t i = 0; i < kBatch; ++i) {
      parts_[i].iov_len = frames_[i].size();
      messages_[i].msg_hdr.msg_control = control_[i].data();
      messages_[i].msg_hdr.msg_controllen = control_[i].size();
    }
    return Sum(
        recvmmsg(fd_.get(), messages_.data(), kBatch, MSG_WAITFORONE, nullptr));
  }

 private:
  static size_t Sum(int done) {
    return done < 0 ? 0 : static_cast<size_t>(done);
  }

  const UniqueFd fd_;
  std::array<std::array<std::byte, 2048>, kBatch> frames_;
  std::array<std::array<std::byte, 64>, kBatch> control_;
  std::array<iovec, kBatch> parts_;
  std::array<mmsghdr, kBatch> messages_ = {};
};

// The wire: veth0 here, peer0 on the far side.
struct Wire {
  Netns netns;
  Interface interface;
  MacAddress far_mac;
  std::vector<std::byte> link_header;  // From here to the far side.
  std::vector<std::byte> reply_header;
};

std::vector<std::byte> LinkHeader(const MacAddress& to,
                                  const MacAddress& from) {
  EthernetHeader header = {};
  std::copy(to.begin(), to.end(), header.destination);
  std::copy(from.begin(), from.end(), header.source);
  header.type = kEtherTypeIpv4;
  const auto bytes = std::as_bytes(std::span(&header, 1));
  return {bytes.begin(), bytes.end()};
}

absl::StatusOr<Wire> MakeWire() {
  FATHOM_ASSIGN_OR_RETURN(Netns netns, Netns::Make());
  FATHOM_RETURN_IF_ERROR(
      netns.AddVeth("veth0", "10.0.0.2/24", "peer0", "10.0.0.1/24"));
  FATHOM_RETURN_IF_ERROR(netns.CheckIsolated());
  FATHOM_ASSIGN_OR_RETURN(const Interface near, FindInterface("veth0"));
  absl::StatusOr<Interface> far;
  netns.OnFarSide([&far] { far = FindInterface("peer0"); });
  FATHOM_RETURN_IF_ERROR(far.status());
  return Wire{.netns = std::move(netns),
              .interface = near,
              .far_mac = far->mac,
              .link_header = LinkHeader(far->mac, near.mac),
              .reply_header = LinkHeader(near.mac, far->mac)};
}

absl::StatusOr<std::unique_ptr<Backend>> OpenBackend(const Wire& wire) {
  FATHOM_RETURN_IF_ERROR(wire.netns.CheckIsolated());
  FATHOM_ASSIGN_OR_RETURN(const auto module,
                          Register<BackendModule>::Find("io_uring"));
  BackendOptions options;
  options.device = "veth0";
  // ARP is dropped with the rest.
  options.gateway_mac = MacToString(wire.far_mac);
  options.toward = IpAddress::V4(0x0a000001);
  return module.open(options);
}

absl::Status SetDropping(const Wire& wire, bool dropping) {
  absl::Status status;
  wire.netns.OnFarSide([&] {
    status = dropping ? AttachXdpVerdict("peer0", XdpVerdict::kDrop)
                      : DetachXdp("peer0");
  });
  return status;
}

// Rounds of two ways in turn, so that both meet the same weather.
struct Contest {
  const char* title;
  std::array<const char*, 2> names;  // Challenger and champion.
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Compare(const Contest& contest, int rounds,
             const std::function<Speed()>& challenger,
             const std::function<Speed()>& champion) {
  std::array<std::vector<double>, 2> rates;
  std::array<std::vector<double>, 2> costs;
  std::vector<double> rate_ratios;
  std::vector<double> cost_ratios;
  for (int i = 0; i < rounds; ++i) {
    // Who goes first changes too.
    std::array<Speed, 2> speed;
    speed[i % 2] = (i % 2 == 0 ? challenger : champion)();
    speed[1 - i % 2] = (i % 2 == 0 ? champion : challenger)();
    for (size_t way = 0; way < 2; ++way) {
      rates[way].push_back(speed[way].per_second);
      costs[way].push_back(speed[way].cpu_nanos);
    }
    rate_ratios.push_back(speed[0].per_second / speed[1].per_second);
    cost_ratios.push_back(speed[1].cpu_nanos / speed[0].cpu_nanos);
  }
  std::printf("%s\n", contest.title);
  for (size_t way = 0; way < 2; ++way) {
    std::printf("  %-28s %8.3f Mpps  %7.0f ns of CPU a packet\n",
                contest.names[way], Median(rates[way]) / 1e6,
                Median(costs[way]));
  }
  std::printf("  %-28s %8.3f       %7.3f (median of %d pairs)\n", "ratio",
              Median(rate_ratios), Median(cost_ratios), rounds);
}

Speed SendByBackend(Backend& backend, Nanos slice) {
  TxQueue& tx = backend.tx(0);
  size_t sent = 0;
  const Stopwatch watch;
  while (watch.elapsed() < slice) {
    const auto lent = tx.Lend(kBatch);
    for (TxFrame& frame : lent) {
      WriteProbe(backend.link_header(), kIcmpEchoRequest,
                 static_cast<uint32_t>(sent++ & 0xffff), frame.room);
      frame.length = kProbeSize;
    }
    if (!tx.Send(lent.size()).ok()) break;
  }
  return watch.For(sent);
}

Speed SendByLoop(PlainLoop& loop, const Wire& wire, Nanos slice) {
  size_t sent = 0;
  const Stopwatch watch;
  while (watch.elapsed() < slice) {
    for (size_t i = 0; i < kBatch; ++i) {
      WriteProbe(wire.link_header, kIcmpEchoRequest,
                 static_cast<uint32_t>((sent + i) & 0xffff), loop.frame(i));
    }
    sent += loop.Send();
  }
  return watch.For(sent);
}

absl::Status CompareSending(const Wire& wire, const Settings& settings) {
  const bool dropping = SetDropping(wire, true).ok();
  FATHOM_ASSIGN_OR_RETURN(const auto backend, OpenBackend(wire));
  FATHOM_ASSIGN_OR_RETURN(UniqueFd fd, OpenSender(wire.interface, 2048));
  PlainLoop loop(std::move(fd));
  Compare(
      {dropping ? "Send, 60-byte probes, peer drops by XDP"
                : "Send, 60-byte probes, peer drops in its IP stack",
       {"io_uring backend", "sendmmsg 64, qdisc bypass"}},
      settings.rounds, [&] { return SendByBackend(*backend, settings.slice); },
      [&] { return SendByLoop(loop, wire, settings.slice); });
  return dropping ? SetDropping(wire, false) : absl::OkStatus();
}

// A sender of replies on the far side.
absl::StatusOr<std::unique_ptr<PlainLoop>> OpenReplier(const Wire& wire) {
  absl::StatusOr<UniqueFd> fd;
  wire.netns.OnFarSide([&] {
    const auto peer = FindInterface("peer0");
    fd = peer.ok() ? OpenSender(*peer, 2048) : peer.status();
  });
  FATHOM_RETURN_IF_ERROR(fd.status());
  auto replier = std::make_unique<PlainLoop>(*std::move(fd));
  for (size_t i = 0; i < kBatch; ++i) {
    WriteProbe(wire.reply_header, kIcmpEchoReply, static_cast<uint32_t>(i),
               replier->frame(i));
  }
  return replier;
}

size_t ReceiveByBackend(Backend& backend) {
  const auto frames = backend.rx(0).Receive(std::chrono::milliseconds(50));
  return frames.ok() ? frames->size() : 0;
}

// How fast a full socket is read.
Speed Drain(PlainLoop& replier, const std::function<size_t()>& receive) {
  size_t sent = 0;
  while (sent < kBurst) sent += replier.Send();
  size_t received = 0;
  const Stopwatch watch;
  while (received < sent) {
    const size_t more = receive();
    if (more == 0) break;
    received += more;
  }
  return watch.For(received);
}

absl::Status CompareReceiving(const Wire& wire, const Settings& settings) {
  FATHOM_ASSIGN_OR_RETURN(const auto replier, OpenReplier(wire));
  std::unique_ptr<Backend> backend;
  std::unique_ptr<PlainLoop> loop;
  // One socket at a time, or each packet would go to both.
  const auto by_backend = [&]() -> Speed {
    loop.reset();
    auto opened = OpenBackend(wire);
    if (!opened.ok()) return {};
    backend = *std::move(opened);
    return Drain(*replier, [&] { return ReceiveByBackend(*backend); });
  };
  const auto by_loop = [&]() -> Speed {
    backend.reset();
    auto fd = OpenReceiver(wire.interface, IpAddress::V4(0x0a000002), 1500);
    if (!fd.ok()) return {};
    loop = std::make_unique<PlainLoop>(*std::move(fd));
    return Drain(*replier, [&] { return loop->Receive(); });
  };
  Compare({"Receive, a socket full of 20,000 replies, with time stamps",
           {"io_uring backend", "recvmmsg 64"}},
          settings.rounds, by_backend, by_loop);
  return absl::OkStatus();
}

// The far side sends without pause from the other processor.
absl::Status ReceiveLive(const Wire& wire, const Settings& settings) {
  FATHOM_ASSIGN_OR_RETURN(const auto replier, OpenReplier(wire));
  FATHOM_ASSIGN_OR_RETURN(const auto backend, OpenBackend(wire));
  std::atomic<uint64_t> sent = 0;
  std::jthread sender([&](const std::stop_token& stop) {
    Pin(1);
    while (!stop.stop_requested()) sent += replier->Send();
  });
  const Stopwatch watch;
  uint64_t received = 0;
  while (watch.elapsed() < 3 * settings.slice) {
    received += ReceiveByBackend(*backend);
  }
  sender.request_stop();
  sender.join();
  while (const size_t more = ReceiveByBackend(*backend)) received += more;
  const Speed speed = watch.For(received);
  const uint64_t dropped = backend->counters().rx_dropped;
  std::printf("Receive live, the sender on the other processor\n");
  std::printf("  %-28s %8.3f Mpps, %lu sent = %lu received + %lu dropped%s\n",
              "io_uring backend", speed.per_second / 1e6,
              static_cast<unsigned long>(sent),
              static_cast<unsigned long>(received),
              static_cast<unsigned long>(dropped),
              sent == received + dropped ? "" : " + the kernel's backlog");
  return absl::OkStatus();
}

absl::Status Run(const Settings& settings) {
  FATHOM_ASSIGN_OR_RETURN(const Wire wire, MakeWire());
  Pin(0);
  FATHOM_RETURN_IF_ERROR(CompareSending(wire, settings));
  FATHOM_RETURN_IF_ERROR(CompareReceiving(wire, settings));
  return ReceiveLive(wire, settings);
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) {
  fathom::Settings settings;
  if (argc > 1) settings.rounds = std::clamp(std::atoi(argv[1]), 1, 50);
  if (argc > 2) {
    settings.slice =
        std::chrono::milliseconds(std::clamp(std::atoi(argv[2]), 10, 1000));
  }
  const absl::Status status = fathom::Run(settings);
  if (status.ok()) return EXIT_SUCCESS;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return EXIT_FAILURE;
}
