#ifndef FATHOM_TOOLS_TRACE_NOTES_H_
#define FATHOM_TOOLS_TRACE_NOTES_H_

#include <functional>
#include <string>
#include <vector>

#include "fathom/address.h"
#include "src/annotate/annotator.h"
#include "src/trace/hop_row.h"

namespace fathom {

// What is known of an address beside that it answered.
struct AddressNote {
  std::string name{};  // Empty: none, or not asked for.
  Annotation annotation{};
};
using NoteOf = std::function<AddressNote(const IpAddress&)>;

// "AS64500 EXAMPLE-NET, DE": what is known of the network, as short as that;
// empty if nothing is.
std::string SpellNetwork(const Annotation& annotation);

// An AS on a path.
struct AsHop {
  uint32_t asn = 0;
  std::string name{};

  friend bool operator==(const AsHop&, const AsHop&) = default;
};

// The ASes along the rows, each once where it follows itself; hops that belong
// to nobody known are passed over.
std::vector<AsHop> AsPathOf(const std::vector<HopRow>& rows,
                            const NoteOf& note_of);

}  // namespace fathom

#endif  // FATHOM_TOOLS_TRACE_NOTES_H_
