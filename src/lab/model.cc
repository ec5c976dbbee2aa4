#include "src/lab/model.h"

#include "src/lab/scenario.h"

namespace fathom::lab {

Model::Model(const Scenario& scenario)
    : nodes_(scenario),
      behaviour_(scenario),
      loss_(scenario.loss),
      jitter_({0, scenario.jitter_ms}),
      odd_labels_(scenario.odd_labels),
      mischief_(scenario) {}

}  // namespace fathom::lab
