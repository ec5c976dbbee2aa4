#include "src/lab/network.h"

#include <cstring>

#include "src/lab/ipv6.h"

namespace fathom::lab {
namespace {

// One writer, so no locked instruction is needed.
void Add(std::atomic<uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1,
                std::memory_order_relaxed);
}

size_t SizeOfIpv6(const ProbePacket& probe, const Answer& answer,
                  const IcmpError& error) {
  switch (answer.form) {
    case Answer::Form::kError:
      return Ipv6ErrorSize(probe, error);
    case Answer::Form::kEchoReply:
      return Ipv6EchoReplySize(probe);
    case Answer::Form::kTcp:
      return kIpv6TcpAnswerSize;
    case Answer::Form::kNone:
      break;
  }
  return 0;
}

void WriteIpv6(const ProbePacket& probe, const Answer& answer,
               const IcmpError& error, std::span<std::byte> out) {
  switch (answer.form) {
    case Answer::Form::kError:
      return WriteIpv6Error(probe, answer.header, error, out);
    case Answer::Form::kEchoReply:
      return WriteIpv6EchoReply(probe, answer.header, out);
    case Answer::Form::kTcp:
      return WriteIpv6TcpAnswer(probe, answer.header, answer.open, out);
    case Answer::Form::kNone:
      return;
  }
}

size_t SizeOf(const ProbePacket& probe, const Answer& answer,
              const IcmpError& error) {
  if (probe.ipv6) return SizeOfIpv6(probe, answer, error);
  switch (answer.form) {
    case Answer::Form::kError:
      return ErrorSize(probe, error);
    case Answer::Form::kEchoReply:
      return EchoReplySize(probe);
    case Answer::Form::kTcp:
      return kTcpAnswerSize;
    case Answer::Form::kNone:
      break;
  }
  return 0;
}

// REQUIRES: out.size() == SizeOf(probe, answer, error).
void Write(const ProbePacket& probe, const Answer& answer,
           const IcmpError& error, std::span<std::byte> out) {
  if (probe.ipv6) return WriteIpv6(probe, answer, error, out);
  switch (answer.form) {
    case Answer::Form::kError:
      return WriteError(probe, answer.header, error, out);
    case Answer::Form::kEchoReply:
      return WriteEchoReply(probe, answer.header, out);
    case Answer::Form::kTcp:
      return WriteTcpAnswer(probe, answer.header, answer.open, out);
    case Answer::Form::kNone:
      return;
  }
}

}  // namespace

Network::Network(const Scenario& scenario, Observer* observer)
    : topology_(scenario),
      model_(scenario),
      observer_(observer),
      queue_(MaxRoundTrip(scenario)) {}

void Network::Send(Instant now, std::span<const std::byte> packet) {
  Observation seen{.sent = now, .probe = packet, .reply = {}, .due = {}};
  seen.fate = Handle(now, packet, seen);
  Add(fates_[static_cast<size_t>(seen.fate)]);
  if (observer_ != nullptr) observer_->Observe(seen);
}

Fate Network::Handle(Instant now, std::span<const std::byte> packet,
                     Observation& seen) {
  if (packet.size() > kMaxPacketSize) return Fate::kMalformed;
  const bool ipv6 = !packet.empty() && (packet[0] >> 4) == std::byte{6};
  const auto probe = ipv6 ? ReadIpv6Probe(packet) : ReadProbe(packet);
  if (!probe) return Fate::kMalformed;
  if (!probe->answerable) return Fate::kNotAProbe;
  const bool right =
      ipv6 ? HasRightIpv6Checksum(*probe) : HasRightChecksum(*probe);
  if (!right) Add(wrong_checksums_);

  const uint64_t chance = probe->Identity(now);
  if (model_.LostForward(chance)) return Fate::kLostForward;
  if (!start_) start_ = now;
  const uint32_t target = probe->ip.destination;
  const Answer answer = model_.Ask({.to = {target, topology_.InSpace(target)},
                                    .keys = probe->keys,
                                    .chance = chance,
                                    .age = now - *start_,
                                    .ttl = probe->ip.ttl,
                                    .question = probe->question,
                                    .right_checksum = right});
  if (answer.form == Answer::Form::kNone) return answer.fate;
  if (answer.token > Nanos(0) &&
      !limiter_.Allow(answer.header.source, answer.token, answer.burst,
                      now + answer.forward)) {
    return Fate::kRateLimited;
  }
  if (model_.LostOnReturn(chance)) return Fate::kLostReturn;
  return Return(*probe, answer, chance, seen);
}

Fate Network::Return(const ProbePacket& probe, const Answer& answer,
                     uint64_t chance, Observation& seen) {
  const Mishap mishap = model_.mischief().Of(chance);
  IcmpError error = answer.error;
  if (answer.labelled) error.label = &answer.label;
  size_t size = SizeOf(probe, answer, error);
  seen.due = seen.sent + answer.delay + mishap.late;
  seen.responder = answer.header.source;
  if (mishap.truncated) {
    std::array<std::byte, kMaxPacketSize> whole;
    Write(probe, answer, error, std::span(whole).first(size));
    size = CutLength(size, chance);
    const auto room = queue_.Push(seen.sent, seen.due, size);
    std::memcpy(room.data(), whole.data(), size);
    seen.reply = room;
    return Fate::kTruncated;
  }
  const auto room = queue_.Push(seen.sent, seen.due, size);
  Write(probe, answer, error, room);
  seen.reply = room;
  if (mishap.duplicated) {
    const auto copy = queue_.Push(seen.sent, seen.due, size);
    std::memcpy(copy.data(), room.data(), size);
    seen.copies = 2;
    Add(duplicates_);
  }
  AddExtras(probe, mishap, chance, seen);
  return answer.fate;
}

void Network::AddExtras(const ProbePacket& probe, const Mishap& mishap,
                        uint64_t chance, const Observation& seen) {
  if (mishap.forged) {
    WriteForged(probe, chance, queue_.Push(seen.sent, seen.due, kForgedSize));
    Add(forged_);
  }
  if (mishap.garbage) {
    WriteGarbage(probe, chance,
                 queue_.Push(seen.sent, seen.due, GarbageSize(chance)));
    Add(garbage_);
  }
}

NetworkCounters Network::counters() const {
  const auto read = [](const std::atomic<uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  NetworkCounters copy;
  for (size_t i = 0; i < kFates; ++i) copy.fates[i] = read(fates_[i]);
  copy.wrong_checksums = read(wrong_checksums_);
  copy.duplicates = read(duplicates_);
  copy.forged = read(forged_);
  copy.garbage = read(garbage_);
  return copy;
}

}  // namespace fathom::lab
