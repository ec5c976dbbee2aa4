#include <memory>
#include <span>

#include "fathom/dataset.h"
#include "fathom/registry.h"
#include "src/dataset/tables.h"
#include "src/dataset/text_dataset.h"

// One JSON object a line (jsonlines.org).

namespace fathom {
namespace {

void PutHeader(std::span<const parquet::Column> /*columns*/,
               TextBuffer& /*out*/) {}

void PutBits(uint64_t bits, Spelling spelling, TextBuffer& out) {
  out.Put('[');
  bool first = true;
  ForEachBit(bits, BitNames(spelling), [&](const char* name) {
    out.Put(first ? "\"" : ",\"");
    first = false;
    out.Put(name);
    out.Put('"');
  });
  out.Put(']');
}

// Of printable ASCII, which is all that our strings have.
void PutText(const std::string& text, TextBuffer& out) {
  out.Put('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') out.Put('\\');
    out.Put(c);
  }
  out.Put('"');
}

void PutValue(const TextRow& row, size_t i, TextBuffer& out) {
  switch (row.spellings[i]) {
    case Spelling::kNumber:
      out.PutNumber(row.cells[i]);
      break;
    case Spelling::kAddress:
      out.Put('"');
      out.PutAddress(row.address(i));
      out.Put('"');
      break;
    case Spelling::kKind:
      out.Put('"');
      out.Put(kKindNames[row.cells[i]]);
      out.Put('"');
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

void PutRow(const TextRow& row, TextBuffer& out) {
  for (size_t i = 0; i < row.columns.size(); ++i) {
    out.Put(i == 0 ? "{\"" : ",\"");
    out.Put(row.columns[i].name);
    out.Put("\":");
    PutValue(row, i, out);
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
