#include <memory>
#include <span>

#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/dataset/tables.h"
#include "src/dataset/text_dataset.h"

// Comma-separated values with a header line. No field ever needs quotes.

namespace fathom {
namespace {

void PutHeader(std::span<const parquet::Column> columns, TextBuffer& out) {
  for (size_t i = 0; i < columns.size(); ++i) {
    if (i > 0) out.Put(',');
    out.Put(columns[i].name);
  }
  out.Put('\n');
}

void PutFlags(uint64_t flags, TextBuffer& out) {
  bool first = true;
  ForEachFlag(flags, [&](const char* name) {
    if (!first) out.Put('+');
    first = false;
    out.Put(name);
  });
}

void PutRow(std::span<const parquet::Column> /*columns*/,
            std::span<const Spelling> spellings, std::span<const uint64_t> row,
            TextBuffer& out) {
  for (size_t i = 0; i < row.size(); ++i) {
    if (i > 0) out.Put(',');
    switch (spellings[i]) {
      case Spelling::kNumber:
        out.PutNumber(row[i]);
        break;
      case Spelling::kAddress:
        out.PutAddress(row[i]);
        break;
      case Spelling::kKind:
        out.Put(kKindNames[row[i]]);
        break;
      case Spelling::kFlags:
        PutFlags(row[i], out);
        break;
    }
  }
  out.Put('\n');
}

absl::StatusOr<std::unique_ptr<DatasetWriter>> Create(
    const FormatOptions& options) {
  return CreateTextDataset(options, {&PutHeader, &PutRow});
}

const Register<FormatModule> kCsv({"csv", "one table as comma-separated values",
                                   &Create});

}  // namespace
}  // namespace fathom
