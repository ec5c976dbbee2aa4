#ifndef FATHOM_SRC_LAB_CHECK_H_
#define FATHOM_SRC_LAB_CHECK_H_

#include <string>
#include <vector>

#include "src/lab/scenario.h"

namespace fathom::lab {

// Whether a scenario looks like the Internet: figures of the lab beside those
// that measurements of the Internet gave.

struct Figure {
  std::string name;
  std::string measured;
  std::string wanted;
  bool fits = true;
};

struct CheckOptions {
  // Addresses to survey, and /24s to sweep at this rate.
  uint64_t targets = 100'000;
  uint64_t blocks = 1 << 17;
  uint64_t pps = 100'000;
};

// The figures, in the order of a report. Those about all of the Internet are
// left out for a scenario of fewer than ten million /24s.
std::vector<Figure> CheckLab(const Scenario& scenario,
                             const CheckOptions& options);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_CHECK_H_
