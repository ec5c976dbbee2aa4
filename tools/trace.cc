// fathom trace: the paths to some hosts, now, for people.

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "src/base/status_macros.h"
#include "src/trace/hop_row.h"
#include "src/trace/trace_run.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/interrupts.h"
#include "tools/trace_flags.h"
#include "tools/trace_hosts.h"
#include "tools/trace_json.h"
#include "tools/trace_notes.h"
#include "tools/trace_text.h"
#include "tools/trace_watch.h"

namespace fathom {
namespace {

// How soon an interrupt is noticed, and how long one group of several, or the
// network, may keep others waiting.
constexpr Nanos kAttention = std::chrono::milliseconds(50);
constexpr Nanos kTurn = std::chrono::milliseconds(1);

// All traces of one command.
class Session {
 public:
  Session(const TraceFlags& flags, std::vector<TraceHost> hosts, TracePlan plan,
          TraceNotes notes)
      : flags_(flags),
        hosts_(std::move(hosts)),
        plan_(std::move(plan)),
        notes_(std::move(notes)) {}

  // Until all are done; prints each as soon as it and those before it are.
  int Run() {
    const Interrupts interrupts("");
    size_t printed = 0;
    while (printed < hosts_.size() && !interrupts.token().stop_requested()) {
      if (const auto status = Turn(printed); !status.ok()) {
        return Report(status);
      }
      while (printed < hosts_.size() && IsReady(printed)) Print(printed++);
    }
    const bool interrupted = printed < hosts_.size();
    // What was heard so far is worth as much.
    while (printed < hosts_.size()) Print(printed++);
    if (interrupted) return kExitInterrupted;
    return all_ended_ ? kExitDone : kExitIncomplete;
  }

  // The only one, until the user has enough.
  int Watch() {
    const auto end = WatchTrace(RunOf(0), TitleOf(0), notes_);
    if (!end.ok()) return Report(end.status());
    Print(0);
    if (*end == WatchEnd::kInterrupted) return kExitInterrupted;
    return all_ended_ ? kExitDone : kExitIncomplete;
  }

 private:
  TraceRun& RunOf(size_t host) const {
    return *plan_.groups[plan_.places[host].group].run;
  }
  const Tracer& TracerOf(size_t host) const {
    return RunOf(host).tracers()[plan_.places[host].index];
  }
  bool IsDone(size_t host) const {
    return RunOf(host).IsDone(plan_.places[host].index);
  }

  // The first to be printed waits for the names of its hops, too.
  bool IsReady(size_t host) {
    if (!IsDone(host)) return false;
    notes_.AskNames(TracerOf(host));
    return !notes_.waiting();
  }

  // Sends and hears a little, of every group and of names.
  absl::Status Turn(size_t next) {
    const bool alone = plan_.groups.size() == 1 && !notes_.asks_names();
    bool tracing = false;
    for (const TraceGroup& group : plan_.groups) {
      if (group.run->done()) continue;
      tracing = true;
      FATHOM_RETURN_IF_ERROR(group.run->Step(alone ? kAttention : kTurn));
    }
    if (!notes_.asks_names()) return absl::OkStatus();
    for (size_t i = next; i < hosts_.size(); ++i) {
      notes_.AskNames(TracerOf(i));
    }
    return notes_.Work(tracing ? Nanos(0) : kAttention);
  }

  TraceTitle TitleOf(size_t host) const {
    const TraceRun& run = RunOf(host);
    return {hosts_[host].word,
            run.codec().probe_size() - run.backend().link_header().size()};
  }

  std::string Spell(size_t host) const {
    const TraceRun& run = RunOf(host);
    const Tracer& tracer = TracerOf(host);
    const NoteOf note_of = notes_.finder();
    const Instant now = IsDone(host) ? run.EndOf(plan_.places[host].index)
                                     : run.backend().Now();
    if (flags_.json) {
      return TraceToJson(tracer,
                         {.host = hosts_[host].word,
                          .protocol = run.protocol(),
                          .source = run.backend().source()},
                         note_of, now);
    }
    const auto format =
        flags_.report || flags_.watch ? &FormatReport : &FormatTrace;
    return format(tracer, TitleOf(host), note_of, now) +
           FormatAsPath(tracer, note_of, now);
  }

  void Print(size_t host) {
    std::fputs(Spell(host).c_str(), stdout);
    std::fflush(stdout);
    const TraceEnd end = EndOf(TracerOf(host));
    if (end != TraceEnd::kTarget && end != TraceEnd::kUnreachable) {
      all_ended_ = false;
    }
  }

  const TraceFlags& flags_;
  const std::vector<TraceHost> hosts_;
  const TracePlan plan_;
  TraceNotes notes_;
  bool all_ended_ = true;
};

// Errors of opening a backend are about the device, unless the user's own
// words are wrong.
int ReportDevice(const absl::Status& status) {
  const int code = Report(status);
  return absl::IsInvalidArgument(status) ? code : kExitDevice;
}

absl::Status CheckWatch(const TraceFlags& flags) {
  if (!flags.watch) return absl::OkStatus();
  if (flags.hosts.size() > 1) {
    return absl::InvalidArgumentError("--watch: watches one host only");
  }
  if (flags.json) {
    return absl::InvalidArgumentError("--watch --json: only one of them");
  }
  return CheckTerminal();
}

int RunCommand(const TraceFlags& flags) {
  const auto options = ToTraceRunOptions(flags);
  if (!options.ok()) return Report(options.status());
  if (const auto s = CheckWatch(flags); !s.ok()) return Report(s);
  auto notes = TraceNotes::Open(
      {.files = {.networks = flags.networks, .ixps = flags.ixps},
       .resolver = flags.no_names ? "" : flags.resolver});
  if (!notes.ok()) return Report(notes.status());
  auto hosts = LookUpHosts(flags);
  if (!hosts.ok()) return Report(hosts.status());
  auto plan = PlanTraces(*hosts, flags, *options);
  if (!plan.ok()) return ReportDevice(plan.status());
  if (!plan->remark.empty()) {
    std::fprintf(stderr, "fathom: %s\n", plan->remark.c_str());
  }
  Session session(flags, *std::move(hosts), *std::move(plan),
                  *std::move(notes));
  return flags.watch ? session.Watch() : session.Run();
}

}  // namespace

void AddTrace(CLI::App& app, int& exit_code) {
  CLI::App* const command = app.add_subcommand(
      "trace", "Show the path to each host, all hops at once");
  const auto flags = std::make_shared<TraceFlags>();
  DeclareTraceFlags(*command, *flags);
  command->callback([flags, &exit_code] { exit_code = RunCommand(*flags); });
}

}  // namespace fathom
