#include "src/links/reply_record.h"

#include <algorithm>
#include <array>

#include "src/base/bytes.h"

namespace fathom {
namespace {

// Writes or reads the fields of one record in turn.
class Cursor {
 public:
  explicit Cursor(std::byte* at) : at_(at) {}

  template <typename T>
  void Put(T value) {
    Store(value, std::span(at_, sizeof value));
    at_ += sizeof value;
  }

  template <typename T>
  T Take() {
    const T value = Load<T>(std::span(at_, sizeof(T)));
    at_ += sizeof(T);
    return value;
  }

 private:
  std::byte* at_;
};

template <RecordWidth width>
void PutAddress(const IpAddress& address, Cursor& out) {
  if constexpr (width == RecordWidth::kNarrow) {
    out.Put(address.v4());
  } else {
    out.Put(address.low());
    out.Put(address.high());
  }
}

template <RecordWidth width>
IpAddress TakeAddress(Cursor& in) {
  if constexpr (width == RecordWidth::kNarrow) {
    return IpAddress::V4(in.Take<uint32_t>());
  } else {
    const auto low = in.Take<uint64_t>();
    return IpAddress::V6(in.Take<uint64_t>(), low);
  }
}

template <RecordWidth width>
void PutRecord(const Reply& reply, Cursor out) {
  PutAddress<width>(reply.probe.target, out);
  PutAddress<width>(reply.responder, out);
  out.Put(int64_t{reply.received.time_since_epoch().count()});
  out.Put(int64_t{reply.rtt.count()});
  out.Put(reply.probe.flow.value());
  out.Put(reply.probe.ttl.value());
  out.Put(static_cast<uint8_t>(reply.kind));
  out.Put(reply.icmp_type);
  out.Put(reply.icmp_code);
  out.Put(reply.arrival_ttl.value());
  out.Put(reply.quoted_ttl.value());
  out.Put(reply.quoted_tos);
  out.Put(reply.changes);
  out.Put(reply.tcp_flags);
  out.Put(static_cast<uint16_t>(reply.extensions.bytes.size()));
}

// `*extensions` is how many bytes of extensions the record has.
template <RecordWidth width>
Reply TakeRecord(Cursor in, size_t* extensions) {
  Reply reply;
  reply.probe.target = TakeAddress<width>(in);
  reply.responder = TakeAddress<width>(in);
  reply.received = Instant(Nanos(in.Take<int64_t>()));
  reply.rtt = Nanos(in.Take<int64_t>());
  reply.probe.flow = FlowId(in.Take<uint16_t>());
  reply.probe.ttl = Ttl(in.Take<uint8_t>());
  reply.kind = static_cast<ReplyKind>(in.Take<uint8_t>());
  reply.icmp_type = in.Take<uint8_t>();
  reply.icmp_code = in.Take<uint8_t>();
  reply.arrival_ttl = Ttl(in.Take<uint8_t>());
  reply.quoted_ttl = Ttl(in.Take<uint8_t>());
  reply.quoted_tos = in.Take<uint8_t>();
  reply.changes = in.Take<uint8_t>();
  reply.tcp_flags = in.Take<uint8_t>();
  *extensions = in.Take<uint16_t>();
  return reply;
}

// Records are transposed in blocks that stay in the nearest cache: going
// straight to the planes costs 120 ns a record where this costs 17, because
// planes a power of two apart fall on one another in the cache.
constexpr size_t kBlock = 64;

template <RecordWidth width>
void Encode(std::span<const Reply> replies, std::span<std::byte> bytes) {
  constexpr size_t kSize = RecordSize(width);
  std::array<std::array<std::byte, kSize>, kBlock> block;
  const size_t count = replies.size();
  for (size_t first = 0; first < count; first += kBlock) {
    const size_t length = std::min(kBlock, count - first);
    for (size_t i = 0; i < length; ++i) {
      PutRecord<width>(replies[first + i], Cursor(block[i].data()));
    }
    for (size_t plane = 0; plane < kSize; ++plane) {
      std::byte* const out = bytes.data() + plane * count + first;
      for (size_t i = 0; i < length; ++i) out[i] = block[i][plane];
    }
  }
}

template <RecordWidth width>
bool Decode(std::span<const std::byte> bytes, size_t count,
            std::vector<Reply>& replies) {
  constexpr size_t kSize = RecordSize(width);
  if (bytes.size() / kSize < count) return false;
  auto lent = bytes.subspan(count * kSize);
  std::array<std::array<std::byte, kSize>, kBlock> block;
  const size_t before = replies.size();
  for (size_t first = 0; first < count; first += kBlock) {
    const size_t length = std::min(kBlock, count - first);
    for (size_t plane = 0; plane < kSize; ++plane) {
      const std::byte* const in = bytes.data() + plane * count + first;
      for (size_t i = 0; i < length; ++i) block[i][plane] = in[i];
    }
    for (size_t i = 0; i < length; ++i) {
      size_t extensions = 0;
      Reply reply = TakeRecord<width>(Cursor(block[i].data()), &extensions);
      if (reply.kind > ReplyKind::kUnreachable || extensions > lent.size() ||
          extensions > kMaxExtensions) {
        replies.resize(before);
        return false;
      }
      reply.extensions.bytes = lent.first(extensions);
      lent = lent.subspan(extensions);
      replies.push_back(reply);
    }
  }
  if (!lent.empty()) replies.resize(before);
  return lent.empty();
}

}  // namespace

RecordWidth WidthOf(std::span<const Reply> replies) {
  const bool narrow =
      std::all_of(replies.begin(), replies.end(), [](const Reply& reply) {
        return reply.probe.target.family() == Family::kIpv4 &&
               reply.responder.family() == Family::kIpv4;
      });
  return narrow ? RecordWidth::kNarrow : RecordWidth::kWide;
}

void EncodeRecords(std::span<const Reply> replies, RecordWidth width,
                   std::vector<std::byte>& bytes) {
  bytes.resize(replies.size() * RecordSize(width));
  if (width == RecordWidth::kNarrow) {
    Encode<RecordWidth::kNarrow>(replies, bytes);
  } else {
    Encode<RecordWidth::kWide>(replies, bytes);
  }
  for (const Reply& reply : replies) {
    const auto lent = reply.extensions.bytes;
    bytes.insert(bytes.end(), lent.begin(), lent.end());
  }
}

bool DecodeRecords(std::span<const std::byte> bytes, RecordWidth width,
                   size_t count, std::vector<Reply>& replies) {
  return width == RecordWidth::kNarrow
             ? Decode<RecordWidth::kNarrow>(bytes, count, replies)
             : Decode<RecordWidth::kWide>(bytes, count, replies);
}

}  // namespace fathom
