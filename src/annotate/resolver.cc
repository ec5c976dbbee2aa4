#include "src/annotate/resolver.h"

#include <ares.h>
#include <netdb.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

using Clock = std::chrono::steady_clock;

// What was not sent in time is made up for, this much at most.
constexpr Nanos kCatchUp = std::chrono::milliseconds(20);

// No more patience than this, so that times can be added up.
constexpr Nanos kLongestWait = std::chrono::hours(1);

constexpr size_t kMaxServers = 16;

absl::Status Check(const ResolverOptions& options) {
  if (options.queries_per_second == 0 || options.most_at_once == 0 ||
      options.most_names == 0 || options.tries < 1 || options.tries > 10) {
    return absl::InvalidArgumentError(
        "make a resolver: its rate, its bounds and its tries (at most 10) must "
        "be above zero");
  }
  if (options.timeout < std::chrono::milliseconds(1) ||
      options.timeout > std::chrono::minutes(1)) {
    return absl::InvalidArgumentError(
        "make a resolver: the timeout must be of 1 ms to 1 minute");
  }
  if (options.servers.size() > kMaxServers) {
    return absl::InvalidArgumentError(
        absl::StrCat("make a resolver: at most ", kMaxServers, " servers"));
  }
  return absl::OkStatus();
}

absl::StatusOr<DnsChannel> OpenChannel(const ResolverOptions& options,
                                       bool hosts_file) {
  DnsChannelOptions channel{.timeout = options.timeout,
                            .tries = options.tries,
                            .hosts_file = hosts_file};
  for (const std::string& server : options.servers) {
    FATHOM_ASSIGN_OR_RETURN(const NameServer parsed, ParseNameServer(server));
    channel.servers.push_back(parsed);
  }
  return DnsChannel::Open(channel);
}

struct LookUp {
  bool done = false;
  int status = ARES_SUCCESS;
  std::vector<IpAddress> addresses{};
};

IpAddress ToAddress(const sockaddr& address) {
  std::array<std::byte, 16> bytes{};
  if (address.sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof v4);
    return IpAddress::V4(ntohl(v4.sin_addr.s_addr));
  }
  sockaddr_in6 v6;
  std::memcpy(&v6, &address, sizeof v6);
  std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
  return IpAddress::V6(Load<BigEndian<uint64_t>>(bytes),
                       Load<BigEndian<uint64_t>>(std::span(bytes).subspan(8)));
}

// In network byte order; an IPv4 address is the first four.
std::array<std::byte, 16> ToBytes(const IpAddress& address) {
  std::array<std::byte, 16> bytes{};
  if (address.family() == Family::kIpv4) {
    Store(Be32(address.v4()), bytes);
  } else {
    Store(BigEndian<uint64_t>(address.high()), bytes);
    Store(BigEndian<uint64_t>(address.low()), std::span(bytes).subspan(8));
  }
  return bytes;
}

// The name whose PTR records name `address` (RFC 1035, 3596).
std::string ReverseName(const IpAddress& address) {
  constexpr char kDigits[] = "0123456789abcdef";
  const auto bytes = ToBytes(address);
  std::string name;
  if (address.family() == Family::kIpv4) {
    for (int i = 3; i >= 0; --i) {
      absl::StrAppend(&name, std::to_integer<int>(bytes[i]), ".");
    }
    return name + "in-addr.arpa";
  }
  for (int i = 15; i >= 0; --i) {
    const int byte = std::to_integer<int>(bytes[i]);
    for (const int digit : {byte & 15, byte >> 4}) {
      name += kDigits[digit];
      name += '.';
    }
  }
  return name + "ip6.arpa";
}

// The name in an answer; empty if none in it is a host's. Of several, whose
// order is any, the first in the alphabet.
int ReadName(std::span<const unsigned char> message, const IpAddress& address,
             std::string* name) {
  const auto bytes = ToBytes(address);
  const bool v4 = address.family() == Family::kIpv4;
  hostent* found = nullptr;
  const int status = ares_parse_ptr_reply(
      message.data(), static_cast<int>(message.size()), bytes.data(),
      v4 ? 4 : 16, v4 ? AF_INET : AF_INET6, &found);
  if (status != ARES_SUCCESS) return status;
  const auto take = [&](const char* text) {
    std::string candidate(text);
    if (IsHostName(candidate) && (name->empty() || candidate < *name)) {
      *name = std::move(candidate);
    }
  };
  if (found->h_name != nullptr) take(found->h_name);
  for (char** alias = found->h_aliases; alias != nullptr && *alias != nullptr;
       ++alias) {
    take(*alias);
  }
  ares_free_hostent(found);
  return ARES_SUCCESS;
}

// A host with more addresses than this is a joke, or an attack.
constexpr size_t kMaxAddresses = 64;

void OnAddresses(void* argument, int status, int /*timeouts*/,
                 ares_addrinfo* found) {
  auto& look_up = *static_cast<LookUp*>(argument);
  look_up.done = true;
  look_up.status = status;
  if (found == nullptr) return;
  for (const auto* node = found->nodes; node != nullptr; node = node->ai_next) {
    if (node->ai_family != AF_INET && node->ai_family != AF_INET6) continue;
    const IpAddress address = ToAddress(*node->ai_addr);
    auto& all = look_up.addresses;
    if (all.size() < kMaxAddresses &&
        std::find(all.begin(), all.end(), address) == all.end()) {
      all.push_back(address);
    }
  }
  ares_freeaddrinfo(found);
}

absl::Status LookUpError(const std::string& host, int status) {
  const std::string what =
      absl::StrCat("look up ", host, ": ", std::string(ares_strerror(status)));
  switch (status) {
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_EBADNAME:
      return absl::NotFoundError(what);
    default:
      return absl::UnavailableError(what);
  }
}

}  // namespace

bool IsHostName(const std::string& name) {
  constexpr size_t kLongest = 253;
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  };
  return !name.empty() && name.size() <= kLongest &&
         std::all_of(name.begin(), name.end(), allowed);
}

struct Resolver::Question {
  Resolver* resolver;
  IpAddress address;
};

absl::StatusOr<std::unique_ptr<Resolver>> Resolver::Make(
    const ResolverOptions& options) {
  FATHOM_RETURN_IF_ERROR(Check(options));
  FATHOM_ASSIGN_OR_RETURN(DnsChannel channel,
                          OpenChannel(options, /*hosts_file=*/false));
  return std::unique_ptr<Resolver>(new Resolver(options, std::move(channel)));
}

Resolver::Resolver(const ResolverOptions& options, DnsChannel channel)
    : options_(options),
      interval_(Nanos(std::chrono::seconds(1)) / options.queries_per_second),
      channel_(std::move(channel)) {}

Resolver::~Resolver() = default;

void Resolver::AskName(const IpAddress& address) {
  if (entries_.contains(address)) return;
  if (entries_.size() >= options_.most_names && !MakeRoom()) {
    ++counts_.refused;
    return;
  }
  entries_.try_emplace(address);
  waiting_.push_back(address);
}

// Forgets the oldest that is finished.
bool Resolver::MakeRoom() {
  if (finished_.empty()) return false;
  entries_.erase(finished_.front());
  finished_.pop_front();
  return true;
}

const std::string* Resolver::NameOf(const IpAddress& address) const {
  const auto entry = entries_.find(address);
  if (entry == entries_.end() || entry->second.state != State::kAnswered) {
    return nullptr;
  }
  return &entry->second.name;
}

void Resolver::Send(const IpAddress& address) {
  ++under_way_;
  ++counts_.asked;
  entries_[address].state = State::kUnderWay;
  constexpr int kInternet = 1;
  constexpr int kPointer = 12;
  // The question goes back to us with the answer, of which there is always one.
  // (ares_gethostbyaddr() would not tell a name that there is not from a server
  // that does not say.)
  ares_query(channel_.get(), ReverseName(address).c_str(), kInternet, kPointer,
             &OnAnswer, new Question{this, address});
}

void Resolver::OnAnswer(void* question, int status, int timeouts,
                        unsigned char* message, int size) {
  const std::unique_ptr<Question> asked(static_cast<Question*>(question));
  if (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED) return;
  Resolver& self = *asked->resolver;
  // Each try that timed out was another packet: it counts for the rate.
  self.next_send_ += self.interval_ * timeouts;
  std::string name;
  if (status == ARES_SUCCESS) {
    status =
        ReadName({message, static_cast<size_t>(size)}, asked->address, &name);
  }
  const bool answered = status == ARES_SUCCESS || status == ARES_ENOTFOUND ||
                        status == ARES_ENODATA;
  self.Finish(asked->address, answered ? State::kAnswered : State::kFailed,
              std::move(name));
}

void Resolver::Finish(const IpAddress& address, State state, std::string name) {
  --under_way_;
  if (state == State::kFailed) {
    ++counts_.failed;
  } else {
    ++(name.empty() ? counts_.nameless : counts_.named);
  }
  entries_[address] = {state, std::move(name)};
  finished_.push_back(address);
}

void Resolver::SendWhatIsDue() {
  const auto now = Clock::now();
  next_send_ = std::max(next_send_, now - kCatchUp);
  while (!waiting_.empty() && under_way_ < options_.most_at_once &&
         next_send_ <= now) {
    next_send_ += interval_;
    const IpAddress address = waiting_.front();
    waiting_.pop_front();
    Send(address);
  }
}

Nanos Resolver::UntilNextSend() const {
  if (waiting_.empty() || under_way_ >= options_.most_at_once) {
    return Nanos::max();
  }
  return std::max(Nanos(0), Nanos(next_send_ - Clock::now()));
}

absl::Status Resolver::Work(Nanos patience) {
  const auto end = Clock::now() + std::min(patience, kLongestWait);
  const size_t before = finished_.size();
  while (pending() != 0) {
    SendWhatIsDue();
    const Nanos left = end - Clock::now();
    FATHOM_RETURN_IF_ERROR(channel_.Turn(std::min(left, UntilNextSend())));
    if (finished_.size() != before || left <= Nanos(0)) break;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<IpAddress>> Resolver::Addresses(
    const std::string& host, std::optional<Family> family, Nanos patience) {
  if (const auto address = IpAddress::Parse(host)) {
    if (!family || *family == address->family()) return std::vector{*address};
    return absl::NotFoundError(absl::StrCat(
        "look up ", host, ": not an address of the family asked for"));
  }
  if (!IsHostName(host)) {
    return absl::InvalidArgumentError("look up a host: not a host's name");
  }
  // A channel of its own: as it goes, what is under way goes too.
  LookUp look_up;
  FATHOM_ASSIGN_OR_RETURN(DnsChannel channel,
                          OpenChannel(options_, /*hosts_file=*/true));
  ares_addrinfo_hints hints{};
  hints.ai_family = !family                    ? AF_UNSPEC
                    : *family == Family::kIpv4 ? AF_INET
                                               : AF_INET6;
  ares_getaddrinfo(channel.get(), host.c_str(), /*service=*/nullptr, &hints,
                   &OnAddresses, &look_up);
  const auto end = Clock::now() + std::min(patience, kLongestWait);
  while (!look_up.done) {
    const Nanos left = end - Clock::now();
    if (left <= Nanos(0)) {
      return absl::DeadlineExceededError(
          absl::StrCat("look up ", host, ": no answer in time"));
    }
    FATHOM_RETURN_IF_ERROR(channel.Turn(left));
  }
  if (look_up.status != ARES_SUCCESS) return LookUpError(host, look_up.status);
  if (look_up.addresses.empty()) return LookUpError(host, ARES_ENODATA);
  return std::move(look_up.addresses);
}

}  // namespace fathom
