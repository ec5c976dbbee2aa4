#ifndef FATHOM_TOOLS_DAMAGES_H_
#define FATHOM_TOOLS_DAMAGES_H_

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/dataset/check_dataset.h"

namespace fathom {

// To standard error, a line each: the file, the row group, and what is wrong.
inline void PrintDamages(const std::vector<Damage>& damages) {
  for (const Damage& damage : damages) {
    const std::string place =
        damage.row_group ? absl::StrCat(" row group ", *damage.row_group, ":")
                         : "";
    std::fprintf(stderr, "fathom: %s:%s %s\n", damage.file.c_str(),
                 place.c_str(), damage.what.c_str());
  }
}

}  // namespace fathom

#endif  // FATHOM_TOOLS_DAMAGES_H_
