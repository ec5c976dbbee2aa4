#include "backends/dpdk_port.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backends/dpdk_eal.h"
#include "fathom/packet_io.h"
#include "src/base/status_macros.h"
#include "src/net/link_socket.h"

namespace fathom {
namespace {

constexpr size_t kMaxRingFrames = 32'768;

// DPDK knows 128 threads, and a lane may have two.
constexpr size_t kMaxLanes = 64;

// Rings of packet sockets have at least as many frames.
constexpr size_t kMinPacketRing = 512;

// How many free buffers a thread keeps at hand. The pools have room for those
// of several threads, since a queue may move, and for those that are lent.
constexpr unsigned kCache = 256;
constexpr unsigned kSpare = 3 * 1024;

constexpr uint16_t kTxRoom = RTE_PKTMBUF_HEADROOM + kMaxProbeSize;
constexpr uint16_t kRxRoom = RTE_MBUF_DEFAULT_BUF_SIZE;

// A card may take this long to agree with its peer on a speed; the process at
// the other end of a memif, to come up. There the client must call again.
constexpr Nanos kLinkPatience = std::chrono::seconds(10);
constexpr Nanos kCallAgain = std::chrono::milliseconds(200);

bool MustCallAgain(const DpdkDevice& device) {
  return device.driver() == "net_memif" && device.Find("role") != "server" &&
         device.Find("role") != "master";
}

// The kernel's interface that a virtual device is to use must be there, and
// usable: DPDK would only say -1.
absl::Status CheckKernelSide(const DpdkDevice& device) {
  if (device.driver() != "net_af_packet" &&
      device.driver() != "eth_af_packet") {
    return absl::OkStatus();
  }
  const auto name = device.Find("iface");
  if (!name) {
    return absl::InvalidArgumentError(absl::StrCat("dpdk: ", device.name,
                                                   " is of which interface? ",
                                                   device.name, ",iface=eth0"));
  }
  FATHOM_ASSIGN_OR_RETURN(const Interface interface, FindInterface(*name));
  FATHOM_RETURN_IF_ERROR(CheckUsable(interface));
  if (interface.link_layer != LinkLayer::kEthernet) {
    return absl::InvalidArgumentError(
        absl::StrCat("dpdk: interface ", *name, " is not Ethernet"));
  }
  return OpenLinkSocket().status();
}

struct Plugged {
  uint16_t port;
  bool by_us;
};

absl::StatusOr<Plugged> Plug(const DpdkDevice& device) {
  Plugged result = {0, false};
  const char* const name = device.name.c_str();
  // A card is there from the start, and so is what the program made itself.
  if (rte_eth_dev_get_port_by_name(name, &result.port) == 0) return result;
  const int error = rte_eal_hotplug_add(device.pci ? "pci" : "vdev", name,
                                        device.arguments.c_str());
  if (error == 0 && rte_eth_dev_get_port_by_name(name, &result.port) == 0) {
    result.by_us = true;
    return result;
  }
  return absl::UnavailableError(absl::StrCat(
      "dpdk: no port ", device.name, ": ",
      device.pci ? "is it bound to vfio-pci, and its driver installed?"
                 : rte_strerror(-error),
      TakeEalComplaint()));
}

rte_eth_conf MakeConfiguration(const rte_eth_dev_info& info, size_t lanes) {
  rte_eth_conf conf = {};
  // Replies are shared by who sent them. Any lane may hear any of them.
  const uint64_t hashes =
      info.flow_type_rss_offloads & (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 |
                                     RTE_ETH_RSS_NONFRAG_IPV4_OTHER);
  if (lanes > 1 && hashes != 0) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf = hashes;
  }
  // All frames of a queue are of one pool, and nobody else holds them.
  conf.txmode.offloads =
      info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
  conf.intr_conf.rmv = (*info.dev_flags & RTE_ETH_DEV_INTR_RMV) != 0 ? 1 : 0;
  return conf;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DpdkPort>> DpdkPort::Open(
    const Options& options) {
  if (options.lanes == 0 || options.lanes > kMaxLanes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "dpdk: has 1 to ", kMaxLanes, " lanes, not ", options.lanes));
  }
  if (options.ring_frames == 0 || options.ring_frames > kMaxRingFrames) {
    return absl::InvalidArgumentError(
        absl::StrCat("dpdk: a ring has 1 to ", kMaxRingFrames, " frames, not ",
                     options.ring_frames));
  }
  DpdkDevice device = options.device;
  FATHOM_RETURN_IF_ERROR(CheckKernelSide(device));
  FATHOM_RETURN_IF_ERROR(StartEal(device.pci ? device.name : ""));
  auto lock = LockDevices();
  TakeEalComplaint();  // It is not of this port.
  if (device.driver() == "net_af_packet") {
    device.AddUnlessGiven("qpairs", options.lanes);
    device.AddUnlessGiven(
        "framecnt",
        std::bit_ceil(std::max(kMinPacketRing, options.ring_frames)));
  }
  FATHOM_ASSIGN_OR_RETURN(const Plugged plugged, Plug(device));
  std::unique_ptr<DpdkPort> port(
      new DpdkPort(plugged.port, device.name, plugged.by_us));
  // From here on the port locks for itself, as it goes.
  lock.unlock();
  FATHOM_RETURN_IF_ERROR(port->Configure(options));
  FATHOM_RETURN_IF_ERROR(port->StartWithPeer(MustCallAgain(device)));
  return port;
}

absl::Status DpdkPort::StartWithPeer(bool call_again) {
  const auto deadline = std::chrono::steady_clock::now() + kLinkPatience;
  absl::Status status = Start(call_again ? kCallAgain : kLinkPatience);
  while (call_again && !status.ok() &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kCallAgain / 20);
    status = Start(kCallAgain);
  }
  return status;
}

absl::Status DpdkPort::Configure(const Options& options) {
  const auto lock = LockDevices();
  rte_eth_dev_info info = {};
  if (const int error = rte_eth_dev_info_get(id_, &info)) {
    return Error("ask about", error);
  }
  device_ = info.device;
  counts_by_sockets_ = std::string_view(info.driver_name) == "net_af_packet";
  interface_index_ = static_cast<int>(info.if_index);
  shared_with_kernel_ =
      interface_index_ != 0 && std::string_view(info.driver_name) != "net_tap";
  const size_t pairs = std::min(info.max_rx_queues, info.max_tx_queues);
  if (options.lanes > pairs) {
    return absl::InvalidArgumentError(absl::StrCat(
        "dpdk: ", name_, " has queues for ", pairs,
        pairs == 1 ? " lane, not " : " lanes, not ", options.lanes));
  }
  const rte_eth_conf conf = MakeConfiguration(info, options.lanes);
  const auto count = static_cast<uint16_t>(options.lanes);
  if (const int error = rte_eth_dev_configure(id_, count, count, &conf)) {
    return Error("configure", error);
  }
  auto rx_frames = static_cast<uint16_t>(options.ring_frames);
  auto tx_frames = rx_frames;
  if (const int error =
          rte_eth_dev_adjust_nb_rx_tx_desc(id_, &rx_frames, &tx_frames)) {
    return Error("size the rings of", error);
  }
  lanes_.resize(options.lanes);
  FATHOM_RETURN_IF_ERROR(MakePools(rx_frames, tx_frames));
  return MakeQueues(rx_frames, tx_frames);
}

absl::Status DpdkPort::MakePools(uint16_t rx_frames, uint16_t tx_frames) {
  const int socket = rte_eth_dev_socket_id(id_);
  const auto make = [&](const char* way, size_t lane, unsigned frames,
                        uint16_t room) {
    const std::string name = absl::StrCat("fathom_", way, id_, "_", lane);
    return rte_pktmbuf_pool_create(name.c_str(), frames + kSpare, kCache, 0,
                                   room, socket);
  };
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    // A frame that is lent is in no ring.
    lanes_[lane] = {.tx = make("tx", lane, 2U * tx_frames, kTxRoom),
                    .rx = make("rx", lane, rx_frames, kRxRoom)};
    if (lanes_[lane].tx == nullptr || lanes_[lane].rx == nullptr) {
      return absl::ResourceExhaustedError(
          absl::StrCat("dpdk: no memory for buffers of lane ", lane, ": ",
                       rte_strerror(rte_errno)));
    }
  }
  return absl::OkStatus();
}

absl::Status DpdkPort::MakeQueues(uint16_t rx_frames, uint16_t tx_frames) {
  const auto socket = static_cast<unsigned>(rte_eth_dev_socket_id(id_));
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    const auto queue = static_cast<uint16_t>(lane);
    if (const int error = rte_eth_rx_queue_setup(id_, queue, rx_frames, socket,
                                                 nullptr, lanes_[lane].rx)) {
      return Error("make a receive queue of", error);
    }
    if (const int error =
            rte_eth_tx_queue_setup(id_, queue, tx_frames, socket, nullptr)) {
      return Error("make a send queue of", error);
    }
  }
  return absl::OkStatus();
}

// Starts it, again if need be, and waits until it has a link.
absl::Status DpdkPort::Start(Nanos patience) {
  auto lock = LockDevices();
  Stop();
  if (const int error = rte_eth_dev_start(id_)) {
    return Error("start", error);
  }
  started_ = true;
  rte_ether_addr mac = {};
  if (const int error = rte_eth_macaddr_get(id_, &mac)) {
    return Error("read the MAC of", error);
  }
  std::memcpy(mac_.data(), mac.addr_bytes, mac_.size());
  rte_eth_stats_reset(id_);
  if (counts_by_sockets_) rings_.emplace(interface_index_);
  health_ = std::make_unique<DpdkHealth>(id_, name_, interface_index_);
  lock.unlock();
  return health_->AwaitLink(patience);
}

void DpdkPort::Stop() {
  rings_.reset();
  health_.reset();
  if (started_) rte_eth_dev_stop(id_);
  started_ = false;
}

absl::Status DpdkPort::Error(const char* what, int error) const {
  return absl::UnavailableError(absl::StrCat("dpdk: ", what, " ", name_, ": ",
                                             rte_strerror(-error),
                                             TakeEalComplaint()));
}

DpdkPort::~DpdkPort() {
  const auto lock = LockDevices();
  Stop();
  // What was there before us is left there, for the next to open.
  if (plugged_) {
    rte_eth_dev_close(id_);
    if (device_ != nullptr) rte_dev_remove(device_);
  }
  for (const Pools& pools : lanes_) {
    rte_mempool_free(pools.tx);
    rte_mempool_free(pools.rx);
  }
}

DpdkPort::Counts DpdkPort::ReadCounts() const {
  rte_eth_stats stats = {};
  if (rte_eth_stats_get(id_, &stats) != 0) return {};
  return {.rx_missed = stats.imissed + (rings_ ? rings_->TakeDropped() : 0),
          .rx_errors = stats.ierrors,
          .rx_no_buffer = stats.rx_nombuf,
          .tx_errors = stats.oerrors};
}

}  // namespace fathom
