#ifndef FATHOM_SRC_BASE_STATUS_MACROS_H_
#define FATHOM_SRC_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the enclosing function if `expression` is not OK.
#define FATHOM_RETURN_IF_ERROR(expression)                                  \
  do {                                                                      \
    if (absl::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)

// FATHOM_ASSIGN_OR_RETURN(auto x, F()): x is F()'s value, or its status is
// returned.
#define FATHOM_ASSIGN_OR_RETURN(declaration, expression)              \
  FATHOM_ASSIGN_OR_RETURN_(FATHOM_CONCATENATE_(status_or_, __LINE__), \
                           declaration, expression)

#define FATHOM_CONCATENATE_INNER_(a, b) a##b
#define FATHOM_CONCATENATE_(a, b) FATHOM_CONCATENATE_INNER_(a, b)
#define FATHOM_ASSIGN_OR_RETURN_(name, declaration, expression) \
  auto name = (expression);                                     \
  if (!name.ok()) return std::move(name).status();              \
  declaration = *std::move(name)

#endif  // FATHOM_SRC_BASE_STATUS_MACROS_H_
