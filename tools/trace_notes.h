#ifndef FATHOM_TOOLS_TRACE_NOTES_H_
#define FATHOM_TOOLS_TRACE_NOTES_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fathom/address.h"
#include "src/annotate/annotator.h"
#include "src/annotate/resolver.h"
#include "src/trace/hop_row.h"

namespace fathom {

// What is known of an address beside that it answered. Texts hold no control
// characters, whoever wrote them.
struct AddressNote {
  std::string name{};  // Empty: none, or not asked for.
  Annotation annotation{};
};
using NoteOf = std::function<AddressNote(const IpAddress&)>;

// Where notes come from: files, and the name server that the user named.
class TraceNotes {
 public:
  struct Sources {
    AnnotationFiles files{};
    std::string resolver{};  // "system", or as ResolverOptions has it; or none.
  };

  static absl::StatusOr<TraceNotes> Open(const Sources& sources);

  // Asks for the names of all that answered. Cheap where all were asked.
  void AskNames(const Tracer& tracer);

  // Sends and hears questions, for at most `patience`.
  absl::Status Work(Nanos patience);

  // Whether names are still waited for.
  bool waiting() const { return resolver_ && resolver_->pending() > 0; }
  bool asks_names() const { return resolver_ != nullptr; }

  AddressNote Find(const IpAddress& address) const;

  // Valid as long as this.
  NoteOf finder() const {
    return [this](const IpAddress& address) { return Find(address); };
  }

 private:
  std::optional<Annotator> annotator_;
  std::unique_ptr<Resolver> resolver_;  // May be null.
};

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
