#ifndef FATHOM_SRC_DOCTOR_FILES_H_
#define FATHOM_SRC_DOCTOR_FILES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "src/net/neighbor.h"

namespace fathom::doctor {

// The text of a small file of /proc or /sys, without blanks at its end; nullopt
// if it cannot be read.
std::optional<std::string> ReadText(const std::string& path);

// The number in such a file; nullopt if there is none.
std::optional<int64_t> ReadNumber(const std::string& path);

// The number after `key` in a file of lines "key: number"; `base` 16 for masks.
std::optional<uint64_t> ReadField(const std::string& path,
                                  const std::string& key, int base);

// Whether this thread has a capability (CAP_NET_RAW) in one of its sets:
// CapEff, what it holds now; CapBnd, what it could be given.
bool HasCapability(const char* set, int capability);

// Where /sys shows the interface; nullopt if it shows another network
// namespace than ours.
std::optional<std::string> SysDirectory(const Interface& interface);

}  // namespace fathom::doctor

#endif  // FATHOM_SRC_DOCTOR_FILES_H_
