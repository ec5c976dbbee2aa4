#include "src/found/unpacker.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace fathom::found {
namespace {

class GzipUnpacker final : public Unpacker {
 public:
  // 16: with the header of gzip.
  GzipUnpacker() { ready_ = inflateInit2(&stream_, 16 + MAX_WBITS) == Z_OK; }
  ~GzipUnpacker() override { inflateEnd(&stream_); }

  GzipUnpacker(const GzipUnpacker&) = delete;
  GzipUnpacker& operator=(const GzipUnpacker&) = delete;

  absl::Status Step(std::string_view& packed, std::string& out) override {
    if (!ready_) return absl::ResourceExhaustedError("no memory to unpack it");
    if (whole_ && packed.empty()) return absl::OkStatus();
    if (whole_) inflateReset(&stream_);
    // zlib does not write there, whatever its type says.
    stream_.next_in =
        reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream_.avail_in = static_cast<uInt>(packed.size());
    const size_t held = out.size();
    out.resize(held + kStep);
    stream_.next_out = reinterpret_cast<Bytef*>(out.data() + held);
    stream_.avail_out = kStep;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    out.resize(held + kStep - stream_.avail_out);
    packed.remove_prefix(packed.size() - stream_.avail_in);
    whole_ = result == Z_STREAM_END;
    has_more_ = !whole_ && stream_.avail_out == 0;
    if (!whole_ && result != Z_OK && result != Z_BUF_ERROR) {
      return absl::InvalidArgumentError("it is no whole gzip");
    }
    return absl::OkStatus();
  }

  bool has_more() const override { return has_more_; }
  bool is_whole() const override { return whole_; }

 private:
  z_stream stream_ = {};
  bool ready_ = false;
  bool has_more_ = false;
  bool whole_ = false;
};

struct FreeStream {
  void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
};

class ZstdUnpacker final : public Unpacker {
 public:
  absl::Status Step(std::string_view& packed, std::string& out) override {
    if (!stream_) return absl::ResourceExhaustedError("no memory to unpack it");
    ZSTD_inBuffer in = {packed.data(), packed.size(), 0};
    const size_t held = out.size();
    out.resize(held + kStep);
    ZSTD_outBuffer block = {out.data() + held, kStep, 0};
    const size_t left = ZSTD_decompressStream(stream_.get(), &block, &in);
    out.resize(held + block.pos);
    packed.remove_prefix(in.pos);
    if (ZSTD_isError(left) != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("it is no whole zstd: ", ZSTD_getErrorName(left)));
    }
    whole_ = left == 0;
    has_more_ = !whole_ && block.pos == kStep;
    return absl::OkStatus();
  }

  bool has_more() const override { return has_more_; }
  bool is_whole() const override { return whole_; }

 private:
  const std::unique_ptr<ZSTD_DStream, FreeStream> stream_{ZSTD_createDStream()};
  bool has_more_ = false;
  bool whole_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Unpacker>> UnpackerFor(std::string_view head) {
  if (head.starts_with("\x1f\x8b")) return std::make_unique<GzipUnpacker>();
  if (head.starts_with("\x28\xb5\x2f\xfd")) {
    return std::make_unique<ZstdUnpacker>();
  }
  const bool bzip2 = head.size() > 3 && head.starts_with("BZh") &&
                     head[3] >= '1' && head[3] <= '9';
  if (bzip2 || head.starts_with("\xfd"
                                "7zXZ")) {
    return absl::InvalidArgumentError(
        absl::StrCat("packed by ", bzip2 ? "bzip2" : "xz",
                     ", and only gzip and zstd are unpacked here; use \"",
                     bzip2 ? "bzcat" : "xzcat", " FILE | fathom ... -\""));
  }
  return nullptr;
}

}  // namespace fathom::found
