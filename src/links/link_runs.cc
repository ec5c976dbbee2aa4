#include "src/links/link_runs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <queue>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/links/link_builder.h"

namespace fathom {
namespace {

constexpr size_t kLinkSize = 75;
constexpr size_t kBatch = 1024;
constexpr size_t kMergeLinks = 400'000;  // In memory, over all runs.
constexpr size_t kLeastLinks = 80;       // In memory, for one run.

auto Identity(const Link& link) {
  return std::tie(link.near, link.far, link.gap);
}

void PutAddress(const IpAddress& address, std::span<std::byte> out) {
  Store(address.high(), out);
  Store(address.low(), out.subspan(8));
}

IpAddress TakeAddress(std::span<const std::byte> in) {
  return IpAddress::V6(Load<uint64_t>(in), Load<uint64_t>(in.subspan(8)));
}

// The numbers are as the machine has them: nobody else reads the file.
void PutLink(const Link& link, std::span<std::byte> out) {
  PutAddress(link.near, out);
  PutAddress(link.far, out.subspan(16));
  PutAddress(link.target, out.subspan(32));
  Store(link.paths, out.subspan(48));
  Store(link.first_seen, out.subspan(56));
  Store(link.last_seen, out.subspan(64));
  Store(link.min_ttl, out.subspan(72));
  Store(link.gap, out.subspan(73));
  Store(link.flags, out.subspan(74));
}

Link TakeLink(std::span<const std::byte> in) {
  return {.near = TakeAddress(in),
          .far = TakeAddress(in.subspan(16)),
          .target = TakeAddress(in.subspan(32)),
          .paths = Load<uint64_t>(in.subspan(48)),
          .first_seen = Load<Instant>(in.subspan(56)),
          .last_seen = Load<Instant>(in.subspan(64)),
          .min_ttl = Load<Ttl>(in.subspan(72)),
          .gap = Load<uint8_t>(in.subspan(73)),
          .flags = Load<uint8_t>(in.subspan(74))};
}

absl::Status ReadFully(int fd, uint64_t offset, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t got =
        pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, "read back spilled links");
    if (got == 0) return absl::DataLossError("spilled links are cut off");
    offset += static_cast<uint64_t>(got);
    bytes = bytes.subspan(static_cast<size_t>(got));
  }
  return absl::OkStatus();
}

// Walks over one run, some links at a time.
class RunCursor {
 public:
  RunCursor(int fd, uint64_t begin, uint64_t end, size_t links)
      : fd_(fd), next_(begin), end_(end), bytes_(links * kLinkSize) {}

  // Moves to the next link; false at the end of the run.
  absl::StatusOr<bool> Advance() {
    if (at_ == filled_) {
      filled_ =
          static_cast<size_t>(std::min<uint64_t>(bytes_.size(), end_ - next_));
      if (filled_ == 0) return false;
      FATHOM_RETURN_IF_ERROR(
          ReadFully(fd_, next_, std::span(bytes_).first(filled_)));
      next_ += filled_;
      at_ = 0;
    }
    link_ = TakeLink(std::span(bytes_).subspan(at_));
    at_ += kLinkSize;
    return true;
  }

  const Link& link() const { return link_; }

 private:
  int fd_;
  uint64_t next_;  // Offset of what has not been read yet.
  uint64_t end_;
  std::vector<std::byte> bytes_;
  size_t filled_ = 0;
  size_t at_ = 0;
  Link link_;
};

// The links of several runs in order.
class RunQueue {
 public:
  absl::Status Push(RunCursor* run) {
    FATHOM_ASSIGN_OR_RETURN(const bool more, run->Advance());
    if (more) queue_.push(run);
    return absl::OkStatus();
  }

  bool empty() const { return queue_.empty(); }
  const Link& least() const { return queue_.top()->link(); }

  // Passes over the least link.
  absl::Status Pop() {
    RunCursor* const run = queue_.top();
    queue_.pop();
    return Push(run);
  }

 private:
  struct Later {
    bool operator()(const RunCursor* a, const RunCursor* b) const {
      return LinkBefore(b->link(), a->link());
    }
  };

  std::priority_queue<RunCursor*, std::vector<RunCursor*>, Later> queue_;
};

}  // namespace

bool LinkBefore(const Link& a, const Link& b) {
  return Identity(a) < Identity(b);
}

bool SameLink(const Link& a, const Link& b) {
  return Identity(a) == Identity(b);
}

absl::StatusOr<LinkRuns> LinkRuns::Create(const std::string& directory) {
  constexpr mode_t kMode = 0600;
  UniqueFd fd(open(directory.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, kMode));
  if (!fd.valid() && errno != ENOENT) {
    // Some file systems know no O_TMPFILE.
    std::string path = absl::StrCat(directory, "/links-XXXXXX");
    fd = UniqueFd(mkostemp(path.data(), O_CLOEXEC));
    if (fd.valid()) unlink(path.c_str());
  }
  if (!fd.valid()) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("make a temporary file in ", directory));
  }
  return LinkRuns(std::move(fd), directory);
}

absl::Status LinkRuns::Append(std::span<const Link> links) {
  bytes_.resize(links.size() * kLinkSize);
  for (size_t i = 0; i < links.size(); ++i) {
    PutLink(links[i], std::span(bytes_).subspan(i * kLinkSize));
  }
  for (std::span<const std::byte> rest = bytes_; !rest.empty();) {
    const ssize_t written =
        pwrite(fd_.get(), rest.data(), rest.size(), static_cast<off_t>(size_));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      return absl::ErrnoToStatus(
          errno,
          absl::StrCat("spill links to a temporary file in ", directory_));
    }
    size_ += static_cast<uint64_t>(written);
    rest = rest.subspan(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status LinkRuns::Merge(Sink sink) const {
  const size_t room =
      std::max(kLeastLinks, kMergeLinks / std::max<size_t>(1, runs()));
  std::vector<RunCursor> cursors;
  cursors.reserve(runs());
  RunQueue queue;
  for (size_t i = 0; i < runs(); ++i) {
    const uint64_t end = i + 1 < runs() ? begins_[i + 1] : size_;
    cursors.emplace_back(fd_.get(), begins_[i], end, room);
    FATHOM_RETURN_IF_ERROR(queue.Push(&cursors.back()));
  }
  std::vector<Link> batch;
  batch.reserve(kBatch);
  while (!queue.empty()) {
    Link row = queue.least();
    FATHOM_RETURN_IF_ERROR(queue.Pop());
    while (!queue.empty() && SameLink(row, queue.least())) {
      MergeInto(row, queue.least());
      FATHOM_RETURN_IF_ERROR(queue.Pop());
    }
    batch.push_back(row);
    if (batch.size() < kBatch && !queue.empty()) continue;
    FATHOM_RETURN_IF_ERROR(sink(batch));
    batch.clear();
  }
  return absl::OkStatus();
}

}  // namespace fathom
