#ifndef FATHOM_SRC_ANNOTATE_RESOLVER_H_
#define FATHOM_SRC_ANNOTATE_RESOLVER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "fathom/probe.h"

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

  virtual ~Resolver() = default;

  // Notes that the name of `address` is wanted. Repeats cost nothing, also
  // after it was answered or given up.
  virtual void AskName(const IpAddress& address) = 0;

  // Sends what the rate allows and reads what came. Returns as soon as a
  // question was answered or given up, or none is left; after at most
  // `patience` in any case.
  virtual absl::Status Work(Nanos patience) = 0;

  // nullptr: not answered, or not yet; empty: there is no name. Valid until
  // the next AskName() or Work().
  virtual const std::string* NameOf(const IpAddress& address) const = 0;

  // Questions that are neither answered nor given up.
  virtual size_t pending() const = 0;

  virtual ResolverCounts counts() const = 0;

  // The addresses of `host`, the best to use first (RFC 6724), each once; of
  // one family if it is given. An address in text is its own answer. Blocks
  // for at most `patience`; NotFound if there are none.
  virtual absl::StatusOr<std::vector<IpAddress>> Addresses(
      const std::string& host, std::optional<Family> family,
      Nanos patience) = 0;
};

// Whether `name` may be shown and stored: 1 to 253 letters, digits, dots,
// hyphens and underscores. Servers can send any bytes.
bool IsHostName(const std::string& name);

}  // namespace fathom

#endif  // FATHOM_SRC_ANNOTATE_RESOLVER_H_
