#ifndef FATHOM_SRC_ANNOTATE_RESOLVER_H_
#define FATHOM_SRC_ANNOTATE_RESOLVER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "fathom/probe.h"
#include "src/annotate/dns_channel.h"

namespace fathom {

// A Resolver asks name servers: for the names of addresses, many at once and
// at a bounded rate, and for the addresses of a name.
//
// It has no thread. AskName() notes a question, Work() sends what the rate
// allows and reads what came, NameOf() says what is known. What a server does,
// be it slow, silent or lying, costs no more than the bounds below: an answer
// counts only if it comes from the server that was asked, to the question that
// was asked, and names a host in printable characters.

struct ResolverOptions {
  // "ADDR", "ADDR:PORT" or "[ADDR]:PORT"; none: those of the system.
  std::vector<std::string> servers{};
  // Packets to servers, repetitions among them, on average.
  uint32_t queries_per_second = 100;
  size_t most_at_once = 64;  // Questions under way.
  // A question is given up after timeout * (2^tries - 1) for each server.
  Nanos timeout = std::chrono::seconds(2);
  int tries = 2;
  // Addresses remembered, about 120 bytes each; the oldest answers go first.
  size_t most_names = size_t{1} << 18;
};

struct ResolverCounts {
  uint64_t asked = 0;     // Questions sent.
  uint64_t named = 0;     // Answered by a name.
  uint64_t nameless = 0;  // Answered: there is no name, or none of a host.
  uint64_t failed = 0;    // Given up: no answer, or none of use.
  uint64_t refused = 0;   // Not noted, since most_names were waiting.
};

// For one thread. Names of addresses come from servers only; Addresses() looks
// into /etc/hosts first.
class Resolver {
 public:
  static absl::StatusOr<std::unique_ptr<Resolver>> Make(
      const ResolverOptions& options);

  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  ~Resolver();

  // Notes that the name of `address` is wanted. Repeats cost nothing, also
  // after it was answered or given up.
  void AskName(const IpAddress& address);

  // Sends what the rate allows and reads what came. Returns as soon as a
  // question was answered or given up, or none is left; after at most
  // `patience` in any case.
  absl::Status Work(Nanos patience);

  // nullptr: not answered, or not yet; empty: there is no name. Valid until
  // the next AskName() or Work().
  const std::string* NameOf(const IpAddress& address) const;

  // Questions that are neither answered nor given up.
  size_t pending() const { return waiting_.size() + under_way_; }

  const ResolverCounts& counts() const { return counts_; }

  // The addresses of `host`, the best to use first (RFC 6724), each once; of
  // one family if it is given. An address in text is its own answer. Blocks
  // for at most `patience`; NotFound if there are none.
  absl::StatusOr<std::vector<IpAddress>> Addresses(const std::string& host,
                                                   std::optional<Family> family,
                                                   Nanos patience);

 private:
  enum class State : uint8_t { kWaiting, kUnderWay, kAnswered, kFailed };
  struct Entry {
    State state = State::kWaiting;
    std::string name{};
  };
  struct Question;  // What c-ares hands back with an answer.

  Resolver(const ResolverOptions& options, DnsChannel channel);

  void Send(const IpAddress& address);
  void SendWhatIsDue();
  // How long to sleep until something may be sent, if anything may.
  Nanos UntilNextSend() const;
  void Finish(const IpAddress& address, State state, std::string name);
  bool MakeRoom();
  static void OnAnswer(void* question, int status, int timeouts,
                       unsigned char* message, int size);

  const ResolverOptions options_;
  const Nanos interval_;  // Between packets.
  absl::flat_hash_map<IpAddress, Entry> entries_;
  std::deque<IpAddress> waiting_;   // Not yet sent.
  std::deque<IpAddress> finished_;  // In the order in which they were.
  size_t under_way_ = 0;
  std::chrono::steady_clock::time_point next_send_{};
  ResolverCounts counts_;
  DnsChannel channel_;  // Last: as it goes, it calls OnAnswer().
};

// Whether `name` may be shown and stored: 1 to 253 letters, digits, dots,
// hyphens and underscores. Servers can send any bytes.
bool IsHostName(const std::string& name);

}  // namespace fathom

#endif  // FATHOM_SRC_ANNOTATE_RESOLVER_H_
