#ifndef FATHOM_SRC_FOUND_JSON_H_
#define FATHOM_SRC_FOUND_JSON_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "fathom/address.h"

namespace fathom::found {

// JSON that nobody vouches for, without exceptions.

// Discarded if `text` is not JSON.
inline nlohmann::json ParseJson(std::string_view text) {
  return nlohmann::json::parse(text.begin(), text.end(), nullptr,
                               /*allow_exceptions=*/false);
}

// The member `key` of an object; null if there is none.
inline const nlohmann::json& Member(const nlohmann::json& object,
                                    const char* key) {
  static const nlohmann::json none;
  if (!object.is_object()) return none;
  const auto at = object.find(key);
  return at == object.end() ? none : *at;
}

inline std::string_view Text(const nlohmann::json& object, const char* key) {
  const auto* const text =
      Member(object, key).get_ptr<const nlohmann::json::string_t*>();
  return text == nullptr ? std::string_view() : *text;
}

inline std::optional<IpAddress> AddressIn(const nlohmann::json& object,
                                          const char* key) {
  return IpAddress::Parse(Text(object, key));
}

// A whole number from 0 to `max`.
inline std::optional<uint64_t> NumberIn(const nlohmann::json& object,
                                        const char* key, uint64_t max) {
  const nlohmann::json& member = Member(object, key);
  if (!member.is_number_unsigned()) return std::nullopt;
  const auto value = member.get<uint64_t>();
  return value > max ? std::nullopt : std::optional(value);
}

}  // namespace fathom::found

#endif  // FATHOM_SRC_FOUND_JSON_H_
