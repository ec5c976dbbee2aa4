#ifndef FATHOM_TOOLS_SUMMARY_H_
#define FATHOM_TOOLS_SUMMARY_H_

#include <string>

namespace fathom {

// What a scan did, in words, from the manifest of its dataset `name`.
std::string Summarize(const std::string& manifest, const std::string& name);

// Every counter in the manifest, a line each.
std::string ListCounters(const std::string& manifest);

}  // namespace fathom

#endif  // FATHOM_TOOLS_SUMMARY_H_
