#ifndef FATHOM_SRC_LAB_SCENARIO_VALUES_H_
#define FATHOM_SRC_LAB_SCENARIO_VALUES_H_

#include <string>
#include <string_view>
#include <vector>

#include "src/lab/scenario.h"

namespace fathom::lab {

// The values of a scenario file as text: one pair of functions for each type
// that a key may have.

struct Field {
  std::string name;
  const char* help;  // Empty for all but the first of a family of keys.
  double min = 0;    // What numbers are allowed.
  double max = 1;
};

// What an error shows of a file: cut, and without what a terminal would obey.
std::string Shown(std::string_view text);

// Reads `text` into `value`; says what is wrong, or nothing. A list grows by
// what `text` holds.
std::string ReadValue(const Field& field, std::string_view text,
                      uint64_t& value);
std::string ReadValue(const Field& field, std::string_view text,
                      uint32_t& value);
std::string ReadValue(const Field& field, std::string_view text, double& value);
std::string ReadValue(const Field& field, std::string_view text,
                      Range<uint32_t>& value);
std::string ReadValue(const Field& field, std::string_view text,
                      Range<double>& value);
std::string ReadValue(const Field& field, std::string_view text,
                      IpAddress& value);
std::string ReadValue(const Field& field, std::string_view text,
                      std::vector<Prefix>& value);

// Appends the lines that ReadValue would read as `value`.
void AppendLines(const Field& field, uint64_t value, std::string& text);
void AppendLines(const Field& field, uint32_t value, std::string& text);
void AppendLines(const Field& field, double value, std::string& text);
void AppendLines(const Field& field, const Range<uint32_t>& value,
                 std::string& text);
void AppendLines(const Field& field, const Range<double>& value,
                 std::string& text);
void AppendLines(const Field& field, const IpAddress& value, std::string& text);
void AppendLines(const Field& field, const std::vector<Prefix>& value,
                 std::string& text);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_SCENARIO_VALUES_H_
