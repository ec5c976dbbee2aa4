#include "tools/quantity.h"

#include <array>
#include <charconv>
#include <cmath>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/links/build_dataset.h"

namespace fathom {
namespace {

struct Scaled {
  double number;
  std::string_view unit;
};

// Splits "1.5M" into its number and what follows it.
std::optional<Scaled> SplitUnit(std::string_view text) {
  Scaled scaled{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, scaled.number,
                                             std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(scaled.number) ||
      scaled.number < 0) {
    return std::nullopt;
  }
  scaled.unit = text.substr(static_cast<size_t>(stop - text.data()));
  return scaled;
}

struct Unit {
  char letter;
  double factor;
};

std::optional<double> FactorOf(char letter, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (unit.letter == letter) return unit.factor;
  }
  return std::nullopt;
}

// The number with its unit applied; `bare` is the factor where there is none.
std::optional<double> Scale(std::string_view text, std::span<const Unit> units,
                            double bare) {
  const auto scaled = SplitUnit(text);
  if (!scaled || scaled->unit.size() > 1) return std::nullopt;
  if (scaled->unit.empty()) return scaled->number * bare;
  const auto factor = FactorOf(scaled->unit[0] | 0x20, units);
  if (!factor) return std::nullopt;
  return scaled->number * *factor;
}

}  // namespace

std::optional<uint64_t> ParseQuantity(std::string_view text) {
  static constexpr std::array<Unit, 3> kUnits = {
      {{'k', 1e3}, {'m', 1e6}, {'g', 1e9}}};
  const auto value = Scale(text, kUnits, 1);
  if (!value || *value < 1 || *value > 1e15) return std::nullopt;
  // 1.1K is 1100 although 1.1 has no exact binary form.
  const double whole = std::round(*value);
  if (std::abs(*value - whole) > 1e-6) return std::nullopt;
  return static_cast<uint64_t>(whole);
}

absl::StatusOr<uint64_t> FinishMemory(const std::string& text) {
  const auto bytes = ParseQuantity(text);
  if (bytes && *bytes >= kLeastBuildMemory) return *bytes;
  return absl::InvalidArgumentError(
      absl::StrCat("--finish-memory ", text, ": not a number of bytes from ",
                   kLeastBuildMemory / 1'000'000, "M; write 500M or 4G"));
}

std::optional<Nanos> ParseDuration(std::string_view text) {
  static constexpr std::array<Unit, 4> kUnits = {
      {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86'400}}};
  const bool millis = text.ends_with("ms");
  if (millis) text.remove_suffix(1);
  auto seconds = Scale(text, kUnits, 1);
  if (millis && seconds) *seconds /= 60 * 1000;  // Its m was read as minutes.
  if (!seconds || *seconds > 1000.0 * 86'400) return std::nullopt;
  return Nanos(std::llround(*seconds * 1e9));
}

std::string FormatQuantity(double value) {
  for (const Unit& unit : {Unit{'G', 1e9}, Unit{'M', 1e6}, Unit{'K', 1e3}}) {
    if (value < unit.factor) continue;
    const double scaled = value / unit.factor;
    const int decimals = scaled < 10 ? 2 : scaled < 100 ? 1 : 0;
    return absl::StrFormat("%.*f %c", decimals, scaled, unit.letter);
  }
  return absl::StrFormat("%.0f", value);
}

std::string FormatDuration(Nanos duration) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  const auto minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
  if (days > 0) {
    return absl::StrFormat("%dd %02d:%02d:%02d", days, hours % 24, minutes % 60,
                           seconds % 60);
  }
  if (hours > 0) {
    return absl::StrFormat("%d:%02d:%02d", hours, minutes % 60, seconds % 60);
  }
  return absl::StrFormat("%d:%02d", minutes, seconds % 60);
}

}  // namespace fathom
