// Any bytes as a spool: once as a whole file, and once as the payload of a
// frame whose hashes hold, since no fuzzer guesses a hash.
#include <zstd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "src/engine/resume.h"
#include "src/engine/spool_record.h"
#include "src/links/build_dataset.h"
#include "src/links/spool_format.h"
#include "src/links/spool_reader.h"
#include "tests/fuzz_file.h"

namespace fathom {
namespace {

// Aborts if rows come out of order.
class OrderedWriter final : public DatasetWriter {
 public:
  absl::Status WriteReplies(std::span<const Reply> replies) override {
    for (const Reply& reply : replies) {
      if (reply.probe.target < last_) std::abort();
      last_ = reply.probe.target;
    }
    return absl::OkStatus();
  }
  absl::Status WriteLinks(std::span<const Link>) override {
    return absl::OkStatus();
  }
  absl::Status Finish(const std::string&) override { return absl::OkStatus(); }

 private:
  IpAddress last_;
};

void Read(std::span<const std::byte> bytes) {
  const FuzzFile file(bytes);
  const auto reader = SpoolReader::Open(file.path());
  if (!reader.ok()) return;
  // What does not fit is refused; it must not be more than that.
  const auto record = ReadSpoolRecord(
      "{\"configuration\":{},\"verify\":false,"
      "\"start_ns\":0,\"lanes\":2}",
      (*reader)->summary());
  if (record.ok()) {
    (void)FindResumePoint(**reader, *record, std::chrono::seconds(3));
  }
  OrderedWriter writer;
  LinkOptions options;
  options.max_bucket_records = 100;
  if (!BuildDataset(**reader, options, writer).ok()) std::abort();
}

// As the payload of one frame, packed as such are, or, if the first byte has
// the bit 128, as if it were packed.
void ReadAsFrame(std::span<const std::byte> input) {
  if (input.size() < 4) return;
  std::vector<std::byte> file;
  AppendHead({.boundaries = {IpAddress::V4(1U << 31)}, .metadata = "{}"}, file);
  const auto first = std::to_integer<unsigned>(input[0]);
  const auto kind = static_cast<FrameKind>(first % 6);
  const auto records = input.subspan(4);
  std::vector<std::byte> payload(records.begin(), records.end());
  if ((kind == FrameKind::kNarrow || kind == FrameKind::kWide) && first < 128) {
    payload.resize(ZSTD_compressBound(records.size()));
    payload.resize(ZSTD_compress(payload.data(), payload.size(), records.data(),
                                 records.size(), 1));
  }
  const FrameHeader header = {.kind = kind,
                              .bucket = std::to_integer<uint32_t>(input[1]) % 3,
                              .records = std::to_integer<uint32_t>(input[2])
                                             << 8 |
                                         std::to_integer<uint32_t>(input[3]),
                              .size = static_cast<uint32_t>(payload.size()),
                              .payload_hash = SpoolHash(payload)};
  const size_t begin = file.size();
  file.resize(begin + kFrameHeaderSize);
  StoreFrameHeader(header, std::span(file).subspan(begin));
  file.insert(file.end(), payload.begin(), payload.end());
  Read(file);
}

}  // namespace
}  // namespace fathom

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  fathom::Read(bytes);
  fathom::ReadAsFrame(bytes);
  return 0;
}
