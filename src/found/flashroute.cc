#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "fathom/registry.h"
#include "src/base/bytes.h"
#include "src/base/status_macros.h"
#include "src/found/found.h"
#include "src/found/found_file.h"

// The binary output of FlashRoute from 0.1 on: 39 bytes a reply, without a
// header, in the byte order of x86.
//
//   0  16  target: an IPv4 address is its number
//  16  16  responder, likewise
//  32   4  round-trip time
//  36   1  distance
//  37   1  1 if the target answered
//  38   1  1 for IPv4
//
// One flow a target. The target itself may be known by another address.

namespace fathom::found {
namespace {

constexpr size_t kRecord = 39;

uint64_t Word(std::string_view record, size_t at) {
  return Load<uint64_t>(std::as_bytes(std::span(record)).subspan(at));
}

IpAddress AddressAt(std::string_view record, size_t at) {
  const uint64_t low = Word(record, at);
  if (record[38] == 1) return IpAddress::V4(static_cast<uint32_t>(low));
  return IpAddress::V6(Word(record, at + 8), low);
}

// Nothing marks a record but what cannot be in it.
bool IsRecord(std::string_view record) {
  const auto is_flag = [](char c) { return c == 0 || c == 1; };
  if (record.size() != kRecord || !is_flag(record[37]) ||
      !is_flag(record[38])) {
    return false;
  }
  if (record[38] == 0) return true;
  return Word(record, 8) == 0 && Word(record, 24) == 0 &&
         Word(record, 0) >> 32 == 0 && Word(record, 16) >> 32 == 0;
}

absl::Status Read(FoundFile& file, Findings& findings) {
  while (true) {
    FATHOM_ASSIGN_OR_RETURN(const std::string_view record, file.Take(kRecord));
    if (record.empty()) return absl::OkStatus();
    if (record.size() != kRecord) {
      return file.BadBytes(
          "the last record is cut short: FlashRoute writes 39 bytes each; cut "
          "it off");
    }
    if (!IsRecord(record)) {
      return file.BadBytes(
          "no record of FlashRoute (39 bytes each, since 0.1)");
    }
    const IpAddress target = AddressAt(record, 0);
    const IpAddress responder = AddressAt(record, 16);
    ReplyKind kind = ReplyKind::kHop;
    if (record[37] == 1) {
      kind = responder == target ? ReplyKind::kDestination : ReplyKind::kAlias;
    }
    findings.AddHop(target, 0, static_cast<uint8_t>(record[36]), responder,
                    kind);
  }
}

bool Knows(const std::string& /*path*/, std::string_view head) {
  for (size_t at = 0; at == 0 || at + kRecord <= head.size(); at += kRecord) {
    if (!IsRecord(head.substr(at, kRecord))) return false;
  }
  return true;
}

const Register<FoundFormat> kFlashRoute({"flashroute",
                                         "FlashRoute's binary output", &Knows,
                                         &Read});

}  // namespace
}  // namespace fathom::found
