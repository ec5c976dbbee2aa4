#ifndef FATHOM_SRC_ANNOTATE_NETWORK_FORMAT_H_
#define FATHOM_SRC_ANNOTATE_NETWORK_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "src/annotate/annotator.h"
#include "src/annotate/input_file.h"
#include "src/annotate/prefix_table.h"

namespace fathom {

// What a file that tells of networks is to the Annotator, and how formats of
// such files are told apart.
//
// To add a format, write src/annotate/<name>.cc and register it in its last
// line (see fathom/registry.h).

class NetworkSource {
 public:
  virtual ~NetworkSource() = default;

  // Sets those fields that are not known yet and that this source knows;
  // neither as_name nor ixp.
  virtual void Tell(const IpAddress& address, Annotation* annotation) const = 0;

  // The name of the AS, which is that of `address`; empty if not known.
  virtual std::string NameOfAs(uint32_t asn,
                               const IpAddress& address) const = 0;

  // For people: how much was read, and how much of it says nothing of use.
  virtual uint64_t networks() const { return 0; }
  virtual uint64_t skipped() const { return 0; }
};

struct NetworkFormat {
  const char* name;
  const char* help;
  // Whether a file is of this format, by its first and last bytes, as many of
  // kHead and kTail as there are. `head` is inflated, `tail` is not.
  bool (*matches)(std::string_view head, std::string_view tail);
  // Reads the whole of `file`, so that its hash is known.
  absl::StatusOr<std::unique_ptr<NetworkSource>> (*read)(InputFile& file);

  static constexpr size_t kHead = 4096;
  static constexpr size_t kTail = size_t{128} << 10;
};

// More are a mistake, or an attack: thirty times what is routed today.
inline constexpr size_t kMaxNetworks = size_t{1} << 25;

// Prefixes and their ASes: what text and MRT come to. 8 bytes a range.
class AsTable final : public NetworkSource {
 public:
  AsTable(std::vector<PrefixTable::Entry> entries, uint64_t skipped)
      : networks_(entries.size()),
        skipped_(skipped),
        table_(PrefixTable::Build(std::move(entries))) {}

  void Tell(const IpAddress& address, Annotation* annotation) const override {
    if (annotation->asn != 0) return;
    const uint32_t asn = table_.Find(address);
    if (asn != PrefixTable::kNone) annotation->asn = asn;
  }
  std::string NameOfAs(uint32_t /*asn*/,
                       const IpAddress& /*address*/) const override {
    return {};
  }
  uint64_t networks() const override { return networks_; }
  uint64_t skipped() const override { return skipped_; }

 private:
  uint64_t networks_;
  uint64_t skipped_;
  PrefixTable table_;
};

// Takes what is left of a file that a library reads by itself.
inline absl::Status ReadToEnd(InputFile& file) {
  while (true) {
    const auto bytes = file.Take(InputFile::kMaxRecord / 16);
    if (!bytes.ok()) return bytes.status();
    if (bytes->empty()) return absl::OkStatus();
  }
}

}  // namespace fathom

#endif  // FATHOM_SRC_ANNOTATE_NETWORK_FORMAT_H_
