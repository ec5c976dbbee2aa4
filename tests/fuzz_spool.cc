// Any bytes as a spool: once as a whole file, and once as the payload of a
// frame whose hashes hold, since no fuzzer guesses a hash.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "src/base/unique_fd.h"
#include "src/engine/resume.h"
#include "src/engine/spool_record.h"
#include "src/links/build_dataset.h"
#include "src/links/spool_format.h"
#include "src/links/spool_reader.h"

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
  const UniqueFd fd(memfd_create("spool", MFD_CLOEXEC));
  if (write(fd.get(), bytes.data(), bytes.size()) !=
      static_cast<ssize_t>(bytes.size())) {
    std::abort();
  }
  const auto reader =
      SpoolReader::Open("/proc/self/fd/" + std::to_string(fd.get()));
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

void ReadAsFrame(std::span<const std::byte> input) {
  if (input.size() < 4) return;
  std::vector<std::byte> file;
  AppendHead({.boundaries = {IpAddress::V4(1U << 31)}, .metadata = "{}"}, file);
  const auto payload = input.subspan(4);
  const FrameHeader header = {
      .kind = static_cast<FrameKind>(std::to_integer<unsigned>(input[0]) % 6),
      .bucket = std::to_integer<uint32_t>(input[1]) % 3,
      .records = std::to_integer<uint32_t>(input[2]) << 8 |
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
