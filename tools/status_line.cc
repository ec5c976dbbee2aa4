#include "tools/status_line.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/quantity.h"

namespace fathom {
namespace {

// Per second of the scan's clock.
double Rate(uint64_t count, Nanos time) {
  const double seconds = std::chrono::duration<double>(time).count();
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

// How a counter grows: since the last line, and on average since the start.
struct Rates {
  double now;
  double average;
};

Rates RatesOf(uint64_t ScanProgress::*counter, const ScanProgress& now,
              const std::optional<ScanProgress>& last, uint64_t before = 0) {
  const double average = Rate(now.*counter - before, now.now - now.start);
  if (!last) return {average, average};
  return {Rate(now.*counter - (*last).*counter, now.now - last->now), average};
}

std::string TimeLeft(const ScanProgress& progress, double average) {
  if (progress.cooling_down) return "done sending";
  if (average <= 0 || progress.planned <= progress.sent) return "";
  const double seconds =
      static_cast<double>(progress.planned - progress.sent) / average;
  return absl::StrCat(
      FormatDuration(std::chrono::duration_cast<Nanos>(
          std::chrono::duration<double>(std::min(seconds, 1e8)))),
      " left");
}

// Where what was lost was lost, and what came of it; empty if nothing was.
std::string Losses(const ScanProgress& progress) {
  std::string text;
  const auto add = [&text](uint64_t count, const char* where) {
    if (count == 0) return;
    absl::StrAppend(&text, text.empty() ? "; lost: " : ", ", count, " ", where);
  };
  add(progress.queue_dropped, "in our queues");
  add(progress.host_dropped, "in the host");
  add(progress.unsent, "unsent");
  add(progress.spool_lost, "at the disk");
  if (progress.slowed_to != 0) {
    absl::StrAppend(&text, "; slowed to ",
                    FormatQuantity(static_cast<double>(progress.slowed_to)),
                    "p/s");
  }
  return text;
}

}  // namespace

std::string FormatStatus(const ScanProgress& now,
                         const std::optional<ScanProgress>& last) {
  const Rates send = RatesOf(&ScanProgress::sent, now, last, now.sent_before);
  const Rates receive =
      RatesOf(&ScanProgress::replies, now, last, now.replies_before);
  const Rates dropped = RatesOf(&ScanProgress::dropped, now, last);
  const Rates interfaces = RatesOf(&ScanProgress::interfaces, now, last);
  const Rates links = RatesOf(&ScanProgress::links, now, last);
  const double percent = now.planned == 0
                             ? 100
                             : 100.0 * static_cast<double>(now.sent) /
                                   static_cast<double>(now.planned);
  const double hit_rate = now.sent == 0
                              ? 0
                              : 100.0 * static_cast<double>(now.replies) /
                                    static_cast<double>(now.sent);
  return absl::StrFormat(
      "%s %.0f%% (%s); send: %d %sp/s (%sp/s avg); recv: %d %sp/s (%sp/s avg); "
      "drops: %.0f p/s (%.0f p/s avg); hitrate: %.2f%%; new: %s if/s, %s "
      "links/s%s",
      FormatDuration(now.now - now.start), percent, TimeLeft(now, send.average),
      now.sent, FormatQuantity(send.now), FormatQuantity(send.average),
      now.replies, FormatQuantity(receive.now), FormatQuantity(receive.average),
      dropped.now, dropped.average, hit_rate, FormatQuantity(interfaces.now),
      FormatQuantity(links.now), Losses(now));
}

StatusLine::StatusLine(bool quiet)
    : quiet_(quiet),
      terminal_(isatty(STDERR_FILENO) == 1),
      last_print_(WallClock::now()) {}

void StatusLine::Update(const ScanProgress& progress) {
  if (quiet_) return;
  const auto now = WallClock::now();
  if (now - last_print_ < std::chrono::seconds(terminal_ ? 1 : 10)) return;
  last_print_ = now;
  const std::string line = FormatStatus(progress, last_);
  // Redrawing starts at the left edge and clears what the last line left.
  std::fprintf(stderr, terminal_ ? "\r%s\x1b[K" : "%s\n", line.c_str());
  drawn_ = terminal_;
  last_ = progress;
}

void StatusLine::Finish() {
  if (drawn_) std::fputc('\n', stderr);
  drawn_ = false;
}

}  // namespace fathom
