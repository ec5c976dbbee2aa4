// fathom trace: the paths to some hosts, now, for people.

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "src/trace/hop_row.h"
#include "src/trace/trace_run.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/interrupts.h"
#include "tools/trace_flags.h"
#include "tools/trace_hosts.h"
#include "tools/trace_text.h"

namespace fathom {
namespace {

// How soon an interrupt is noticed, and how long one group of several may keep
// the others waiting.
constexpr Nanos kAttention = std::chrono::milliseconds(50);
constexpr Nanos kTurn = std::chrono::milliseconds(1);

// All traces of one command.
class Session {
 public:
  Session(const TraceFlags& flags, std::vector<TraceHost> hosts, TracePlan plan)
      : flags_(flags), hosts_(std::move(hosts)), plan_(std::move(plan)) {}

  // Until all are done; prints each as soon as it and those before it are.
  int Run() {
    const Interrupts interrupts("");
    while (printed_ < hosts_.size() && !interrupts.token().stop_requested()) {
      for (const TraceGroup& group : plan_.groups) {
        if (group.run->done()) continue;
        const absl::Status status =
            group.run->Step(plan_.groups.size() > 1 ? kTurn : kAttention);
        if (!status.ok()) return Report(status);
      }
      while (printed_ < hosts_.size() && IsDone(printed_)) Print(printed_++);
    }
    const bool interrupted = printed_ < hosts_.size();
    // What was heard so far is worth as much.
    while (printed_ < hosts_.size()) Print(printed_++);
    return interrupted  ? kExitInterrupted
           : all_ended_ ? kExitDone
                        : kExitIncomplete;
  }

 private:
  TraceRun& RunOf(size_t host) const {
    return *plan_.groups[plan_.places[host].group].run;
  }
  bool IsDone(size_t host) const {
    return RunOf(host).IsDone(plan_.places[host].index);
  }

  void Print(size_t host) {
    const TraceRun& run = RunOf(host);
    const size_t index = plan_.places[host].index;
    const Tracer& tracer = run.tracers()[index];
    const Instant now = IsDone(host) ? run.EndOf(index) : run.backend().Now();
    const NoteOf note_of = [](const IpAddress&) { return AddressNote{}; };
    const TraceTitle title = {
        hosts_[host].word,
        run.codec().probe_size() - run.backend().link_header().size()};
    std::fputs(flags_.report ? FormatReport(tracer, title, note_of, now).c_str()
                             : FormatTrace(tracer, title, note_of, now).c_str(),
               stdout);
    std::fputs(FormatAsPath(tracer, note_of, now).c_str(), stdout);
    std::fflush(stdout);
    const TraceEnd end = EndOf(tracer);
    if (end != TraceEnd::kTarget && end != TraceEnd::kUnreachable) {
      all_ended_ = false;
    }
  }

  const TraceFlags& flags_;
  const std::vector<TraceHost> hosts_;
  const TracePlan plan_;
  size_t printed_ = 0;
  bool all_ended_ = true;
};

// Errors of opening a backend are about the device, unless the user's own
// words are wrong.
int ReportDevice(const absl::Status& status) {
  const int code = Report(status);
  return absl::IsInvalidArgument(status) ? code : kExitDevice;
}

int RunCommand(const TraceFlags& flags) {
  const auto options = ToTraceRunOptions(flags);
  if (!options.ok()) return Report(options.status());
  auto hosts = LookUpHosts(flags);
  if (!hosts.ok()) return Report(hosts.status());
  auto plan = PlanTraces(*hosts, flags, *options);
  if (!plan.ok()) return ReportDevice(plan.status());
  return Session(flags, *std::move(hosts), *std::move(plan)).Run();
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
