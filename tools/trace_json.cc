#include "tools/trace_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "src/net/icmp_extensions.h"
#include "src/trace/hop_row.h"

namespace fathom {
namespace {

using Json = nlohmann::ordered_json;

// To the microsecond, which is what clocks of packets are good for.
Json Millis(Nanos time) {
  return std::round(static_cast<double>(time.count()) / 1e3) / 1e3;
}

template <typename T>
Json OrNull(const T& value, bool known) {
  return known ? Json(value) : Json(nullptr);
}

Json ToJson(const std::vector<FlowId>& flows) {
  Json array = Json::array();
  for (const FlowId flow : flows) array.push_back(flow.value());
  return array;
}

void AddNote(const AddressNote& note, Json& json) {
  const Annotation& about = note.annotation;
  json["name"] = OrNull(note.name, !note.name.empty());
  json["asn"] = OrNull(about.asn, about.asn != 0);
  json["as_name"] = OrNull(about.as_name, !about.as_name.empty());
  json["country"] = OrNull(about.country, !about.country.empty());
  json["city"] = OrNull(about.city, !about.city.empty());
  json["latitude"] =
      OrNull(about.latitude.value_or(0), about.latitude.has_value());
  json["longitude"] =
      OrNull(about.longitude.value_or(0), about.longitude.has_value());
  json["ixp"] = OrNull(about.ixp, !about.ixp.empty());
}

const char* KindOf(const TraceResponder& responder) {
  switch (responder.kind) {
    case ReplyKind::kHop:
      return "hop";
    case ReplyKind::kDestination:
      return "destination";
    case ReplyKind::kAlias:
      return "alias";
    case ReplyKind::kUnreachable:
      return "unreachable";
  }
  return "";
}

Json ToJson(const HopRow::Responder& responder, const NoteOf& note_of) {
  const TraceResponder& last = responder.last;
  Json json = {{"address", last.address.ToString()}};
  AddNote(note_of(last.address), json);
  json["kind"] = KindOf(last);
  json["replies"] = last.replies;
  json["flows"] = ToJson(responder.flows);
  json["icmp_type"] = OrNull(last.icmp_type, last.tcp_flags == 0);
  json["icmp_code"] = OrNull(last.icmp_code, last.tcp_flags == 0);
  json["tcp_flags"] = OrNull(last.tcp_flags, last.tcp_flags != 0);
  json["reply_ttl"] = last.arrival_ttl.value();
  json["quoted_ttl"] =
      OrNull(last.quoted_ttl.value(), last.quoted_ttl != Ttl());
  json["quoted_tos"] = last.quoted_tos;
  json["changed_id"] = (last.changes & kChangedId) != 0;
  json["changed_length"] = (last.changes & kChangedLength) != 0;
  json["mpls"] = Json::array();
  for (const MplsLabel& label : MplsStackOf(last.extensions)) {
    json["mpls"].push_back({{"label", label.label},
                            {"traffic_class", label.traffic_class},
                            {"bottom", label.bottom},
                            {"ttl", label.ttl}});
  }
  json["extensions"] =
      OrNull(SpellExtensions(last.extensions), !last.extensions.empty());
  return json;
}

Json ProbesOf(const Tracer& tracer, Ttl ttl) {
  Json probes = Json::array();
  for (uint16_t f = 0; f < tracer.options().flows; ++f) {
    if (ttl > tracer.LastOf(FlowId(f))) continue;
    const TraceCell& cell = tracer.cell(FlowId(f), ttl);
    for (const TraceProbe& probe : cell.probes) {
      const bool answered = probe.responder != TraceProbe::kNobody;
      Json json = {{"flow", f},
                   {"sent_ms", Millis(probe.sent - tracer.start())},
                   {"rtt_ms", answered ? Millis(probe.rtt) : Json(nullptr)},
                   {"address", nullptr}};
      if (answered) {
        json["address"] = cell.responders[static_cast<size_t>(probe.responder)]
                              .address.ToString();
      }
      probes.push_back(std::move(json));
    }
  }
  return probes;
}

Json ToJson(const HopRow& row, const Tracer& tracer, const NoteOf& note_of) {
  const bool any = row.rtts.count() > 0;
  Json responders = Json::array();
  for (const HopRow::Responder& responder : row.responders) {
    responders.push_back(ToJson(responder, note_of));
  }
  return {{"ttl", row.ttl.value()},
          {"responders", std::move(responders)},
          {"sent", row.sent},
          {"answered", row.answered},
          {"loss", std::round(row.loss() * 1e4) / 1e4},
          {"best_ms", any ? Millis(row.rtts.best()) : Json(nullptr)},
          {"avg_ms", any ? Millis(row.rtts.mean()) : Json(nullptr)},
          {"worst_ms", any ? Millis(row.rtts.worst()) : Json(nullptr)},
          {"stddev_ms", any ? Millis(row.rtts.deviation()) : Json(nullptr)},
          {"probes", ProbesOf(tracer, row.ttl)}};
}

}  // namespace

std::string TraceToJson(const Tracer& tracer, const TraceHead& head,
                        const NoteOf& note_of, Instant now) {
  const auto rows = RowsOf(tracer, now);
  Json hops = Json::array();
  for (const HopRow& row : rows) hops.push_back(ToJson(row, tracer, note_of));
  Json as_path = Json::array();
  for (const AsHop& hop : AsPathOf(rows, note_of)) {
    as_path.push_back(
        {{"asn", hop.asn}, {"name", OrNull(hop.name, !hop.name.empty())}});
  }
  const TraceEnd end = EndOf(tracer);
  const std::chrono::duration<double> since_epoch =
      tracer.start().time_since_epoch();
  const Json json = {{"host", head.host},
                     {"target", tracer.target().ToString()},
                     {"source", head.source.ToString()},
                     {"protocol", head.protocol},
                     {"flows", tracer.options().flows},
                     {"max_ttl", tracer.options().max_ttl.value()},
                     {"start", since_epoch.count()},
                     {"duration_ms", Millis(now - tracer.start())},
                     {"reached", end == TraceEnd::kTarget},
                     {"end", kTraceEndNames[static_cast<size_t>(end)]},
                     {"hops", std::move(hops)},
                     {"as_path", std::move(as_path)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace fathom
