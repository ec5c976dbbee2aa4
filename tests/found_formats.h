#ifndef FATHOM_TESTS_FOUND_FORMATS_H_
#define FATHOM_TESTS_FOUND_FORMATS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "fathom/address.h"
#include "fathom/probe.h"
#include "src/found/found.h"

namespace fathom::found {

// One scan, written as each scanner would have, by the definitions of their
// formats and without any code of ours that reads them.

// Hops ascend; one flow a target. A hop of the kind kDestination is from the
// target itself, kUnreachable is ICMP type 3 code 1.
using Scan = std::vector<FoundHop>;

inline std::string Dotted(uint32_t address) {
  return IpAddress::V4(address).ToString();
}

inline int TypeOf(const FoundHop& hop) {
  if (hop.kind == ReplyKind::kHop) return 11;
  return hop.kind == ReplyKind::kUnreachable ? 3 : 0;
}

inline std::string AsYarrp(const Scan& scan) {
  std::string text =
      "# yarrp v0.8\n# Trace_Type: ICMP\n# Output_Fields: target sec usec type "
      "code ttl hop rtt ipid psize rsize rttl rtos mpls count\n";
  int count = 0;
  for (const FoundHop& hop : scan) {
    absl::StrAppend(&text, Dotted(hop.target), " 1700000000 12 ", TypeOf(hop),
                    " 0 ", int{hop.ttl}, " ", Dotted(hop.responder),
                    " 33 7 40 56 250 0 3:1,19:2 ", ++count, "\n");
  }
  return text + "# End: Fri\n# Pkts: 12\n#\n";
}

inline std::string AsCaracal(const Scan& scan) {
  std::string text =
      "capture_timestamp,probe_protocol,probe_src_addr,probe_dst_addr,"
      "probe_src_port,probe_dst_port,probe_ttl,quoted_ttl,reply_src_addr,"
      "reply_protocol,reply_icmp_type,reply_icmp_code,reply_ttl,reply_size,"
      "reply_mpls_labels,rtt,round\n";
  for (const FoundHop& hop : scan) {
    const bool echo = hop.kind == ReplyKind::kDestination;
    absl::StrAppend(&text, "1700000000,1,::ffff:10.0.0.1,",
                    echo ? "::" : absl::StrCat("::ffff:", Dotted(hop.target)),
                    ",24000,0,", int{hop.ttl},
                    ",1,::ffff:", Dotted(hop.responder), ",1,", TypeOf(hop),
                    ",0,250,56,\"[(3,0,0,1),(19,0,1,1)]\",564,1\n");
  }
  return text;
}

inline std::string AsFlashRoute(const Scan& scan) {
  std::string bytes;
  const auto put = [&bytes](uint64_t value, int size) {
    for (int i = 0; i < size; ++i) {
      bytes += static_cast<char>(i < 8 ? value >> (8 * i) & 0xff : 0);
    }
  };
  for (const FoundHop& hop : scan) {
    put(hop.target, 16);
    put(hop.responder, 16);
    put(33, 4);
    put(hop.ttl, 1);
    put(hop.kind == ReplyKind::kDestination ? 1 : 0, 1);
    put(1, 1);
  }
  return bytes;
}

// Calls write(target, hops of it) for each target.
template <typename Write>
void ForEachTrace(const Scan& scan, Write&& write) {
  std::map<uint32_t, Scan> traces;
  for (const FoundHop& hop : scan) traces[hop.target].push_back(hop);
  for (const auto& [target, hops] : traces) write(target, hops);
}

inline std::string AsScamperJson(const Scan& scan) {
  std::string text =
      "{\"type\":\"cycle-start\", \"list_name\":\"default\", \"id\":0}\n";
  ForEachTrace(scan, [&](uint32_t target, const Scan& hops) {
    absl::StrAppend(&text,
                    "{\"type\":\"trace\",\"version\":\"0.1\", \"dst\":\"",
                    Dotted(target), "\", \"hops\":[");
    const char* separator = "";
    for (const FoundHop& hop : hops) {
      absl::StrAppend(&text, separator, "{\"addr\":\"", Dotted(hop.responder),
                      "\", \"probe_ttl\":", int{hop.ttl},
                      ", \"icmp_type\":", TypeOf(hop), ", \"icmp_code\":0}");
      separator = ",";
    }
    text += "]}\n";
  });
  return text + "{\"type\":\"cycle-stop\", \"id\":0}\n";
}

inline std::string AsTraceroute(const Scan& scan, bool names) {
  std::string text;
  ForEachTrace(scan, [&](uint32_t target, const Scan& hops) {
    absl::StrAppend(&text, "traceroute to ", names ? "host.example" : "", " (",
                    Dotted(target), "), 30 hops max, 60 byte packets\n");
    int ttl = 0;
    for (size_t i = 0; i < hops.size(); ++i) {
      const FoundHop& hop = hops[i];
      while (++ttl < hop.ttl) absl::StrAppendFormat(&text, "%2d  * * *\n", ttl);
      const bool again = i > 0 && hops[i - 1].ttl == hop.ttl;
      if (again) text.pop_back();
      if (again) --ttl;
      absl::StrAppend(
          &text, again ? "" : absl::StrFormat("%2d ", ttl), " ",
          names ? absl::StrCat("r.example (", Dotted(hop.responder), ")")
                : Dotted(hop.responder),
          hop.kind == ReplyKind::kUnreachable ? "  0.034 ms !H *\n"
                                              : "  0.034 ms * 0.006 ms\n");
    }
  });
  return text;
}

// mtr cannot say that a router refused, nor keep two responders a distance.
inline std::string AsMtr(const Scan& scan) {
  std::string text;
  ForEachTrace(scan, [&](uint32_t target, const Scan& hops) {
    absl::StrAppend(&text,
                    "{\n    \"report\": {\n        \"mtr\": {\"src\": \"a\", "
                    "\"dst\": \"",
                    Dotted(target), "\"},\n        \"hubs\": [\n");
    int ttl = 0;
    for (const FoundHop& hop : hops) {
      while (++ttl < hop.ttl) {
        absl::StrAppend(&text, ttl == 1 ? "" : ",\n", "{\"count\": ", ttl,
                        ", \"host\": \"???\"}");
      }
      absl::StrAppend(&text, ttl == 1 ? "" : ",\n", "{\"count\": ", ttl,
                      ", \"host\": \"", Dotted(hop.responder),
                      "\", \"Loss%\": 0.0}");
    }
    text += "\n        ]\n    }\n}\n";
  });
  return text;
}

// How a warts file says addresses.
enum class WartsAddresses { kInline, kReferenced, kDeprecated };

class WartsFile {
 public:
  explicit WartsFile(WartsAddresses form) : form_(form) {}

  std::string Write(const Scan& scan) {
    Record(1, Number(1, 4) + Number(0, 4) + std::string("default\0\0", 9));
    ForEachTrace(scan, [&](uint32_t target, const Scan& hops) {
      known_.clear();
      WriteTrace(target, hops);
    });
    Record(7, "a ping");
    return bytes_;
  }

 private:
  static std::string Number(uint64_t value, int size) {
    std::string bytes;
    for (int i = size - 1; i >= 0; --i) {
      bytes += static_cast<char>(value >> (8 * i) & 0xff);
    }
    return bytes;
  }

  void Record(int type, const std::string& body) {
    bytes_ += Number(0x1205, 2) + Number(static_cast<uint64_t>(type), 2) +
              Number(body.size(), 4) + body;
  }

  // Flags, the length, and the parameters, of which the n-th is for the n-th
  // number in `ids`, counted from 1 as warts(5) does.
  static std::string Parameters(const std::vector<int>& ids,
                                const std::string& values) {
    std::string flags;
    for (const int id : ids) {
      const auto byte = static_cast<size_t>((id - 1) / 7);
      if (flags.size() <= byte) flags.resize(byte + 1);
      flags[byte] = static_cast<char>(flags[byte] | 1 << ((id - 1) % 7));
    }
    for (size_t i = 0; i + 1 < flags.size(); ++i) {
      flags[i] = static_cast<char>(flags[i] | 0x80);
    }
    return flags + Number(values.size(), 2) + values;
  }

  std::string Inline(uint32_t address) {
    const auto known = known_.find(address);
    if (form_ == WartsAddresses::kReferenced && known != known_.end()) {
      return Number(0, 1) + Number(known->second, 4);
    }
    known_.emplace(address, known_.size());
    return Number(4, 1) + Number(1, 1) + Number(address, 4);
  }

  std::string Global(uint32_t address) {
    const auto [at, is_new] = globals_.emplace(address, globals_.size() + 1);
    if (is_new) {
      Record(5,
             Number(at->second % 255, 1) + Number(1, 1) + Number(address, 4));
    }
    return Number(at->second, 4);
  }

  void WriteTrace(uint32_t target, const Scan& hops) {
    const bool old = form_ == WartsAddresses::kDeprecated;
    // Each half stops at the one parameter that matters here.
    std::string body =
        old ? Parameters({1, 4, 11}, Number(1, 4) + Global(target) + "\x04")
            : Parameters({1, 11, 27}, Number(1, 4) + "\x04" + Inline(target));
    body += Number(hops.size(), 2);
    for (const FoundHop& hop : hops) {
      const std::string between =
          Number(hop.ttl, 1) + Number(250, 1) +
          Number(static_cast<uint64_t>(TypeOf(hop)), 1) + Number(1, 1);
      const std::string extension = Number(3, 2) + "abc";
      body += old ? Parameters({1, 2, 3, 7}, Global(hop.responder) + between)
                  : Parameters({2, 3, 7, 17, 18, 19},
                               between + extension + Inline(hop.responder) +
                                   Number(0, 8));
    }
    Record(6, body + Number(0, 2));
  }

  const WartsAddresses form_;
  std::string bytes_;
  std::map<uint32_t, uint64_t> known_;    // In this record.
  std::map<uint32_t, uint64_t> globals_;  // In this file.
};

inline std::string AsHopCsv(const Scan& scan) {
  static constexpr const char* kKinds[] = {"hop", "destination", "alias",
                                           "unreachable"};
  std::string text = "target,flow,ttl,responder,kind\n";
  for (const FoundHop& hop : scan) {
    absl::StrAppend(&text, Dotted(hop.target), ",0,", int{hop.ttl}, ",",
                    Dotted(hop.responder), ",",
                    kKinds[static_cast<int>(hop.kind)], "\n");
  }
  return text;
}

// The scan in every form that keeps hops, by what the file is called.
inline std::vector<std::pair<std::string, std::string>> InEveryFormat(
    const Scan& scan) {
  return {
      {"yarrp", AsYarrp(scan)},
      {"caracal", AsCaracal(scan)},
      {"flashroute", AsFlashRoute(scan)},
      {"scamper-json", AsScamperJson(scan)},
      {"traceroute", AsTraceroute(scan, false)},
      {"traceroute-names", AsTraceroute(scan, true)},
      {"mtr", AsMtr(scan)},
      {"warts", WartsFile(WartsAddresses::kInline).Write(scan)},
      {"warts-referenced", WartsFile(WartsAddresses::kReferenced).Write(scan)},
      {"warts-deprecated", WartsFile(WartsAddresses::kDeprecated).Write(scan)},
      {"csv", AsHopCsv(scan)},
  };
}

}  // namespace fathom::found

#endif  // FATHOM_TESTS_FOUND_FORMATS_H_
