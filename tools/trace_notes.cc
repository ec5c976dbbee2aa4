#include "tools/trace_notes.h"

#include "absl/strings/str_cat.h"

namespace fathom {

std::string SpellNetwork(const Annotation& annotation) {
  std::string text;
  const auto add = [&text](const std::string& part, const char* between) {
    if (!part.empty())
      absl::StrAppend(&text, text.empty() ? "" : between, part);
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
