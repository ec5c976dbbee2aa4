#include <memory>
#include <span>

#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/dataset/tables.h"
#include "src/dataset/text_dataset.h"

// One JSON object a line (jsonlines.org). No string ever needs escapes.

namespace fathom {
namespace {

void PutHeader(std::span<const parquet::Column> /*columns*/,
               TextBuffer& /*out*/) {}

void PutFlags(uint64_t flags, TextBuffer& out) {
  out.Put('[');
  bool first = true;
  ForEachFlag(flags, [&](const char* name) {
    out.Put(first ? "\"" : ",\"");
    first = false;
    out.Put(name);
    out.Put('"');
  });
  out.Put(']');
}

void PutRow(std::span<const parquet::Column> columns,
            std::span<const Spelling> spellings, std::span<const uint64_t> row,
            TextBuffer& out) {
  for (size_t i = 0; i < row.size(); ++i) {
    out.Put(i == 0 ? "{\"" : ",\"");
    out.Put(columns[i].name);
    out.Put("\":");
    switch (spellings[i]) {
      case Spelling::kNumber:
        out.PutNumber(row[i]);
        break;
      case Spelling::kAddress:
        out.Put('"');
        out.PutAddress(row[i]);
        out.Put('"');
        break;
      case Spelling::kKind:
        out.Put('"');
        out.Put(kKindNames[row[i]]);
        out.Put('"');
        break;
      case Spelling::kFlags:
        PutFlags(row[i], out);
        break;
    }
  }
  out.Put("}\n");
}

absl::StatusOr<std::unique_ptr<DatasetWriter>> Create(
    const FormatOptions& options) {
  return CreateTextDataset(options, {&PutHeader, &PutRow});
}

const Register<FormatModule> kJsonl({"jsonl", "one table, a JSON object a line",
                                     &Create});

}  // namespace
}  // namespace fathom
