#include "src/doctor/files.h"

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace fathom::doctor {

std::optional<std::string> ReadText(const std::string& path) {
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) return std::nullopt;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

std::optional<int64_t> ReadNumber(const std::string& path) {
  int64_t number = 0;
  const auto text = ReadText(path);
  if (!text || !absl::SimpleAtoi(*text, &number)) return std::nullopt;
  return number;
}

std::optional<uint64_t> ReadField(const std::string& path,
                                  const std::string& key, int base) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key + ":", 0) != 0) continue;
    return std::strtoull(line.c_str() + key.size() + 1, nullptr, base);
  }
  return std::nullopt;
}

bool HasCapability(const char* set, int capability) {
  const auto mask = ReadField("/proc/thread-self/status", set, 16);
  return mask && (*mask >> capability & 1) != 0;
}

std::optional<std::string> SysDirectory(const Interface& interface) {
  std::string directory = absl::StrCat("/sys/class/net/", interface.name);
  if (ReadNumber(directory + "/ifindex") != interface.index) {
    return std::nullopt;
  }
  return directory;
}

}  // namespace fathom::doctor
