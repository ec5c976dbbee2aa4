#ifndef FATHOM_TOOLS_TRACE_JSON_H_
#define FATHOM_TOOLS_TRACE_JSON_H_

#include <string>

#include "src/trace/trace_run.h"
#include "tools/trace_notes.h"

namespace fathom {

// A trace as one line of JSON, for programs. The README's section on trace says
// what the fields mean; times are in milliseconds, and null is what is not
// known.
struct TraceHead {
  std::string host{};
  std::string protocol{};
  IpAddress source{};
};
std::string TraceToJson(const Tracer& tracer, const TraceHead& head,
                        const NoteOf& note_of, Instant now);

}  // namespace fathom

#endif  // FATHOM_TOOLS_TRACE_JSON_H_
