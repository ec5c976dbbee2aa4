#include "tools/trace_watch.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "src/base/status_macros.h"
#include "tools/interrupts.h"

namespace fathom {
namespace {

using WallTime = std::chrono::steady_clock;

constexpr Nanos kRedraw = std::chrono::milliseconds(200);
// How soon a key is noticed.
constexpr Nanos kTurn = std::chrono::milliseconds(20);

// The terminal while it is ours: keys come at once and are not shown, and what
// was on the screen comes back at the end.
class Screen {
 public:
  Screen() {
    tcgetattr(STDIN_FILENO, &before_);
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    Write("\x1b[?1049h\x1b[?25l");
  }
  ~Screen() {
    Write("\x1b[?25h\x1b[?1049l");
    tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // As much of `text` as there is room for, in place of what was there.
  static void Draw(const std::string& text) {
    winsize size = {};
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    const size_t rows = size.ws_row == 0 ? 24 : size.ws_row;
    const size_t columns = size.ws_col == 0 ? 80 : size.ws_col;
    std::string out = "\x1b[H";
    size_t row = 0;
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      if (++row > rows) break;
      absl::StrAppend(&out, row == 1 ? "" : "\r\n", Cut(line, columns),
                      "\x1b[K");
    }
    Write(out + "\x1b[J");
  }

  // The key that was pressed, after at most `patience`; 0 if none was.
  static char Key(Nanos patience) {
    pollfd wait = {STDIN_FILENO, POLLIN, 0};
    const timespec time = {.tv_sec = patience.count() / 1'000'000'000,
                           .tv_nsec = patience.count() % 1'000'000'000};
    char key = 0;
    if (ppoll(&wait, 1, &time, nullptr) <= 0) return 0;
    // A terminal that went away is as good as q.
    if (read(STDIN_FILENO, &key, 1) <= 0) {
      return (wait.revents & (POLLHUP | POLLERR)) != 0 ? 'q' : 0;
    }
    return key;
  }

 private:
  static void Write(const std::string& text) {
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
  }

  // At most so many characters, none of them in part.
  static std::string Cut(absl::string_view line, size_t columns) {
    size_t end = 0, characters = 0;
    for (; end < line.size(); ++end) {
      const bool begins =
          (static_cast<unsigned char>(line[end]) & 0xc0) != 0x80;
      if (begins && ++characters > columns) break;
    }
    return std::string(line.substr(0, end));
  }

  termios before_ = {};
};

std::string TimeOfDay(Instant now) {
  const std::time_t seconds =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch())
          .count();
  std::tm parts = {};
  localtime_r(&seconds, &parts);
  return absl::StrFormat("%02d:%02d:%02d", parts.tm_hour, parts.tm_min,
                         parts.tm_sec);
}

class Watch {
 public:
  Watch(TraceRun& run, const TraceTitle& title, TraceNotes& notes)
      : run_(run), title_(title), notes_(notes), start_(run.backend().Now()) {}

  absl::StatusOr<WatchEnd> Run() {
    const Interrupts interrupts("");
    const Screen screen;
    while (!interrupts.token().stop_requested()) {
      FATHOM_RETURN_IF_ERROR(Turn());
      if (const char key = Screen::Key(Ahead()); key == 'q' || key == 'Q') {
        return WatchEnd::kQuit;
      }
      if (WallTime::now() >= redraw_) Redraw();
    }
    return WatchEnd::kInterrupted;
  }

 private:
  absl::Status Turn() {
    FATHOM_RETURN_IF_ERROR(run_.Step(kTurn));
    notes_.AskNames(tracer());
    return notes_.Work(Nanos(0));
  }

  // How far the network's clock runs ahead of the user's: only a simulated one
  // does.
  Nanos Ahead() const {
    if (!run_.backend().one_thread()) return Nanos(0);
    const Nanos theirs = run_.backend().Now() - start_;
    const Nanos ours = WallTime::now() - wall_start_;
    return std::clamp(theirs - ours, Nanos(0), kTurn);
  }

  void Redraw() {
    redraw_ = WallTime::now() + kRedraw;
    const Instant now = run_.backend().Now();
    Screen::Draw(
        absl::StrCat("fathom trace --watch, ", TimeOfDay(now), "; q quits\n\n",
                     FormatReport(tracer(), title_, notes_.finder(), now),
                     FormatAsPath(tracer(), notes_.finder(), now)));
  }

  const Tracer& tracer() const { return run_.tracers().front(); }

  TraceRun& run_;
  const TraceTitle& title_;
  TraceNotes& notes_;
  const Instant start_;
  const WallTime::time_point wall_start_ = WallTime::now();
  WallTime::time_point redraw_{};
};

}  // namespace

absl::Status CheckTerminal() {
  if (isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      "--watch needs a terminal; use --report or --json where there is none");
}

absl::StatusOr<WatchEnd> WatchTrace(TraceRun& run, const TraceTitle& title,
                                    TraceNotes& notes) {
  return Watch(run, title, notes).Run();
}

}  // namespace fathom
