#ifndef FATHOM_TESTS_KEPT_REPLY_H_
#define FATHOM_TESTS_KEPT_REPLY_H_

#include <set>
#include <span>
#include <string>

#include "fathom/probe.h"

namespace fathom {

// The reply with extensions that stay as long as the test, whoever lent them.
inline Reply Keep(Reply reply) {
  static std::set<std::string> kept;
  const auto bytes = reply.extensions.bytes;
  const auto at =
      kept.emplace(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  reply.extensions.bytes = std::as_bytes(std::span(*at.first));
  return reply;
}

}  // namespace fathom

#endif  // FATHOM_TESTS_KEPT_REPLY_H_
