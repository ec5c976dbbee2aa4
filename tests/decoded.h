#ifndef FATHOM_TESTS_DECODED_H_
#define FATHOM_TESTS_DECODED_H_

#include "fathom/packet_io.h"
#include "fathom/probe.h"
#include "fathom/probe_codec.h"

namespace fathom {

// A reply, or the reason why there is none; reads like an optional.
class Decoded {
 public:
  Decoded(const ProbeCodec& codec, const RxFrame& frame)
      : verdict_(codec.Decode(frame, reply_)) {}

  Verdict verdict() const { return verdict_; }
  explicit operator bool() const { return verdict_ == Verdict::kReply; }
  const Reply& operator*() const { return reply_; }
  const Reply* operator->() const { return &reply_; }

 private:
  // What an earlier packet left there: a codec must write every field.
  Reply reply_{.probe = {IpAddress::V6(7, 7), Ttl(77), FlowId(777)},
               .responder = IpAddress::V6(8, 8),
               .received = Instant(Nanos(99)),
               .rtt = Nanos(99),
               .kind = ReplyKind::kUnreachable,
               .icmp_type = 99,
               .icmp_code = 99,
               .arrival_ttl = Ttl(99),
               .quoted_ttl = Ttl(99),
               .quoted_tos = 99,
               .changes = 99,
               .tcp_flags = 99,
               .extensions = {std::as_bytes(std::span("old"))}};
  Verdict verdict_;
};

}  // namespace fathom

#endif  // FATHOM_TESTS_DECODED_H_
