#ifndef FATHOM_TOOLS_TRACE_TEXT_H_
#define FATHOM_TOOLS_TRACE_TEXT_H_

#include <string>

#include "src/trace/tracer.h"
#include "tools/trace_notes.h"

namespace fathom {

// A trace as people read it. What it looks like follows traceroute and mtr,
// since eyes and scripts know those.

struct TraceTitle {
  std::string host{};      // As the user wrote it.
  size_t packet_size = 0;  // Bytes, from the IP header on.
};

// "traceroute to HOST (ADDRESS), ...", and a line for each hop.
std::string FormatTrace(const Tracer& tracer, const TraceTitle& title,
                        const NoteOf& note_of, Instant now);

// A line for each hop with loss and times, as mtr --report has it.
std::string FormatReport(const Tracer& tracer, const TraceTitle& title,
                         const NoteOf& note_of, Instant now);

// The hops between which flows part and meet, as small trees; empty where they
// do not.
std::string FormatForks(const Tracer& tracer, const NoteOf& note_of);

// "AS path: AS1 NAME -> AS2 NAME"; empty if no AS is known.
std::string FormatAsPath(const Tracer& tracer, const NoteOf& note_of,
                         Instant now);

// "!H" and the like, as traceroute writes them; empty for an answer that is
// none of refusal.
std::string RefusalMark(const TraceResponder& responder);

// " <MPLS:L=24015,E=0,S=1,T=1>", as traceroute -e writes it; empty if there is
// nothing.
std::string ExtensionMark(const TraceResponder& responder);

}  // namespace fathom

#endif  // FATHOM_TOOLS_TRACE_TEXT_H_
