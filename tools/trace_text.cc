#include "tools/trace_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "src/net/icmp_extensions.h"
#include "src/trace/forks.h"

namespace fathom {
namespace {

double Millis(Nanos time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

// "name (10.0.0.1) [AS64500 NAME, DE]", as far as it is known.
std::string SpellAddress(const IpAddress& address, const NoteOf& note_of) {
  const AddressNote note = note_of(address);
  std::string text = address.ToString();
  if (!note.name.empty()) text = absl::StrCat(note.name, " (", text, ")");
  const std::string network = SpellNetwork(note.annotation);
  if (!network.empty()) absl::StrAppend(&text, " [", network, "]");
  return text;
}

std::string SpellFlows(const std::vector<FlowId>& flows) {
  return absl::StrCat(
      flows.size() == 1 ? "flow " : "flows ",
      absl::StrJoin(flows, " ", [](std::string* out, FlowId flow) {
        absl::StrAppend(out, flow.value());
      }));
}

std::string Title(const Tracer& tracer, const TraceTitle& title) {
  const TraceOptions& options = tracer.options();
  std::string text = absl::StrFormat(
      "traceroute to %s (%s), %d hops max, %d byte packets", title.host,
      tracer.target().ToString(), options.max_ttl.value(), title.packet_size);
  if (options.flows > 1) {
    absl::StrAppend(&text, ", ", options.flows, " flows");
  }
  return text + "\n";
}

// The probes of a cell in the order of sending. Who answers is named again
// only when that changes.
std::string SpellCell(const TraceCell& cell, const NoteOf& note_of) {
  std::string text;
  int last = TraceProbe::kNobody;
  for (const TraceProbe& probe : cell.probes) {
    if (probe.responder == TraceProbe::kNobody) {
      text += " *";
      continue;
    }
    const auto& responder =
        cell.responders[static_cast<size_t>(probe.responder)];
    if (probe.responder != last) {
      absl::StrAppend(&text, text.empty() ? " " : "  ",
                      SpellAddress(responder.address, note_of),
                      ExtensionMark(responder));
      last = probe.responder;
    }
    const std::string mark = RefusalMark(responder);
    absl::StrAppend(&text, absl::StrFormat("  %.3f ms", Millis(probe.rtt)),
                    mark.empty() ? "" : " ", mark);
  }
  return text;
}

// All flows of a hop: a line for each address.
std::string SpellRow(const HopRow& row, const NoteOf& note_of) {
  if (row.responders.empty())
    return absl::StrFormat("%2d  *\n", row.ttl.value());
  std::string text;
  for (const HopRow::Responder& responder : row.responders) {
    absl::StrAppend(
        &text, text.empty() ? absl::StrFormat("%2d", row.ttl.value()) : "  ",
        "  ", SpellAddress(responder.last.address, note_of),
        ExtensionMark(responder.last));
    if (responder.rtts.count() > 0) {
      absl::StrAppend(
          &text, absl::StrFormat("  %.3f ms", Millis(responder.rtts.best())));
      const std::string mark = RefusalMark(responder.last);
      absl::StrAppend(&text, mark.empty() ? "" : " ", mark);
    }
    absl::StrAppend(&text, "  (", SpellFlows(responder.flows), ")\n");
  }
  return text;
}

std::string Trees(const std::vector<bool>& last_of, bool begins) {
  std::string text;
  for (size_t i = 0; i < last_of.size(); ++i) {
    const bool here = begins && i + 1 == last_of.size();
    text += here ? (last_of[i] ? "└─ " : "├─ ") : (last_of[i] ? "   " : "│  ");
  }
  return text;
}

}  // namespace

std::string RefusalMark(const TraceResponder& responder) {
  if (responder.kind == ReplyKind::kHop || responder.tcp_flags != 0) return "";
  if (responder.address.family() == Family::kIpv6) {
    constexpr uint8_t kUnreachable = 1;
    constexpr uint8_t kProblem = 4, kUnknownHeader = 1;
    constexpr uint8_t kPort = 4;
    if (responder.icmp_type == kProblem) {
      return responder.icmp_code == kUnknownHeader
                 ? "!P"
                 : absl::StrCat("!<4:", responder.icmp_code, ">");
    }
    if (responder.icmp_type != kUnreachable || responder.icmp_code == kPort) {
      return "";
    }
    static constexpr const char* kMarks[] = {"!N", "!X", "!S", "!H", "", "!F"};
    if (responder.icmp_code < std::size(kMarks)) {
      return kMarks[responder.icmp_code];
    }
    return absl::StrCat("!<", responder.icmp_code, ">");
  }
  constexpr uint8_t kUnreachable = 3;
  if (responder.icmp_type != kUnreachable) return "";
  switch (responder.icmp_code) {
    case 0:
    case 6:
      return "!N";
    case 1:
    case 7:
      return "!H";
    case 2:
      return "!P";
    case 3:
      return "";
    case 4:
      return "!F";
    case 5:
      return "!S";
    case 13:
      return "!X";
    case 14:
      return "!V";
    case 15:
      return "!C";
    default:
      return absl::StrCat("!<", responder.icmp_code, ">");
  }
}

std::string ExtensionMark(const TraceResponder& responder) {
  std::string text;
  for (const MplsLabel& label : MplsStackOf(responder.extensions)) {
    absl::StrAppend(&text, text.empty() ? " <MPLS:" : "/", "L=", label.label,
                    ",E=", label.traffic_class, ",S=", label.bottom ? 1 : 0,
                    ",T=", label.ttl);
  }
  if (!text.empty()) text += ">";
  for (const ExtensionObject& object : ObjectsOf(responder.extensions)) {
    constexpr uint8_t kMpls = 1;
    if (object.object_class == kMpls) continue;
    // From its own header on, which stands before the payload.
    const std::span<const std::byte> whole(object.payload.data() - 4,
                                           object.payload.size() + 4);
    absl::StrAppend(&text, " <", SpellExtensions(whole), ">");
  }
  return text;
}

std::string FormatTrace(const Tracer& tracer, const TraceTitle& title,
                        const NoteOf& note_of, Instant now) {
  std::string text = Title(tracer, title);
  if (tracer.options().flows > 1) {
    for (const HopRow& row : RowsOf(tracer, now)) {
      text += SpellRow(row, note_of);
    }
    return text + FormatForks(tracer, note_of);
  }
  for (uint8_t t = tracer.options().first_ttl.value();
       t <= tracer.last().value(); ++t) {
    absl::StrAppend(&text, absl::StrFormat("%2d ", t),
                    SpellCell(tracer.cell(FlowId(0), Ttl(t)), note_of), "\n");
  }
  return text;
}

std::string FormatReport(const Tracer& tracer, const TraceTitle& title,
                         const NoteOf& note_of, Instant now) {
  struct Line {
    std::string host;
    std::string numbers;
  };
  std::vector<Line> lines;
  size_t width = 20;
  for (const HopRow& row : RowsOf(tracer, now)) {
    const std::string numbers =
        absl::StrFormat("%5.1f%%%6d%8.1f%8.1f%8.1f%8.1f%8.1f", 100 * row.loss(),
                        row.sent, Millis(row.rtts.last()),
                        Millis(row.rtts.mean()), Millis(row.rtts.best()),
                        Millis(row.rtts.worst()), Millis(row.rtts.deviation()));
    lines.push_back({absl::StrFormat("%3d.|-- ???", row.ttl.value()), numbers});
    for (size_t i = 0; i < row.responders.size(); ++i) {
      const TraceResponder& last = row.responders[i].last;
      std::string host = SpellAddress(last.address, note_of);
      const std::string mark = RefusalMark(last);
      absl::StrAppend(&host, ExtensionMark(last), mark.empty() ? "" : " ",
                      mark);
      if (i == 0) {
        lines.back().host =
            absl::StrFormat("%3d.|-- %s", row.ttl.value(), host);
      } else {
        lines.push_back({absl::StrCat("    |   ", host), ""});
      }
      width = std::max(width, lines.back().host.size());
    }
  }
  std::string text =
      absl::StrFormat("Report of %s (%s)\n%-*s %6s%6s%8s%8s%8s%8s%8s\n",
                      title.host, tracer.target().ToString(), width, "HOP",
                      "Loss%", "Snt", "Last", "Avg", "Best", "Wrst", "StDev");
  for (const Line& line : lines) {
    absl::StrAppend(
        &text,
        line.numbers.empty()
            ? line.host
            : absl::StrFormat("%-*s %s", width, line.host, line.numbers),
        "\n");
  }
  return text;
}

std::string FormatForks(const Tracer& tracer, const NoteOf& note_of) {
  std::string text;
  for (const auto& fork : ForksOf(tracer)) {
    absl::StrAppend(&text, text.empty() ? "Forks:\n" : "    --\n");
    for (const ForkLine& line : fork) {
      absl::StrAppend(
          &text, absl::StrFormat("%4d  ", line.ttl.value()),
          Trees(line.last_of, line.begins_branch),
          line.address ? SpellAddress(*line.address, note_of) : "*");
      if (line.begins_branch) {
        absl::StrAppend(&text, "  (", SpellFlows(line.flows), ")");
      }
      text += "\n";
    }
  }
  return text;
}

std::string FormatAsPath(const Tracer& tracer, const NoteOf& note_of,
                         Instant now) {
  const auto path = AsPathOf(RowsOf(tracer, now), note_of);
  if (path.empty()) return "";
  return absl::StrCat(
      "AS path: ",
      absl::StrJoin(path, " -> ",
                    [](std::string* out, const AsHop& hop) {
                      absl::StrAppend(out, "AS", hop.asn,
                                      hop.name.empty() ? "" : " ", hop.name);
                    }),
      "\n");
}

}  // namespace fathom
