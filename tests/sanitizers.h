#ifndef FATHOM_TESTS_SANITIZERS_H_
#define FATHOM_TESTS_SANITIZERS_H_

#include <cstddef>

namespace fathom {

// Whether a sanitizer slows this down, by four times and more.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

// `full`, or a quarter of it where a sanitizer looks on: for laws that hold for
// any number, and whose memory accesses do not change with it.
constexpr size_t Scaled(size_t full) { return kSanitized ? full / 4 : full; }

}  // namespace fathom

#endif  // FATHOM_TESTS_SANITIZERS_H_
