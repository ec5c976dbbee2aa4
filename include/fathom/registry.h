#ifndef FATHOM_REGISTRY_H_
#define FATHOM_REGISTRY_H_

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace fathom {

// The one-line registration of strategies, probe protocols, backends and
// dataset formats. A module's file ends with
//
//   const Register<StrategyModule> kSweep({"sweep", "every TTL", &Make});
//
// and that is all: no table elsewhere, and no #ifdef for a backend whose
// library is absent, since its file is then not built.
//
// Registration happens before main(), lookup after it. Link the library whole
// (link_whole in meson.build), or the linker drops files nobody names.
template <typename Module>
class Register {
 public:
  explicit Register(const Module& module) : module_(module), next_(head_) {
    head_ = this;
  }

  Register(const Register&) = delete;
  Register& operator=(const Register&) = delete;

  // All modules of this kind, by name. Conformance tests run over this, so a
  // new module is tested before anyone writes a test for it.
  static std::vector<Module> All() {
    std::vector<Module> all;
    for (const Register* r = head_; r != nullptr; r = r->next_) {
      all.push_back(r->module_);
    }
    std::sort(all.begin(), all.end(), [](const Module& a, const Module& b) {
      return std::string_view(a.name) < std::string_view(b.name);
    });
    return all;
  }

  // The module called `name`; the error says which names there are.
  static absl::StatusOr<Module> Find(std::string_view name) {
    std::string names;
    for (const Module& module : All()) {
      if (name == module.name) return module;
      absl::StrAppend(&names, names.empty() ? "" : ", ", module.name);
    }
    return absl::InvalidArgumentError(
        absl::StrCat("no \"", std::string(name), "\"; there are: ", names));
  }

 private:
  const Module module_;
  const Register* const next_;

  // The one mutable global there is. Written before main() and never after.
  inline static constinit const Register* head_ = nullptr;  // NOLINT
};

}  // namespace fathom

#endif  // FATHOM_REGISTRY_H_
