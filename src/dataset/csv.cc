#include <memory>
#include <span>

#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/dataset/tables.h"
#include "src/dataset/text_dataset.h"

// Comma-separated values with a header line (RFC 4180). Only extensions may
// need quotes.

namespace fathom {
namespace {

void PutHeader(std::span<const parquet::Column> columns, TextBuffer& out) {
  for (size_t i = 0; i < columns.size(); ++i) {
    if (i > 0) out.Put(',');
    out.Put(columns[i].name);
  }
  out.Put('\n');
}

void PutBits(uint64_t bits, Spelling spelling, TextBuffer& out) {
  bool first = true;
  ForEachBit(bits, BitNames(spelling), [&](const char* name) {
    if (!first) out.Put('+');
    first = false;
    out.Put(name);
  });
}

void PutText(const std::string& text, TextBuffer& out) {
  if (text.find_first_of(",\"") == std::string::npos) return out.Put(text);
  out.Put('"');
  for (const char c : text) {
    if (c == '"') out.Put('"');
    out.Put(c);
  }
  out.Put('"');
}

void PutRow(const TextRow& row, TextBuffer& out) {
  for (size_t i = 0; i < row.columns.size(); ++i) {
    if (i > 0) out.Put(',');
    switch (row.spellings[i]) {
      case Spelling::kNumber:
        out.PutNumber(row.cells[i]);
        break;
      case Spelling::kAddress:
        out.PutAddress(row.address(i));
        break;
      case Spelling::kKind:
        out.Put(kKindNames[row.cells[i]]);
        break;
      case Spelling::kFlags:
      case Spelling::kChanges:
        PutBits(row.cells[i], row.spellings[i], out);
        break;
      case Spelling::kText:
      case Spelling::kExtensions:
        PutText(row.strings[i], out);
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
