#ifndef FATHOM_SRC_ANNOTATE_DNS_CHANNEL_H_
#define FATHOM_SRC_ANNOTATE_DNS_CHANNEL_H_

#include <poll.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "fathom/probe.h"

struct ares_channeldata;

namespace fathom {

// A channel of c-ares and the sockets that it has open at the moment: the wait
// that c-ares leaves to its user. Nothing happens outside of Turn().

// A name server. Port 0 is the usual one.
struct NameServer {
  IpAddress address{};
  uint16_t port = 0;
};

// Reads "ADDR", "ADDR:PORT" or "[ADDR]:PORT".
absl::StatusOr<NameServer> ParseNameServer(const std::string& text);

struct DnsChannelOptions {
  std::vector<NameServer> servers{};  // None: those of the system.
  Nanos timeout{};                    // Of the first try; it doubles.
  int tries = 2;
  bool hosts_file = false;  // Look into /etc/hosts before asking.
};

// For one thread. As a channel goes, callbacks of what is under way are called
// with ARES_EDESTRUCTION.
class DnsChannel {
 public:
  static absl::StatusOr<DnsChannel> Open(const DnsChannelOptions& options);

  DnsChannel(DnsChannel&&) noexcept = default;
  DnsChannel& operator=(DnsChannel&&) = delete;

  ares_channeldata* get() const { return channel_.get(); }

  // Waits until a packet comes or a try is over, at most `patience`, and lets
  // c-ares see to it, by which it calls callbacks.
  absl::Status Turn(Nanos patience);

 private:
  struct Destroy {
    void operator()(ares_channeldata* channel) const;
  };
  using Sockets = std::vector<pollfd>;

  DnsChannel() = default;

  static void OnSocket(void* sockets, int fd, int readable, int writable);

  // On the heap, as c-ares keeps its address; goes after the channel.
  std::unique_ptr<Sockets> sockets_ = std::make_unique<Sockets>();
  std::unique_ptr<ares_channeldata, Destroy> channel_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_ANNOTATE_DNS_CHANNEL_H_
