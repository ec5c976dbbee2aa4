#include "src/lab/xdp/responder.h"

#include <cstdint>
#include <utility>

#include "src/base/status_macros.h"
#include "src/lab/xdp/program.h"

namespace fathom::lab {
namespace {

class XdpResponder final : public Responder {
 public:
  XdpResponder(std::unique_ptr<Responder> sockets, XdpProgram program)
      : sockets_(std::move(sockets)), program_(std::move(program)) {}

  absl::Status Run(const std::stop_token& stop, Nanos at_most) override {
    absl::Status status = sockets_->Run(stop, at_most);
    auto read = program_.Read();
    if (!read.ok()) return status.ok() ? read.status() : status;
    read_ = *std::move(read);
    return status;
  }

  ResponderReport Report() const override {
    ResponderReport report = sockets_->Report();
    for (size_t i = 0; i < kFates; ++i) {
      report.network.fates[i] += read_.network.fates[i];
    }
    // Each probe is read by the program first.
    report.network.wrong_checksums = read_.network.wrong_checksums;
    report.load = read_.load;
    report.replies += read_.network.packets() - read_.stuck;
    report.replies_lost += read_.stuck;
    return report;
  }

 private:
  std::unique_ptr<Responder> sockets_;
  XdpProgram program_;
  XdpProgram::Report read_;
};

}  // namespace

Scenario Residue(const Scenario& scenario) {
  Scenario rest = scenario;
  rest.delay_ms.fill({0, 0});
  rest.host_delay_ms = {0, 0};
  rest.slow_hosts = 0;
  rest.jitter_ms = 0;
  rest.loss = 0;
  for (LimitClass& limit : rest.limits) limit.share = 0;
  const double mishaps = rest.late_replies + rest.duplicated_replies +
                         rest.truncated_replies + rest.forged_replies +
                         rest.garbage_replies;
  if (mishaps == 0) return rest;
  for (double* const share :
       {&rest.late_replies, &rest.duplicated_replies, &rest.truncated_replies,
        &rest.forged_replies, &rest.garbage_replies}) {
    *share /= mishaps;
  }
  return rest;
}

absl::StatusOr<std::unique_ptr<Responder>> OpenXdpResponder(
    const Scenario& scenario, const ResponderOptions& options) {
  FATHOM_ASSIGN_OR_RETURN(
      auto program, XdpProgram::Load(scenario, {.mac = options.interface.mac}));
  FATHOM_ASSIGN_OR_RETURN(auto sockets,
                          OpenSocketResponder(Residue(scenario), options));
  FATHOM_RETURN_IF_ERROR(program.Attach(options.interface.index).status());
  return std::make_unique<XdpResponder>(std::move(sockets), std::move(program));
}

}  // namespace fathom::lab
