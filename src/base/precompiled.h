#ifndef FATHOM_SRC_BASE_PRECOMPILED_H_
#define FATHOM_SRC_BASE_PRECOMPILED_H_

// What most files of the library include of others', for builds that compile it
// once ahead (meson's b_pch). No file includes this one, and the optimised
// build does without, so each file has to name what it uses all the same.

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

#endif  // FATHOM_SRC_BASE_PRECOMPILED_H_
