#ifndef FATHOM_SRC_DOCTOR_FINDING_H_
#define FATHOM_SRC_DOCTOR_FINDING_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "src/net/neighbor.h"

namespace fathom::doctor {

// What is looked at before a scan, and what was found. A check looks at one
// thing of the machine, without changing it and without sending anything, and
// says in a line what is and what would be better. What it cannot see here it
// passes over in silence.
//
// To add a check, write a function of this kind and name it in the table of its
// file.

enum class Grade : uint8_t {
  kOk,
  kBetter,  // A scan can run; it would be faster or safer otherwise.
  kWrong,   // No scan can run.
};

struct Finding {
  Grade grade = Grade::kOk;
  std::string is{};       // "256 of 4,096 receive buffers in use".
  std::string advice{};   // What would be better, and why; empty if fine.
  std::string command{};  // What to type for that; empty if there is no such.
};

// What the checks look at.
struct Place {
  std::optional<Interface> interface {};  // None: there is no way out.
  std::string no_interface{};             // Why there is none.
  std::string directory = ".";            // Where the dataset would go.
  std::string program = "fathom";         // The path of the command.
};

struct Check {
  const char* name;
  std::optional<Finding> (*look)(const Place&);
};

// The tables, one a file.
std::span<const Check> PermissionChecks();
std::span<const Check> InterfaceChecks();
std::span<const Check> PathChecks();  // What packets meet on their way to us.
std::span<const Check> MachineChecks();

struct Examined {
  const char* name;
  Finding finding;
};

// Runs all checks, in the order of the tables.
std::vector<Examined> Examine(const Place& place);

// The interface of this name; without a name, that of the route to the
// Internet.
Place FindPlace(const std::string& interface);

}  // namespace fathom::doctor

#endif  // FATHOM_SRC_DOCTOR_FINDING_H_
