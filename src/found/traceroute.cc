#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fathom/registry.h"
#include "src/base/status_macros.h"
#include "src/found/found.h"
#include "src/found/found_file.h"
#include "src/found/text.h"

// The text of traceroute, with or without names, and of scamper -O text: one
// trace or several after each other, each a flow.
//
//   traceroute to NAME (10.0.0.9), 30 hops max, 60 byte packets
//    1  10.0.0.1 (10.0.0.1)  0.034 ms  0.006 ms *
//    2  10.0.0.5  0.01 ms !H

namespace fathom::found {
namespace {

constexpr std::string_view kStart = "traceroute ";

// "10.0.0.1", "(10.0.0.1)" or "(10.0.0.1),".
std::optional<IpAddress> AddressOf(std::string_view word) {
  if (word.ends_with(',')) word.remove_suffix(1);
  if (word.starts_with('(') && word.ends_with(')')) {
    word = word.substr(1, word.size() - 2);
  }
  return IpAddress::Parse(word);
}

class TracerouteReader {
 public:
  TracerouteReader(FoundFile& file, Findings& findings)
      : file_(file), findings_(findings) {}

  absl::Status Read() {
    std::string_view line;
    while (true) {
      FATHOM_ASSIGN_OR_RETURN(const bool any, file_.NextText(&line));
      if (!any) return absl::OkStatus();
      FATHOM_RETURN_IF_ERROR(line.starts_with(kStart) ? Begin(line)
                                                      : ReadHops(line));
    }
  }

 private:
  // The last address before the first comma is the target's.
  absl::Status Begin(std::string_view line) {
    target_.reset();
    for (const std::string_view word : Words(line)) {
      if (const auto address = AddressOf(word)) target_ = address;
      if (word.ends_with(',')) break;
    }
    ++traces_;
    if (target_) return absl::OkStatus();
    return file_.BadLine("a trace to no address");
  }

  absl::Status ReadHops(std::string_view line) {
    const auto words = Words(line);
    const auto ttl = ParseNumber(words[0], 255);
    if (!target_ || !ttl) {
      return file_.BadLine(
          "neither the start of a trace (\"traceroute to ...\") nor a hop");
    }
    std::optional<IpAddress> responder;
    for (size_t i = 1; i < words.size(); ++i) {
      if (const auto address = AddressOf(words[i])) responder = address;
      if (!responder || words[i] != "ms") continue;
      const bool refused = i + 1 < words.size() && words[i + 1].size() > 1 &&
                           words[i + 1].starts_with('!');
      const ReplyKind kind = *responder == *target_ ? ReplyKind::kDestination
                             : refused              ? ReplyKind::kUnreachable
                                                    : ReplyKind::kHop;
      findings_.AddHop(*target_, traces_, static_cast<unsigned>(*ttl),
                       *responder, kind);
    }
    return absl::OkStatus();
  }

  FoundFile& file_;
  Findings& findings_;
  std::optional<IpAddress> target_;
  uint32_t traces_ = 0;
};

absl::Status Read(FoundFile& file, Findings& findings) {
  return TracerouteReader(file, findings).Read();
}

bool Knows(const std::string& /*path*/, std::string_view head) {
  return head.starts_with("traceroute to ") ||
         head.starts_with("traceroute from ");
}

const Register<FoundFormat> kTraceroute({"traceroute",
                                         "the text of traceroute and scamper",
                                         &Knows, &Read});

}  // namespace
}  // namespace fathom::found
