#include "tools/trace_notes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/status_macros.h"

namespace fathom {
namespace {

// A name is waited for 2.1 s at most, from a server that stays silent: hops do
// without it.
constexpr Nanos kTimeout = std::chrono::milliseconds(700);
constexpr int kTries = 2;

// Files may hold any bytes, and terminals obey some.
Annotation Readable(Annotation annotation) {
  for (std::string* const text : {&annotation.as_name, &annotation.country,
                                  &annotation.city, &annotation.ixp}) {
    std::replace_if(
        text->begin(), text->end(),
        [](char c) {
          return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        },
        '?');
  }
  return annotation;
}

}  // namespace

absl::StatusOr<TraceNotes> TraceNotes::Open(const Sources& sources) {
  TraceNotes notes;
  if (!sources.files.networks.empty() || !sources.files.ixps.empty()) {
    FATHOM_ASSIGN_OR_RETURN(notes.annotator_, Annotator::Open(sources.files));
  }
  if (sources.resolver.empty()) return notes;
  ResolverOptions options = {.timeout = kTimeout, .tries = kTries};
  if (sources.resolver != "system") options.servers = {sources.resolver};
  FATHOM_ASSIGN_OR_RETURN(notes.resolver_, Resolver::Make(options));
  return notes;
}

void TraceNotes::AskNames(const Tracer& tracer) {
  if (!resolver_) return;
  for (uint16_t f = 0; f < tracer.options().flows; ++f) {
    const FlowId flow(f);
    for (uint8_t t = tracer.options().first_ttl.value();
         t <= tracer.LastOf(flow).value(); ++t) {
      for (const auto& responder : tracer.cell(flow, Ttl(t)).responders) {
        resolver_->AskName(responder.address);
      }
    }
  }
}

absl::Status TraceNotes::Work(Nanos patience) {
  return resolver_ ? resolver_->Work(patience) : absl::OkStatus();
}

AddressNote TraceNotes::Find(const IpAddress& address) const {
  AddressNote note;
  if (annotator_) note.annotation = Readable(annotator_->Find(address));
  if (!resolver_) return note;
  const std::string* const name = resolver_->NameOf(address);
  if (name != nullptr) note.name = *name;
  return note;
}

std::string SpellNetwork(const Annotation& annotation) {
  std::string text;
  const auto add = [&text](const std::string& part, const char* between) {
    if (!part.empty()) {
      absl::StrAppend(&text, text.empty() ? "" : between, part);
    }
  };
  if (annotation.asn != 0) text = absl::StrCat("AS", annotation.asn);
  add(annotation.as_name, " ");
  add(annotation.ixp, ", ");
  add(annotation.city, ", ");
  add(annotation.country, ", ");
  return text;
}

std::vector<AsHop> AsPathOf(const std::vector<HopRow>& rows,
                            const NoteOf& note_of) {
  std::vector<AsHop> path;
  for (const HopRow& row : rows) {
    for (const HopRow::Responder& responder : row.responders) {
      const Annotation note = note_of(responder.last.address).annotation;
      if (note.asn == 0) continue;
      if (!path.empty() && path.back().asn == note.asn) continue;
      path.push_back({note.asn, note.as_name});
    }
  }
  return path;
}

}  // namespace fathom
