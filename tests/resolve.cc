// Resolves what standard input asks, for tests.
//
//   resolve [-q QUERIES_PER_SECOND] [-m MOST_NAMES] [-t TIMEOUT_MS] SERVER...
//
// A line is "name ADDRESS", "host NAME", "host4 NAME" or "host6 NAME". Names
// are asked for all at once. Prints a line for each, in order, then the counts.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "src/annotate/resolver.h"

namespace fathom {
namespace {

struct Wish {
  std::string kind;
  std::string what;
};

ResolverOptions ReadOptions(int argc, char** argv) {
  ResolverOptions options{.queries_per_second = 10'000,
                          .timeout = std::chrono::milliseconds(100)};
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "-q") {
      options.queries_per_second =
          static_cast<uint32_t>(std::strtoul(argv[++i], nullptr, 10));
    } else if (argument == "-m") {
      options.most_names = std::strtoul(argv[++i], nullptr, 10);
    } else if (argument == "-t") {
      options.timeout =
          std::chrono::milliseconds(std::strtol(argv[++i], nullptr, 10));
    } else {
      options.servers.push_back(argument);
    }
  }
  return options;
}

std::string HostLine(Resolver& resolver, const Wish& wish) {
  std::optional<Family> family;
  if (wish.kind == "host4") family = Family::kIpv4;
  if (wish.kind == "host6") family = Family::kIpv6;
  const auto found =
      resolver.Addresses(wish.what, family, std::chrono::seconds(30));
  if (!found.ok()) return std::string(found.status().message());
  std::string line;
  for (const IpAddress& address : *found) line += address.ToString() + " ";
  return line;
}

std::string NameLine(const Resolver& resolver, const IpAddress& address) {
  const std::string* const name = resolver.NameOf(address);
  if (name == nullptr) return "?";
  return name->empty() ? "-" : *name;
}

int Run(int argc, char** argv) {
  const auto resolver = Resolver::Make(ReadOptions(argc, argv));
  if (!resolver.ok()) {
    std::cerr << resolver.status().message() << "\n";
    return 1;
  }
  std::vector<Wish> wishes;
  for (std::string line; std::getline(std::cin, line);) {
    Wish wish;
    std::istringstream(line) >> wish.kind >> wish.what;
    if (wish.kind == "name") {
      (*resolver)->AskName(IpAddress::Parse(wish.what).value());
    }
    wishes.push_back(wish);
  }
  while ((*resolver)->pending() != 0) {
    const absl::Status status = (*resolver)->Work(std::chrono::seconds(1));
    if (!status.ok()) return 1;
  }
  for (const Wish& wish : wishes) {
    std::cout << (wish.kind == "name"
                      ? NameLine(**resolver, *IpAddress::Parse(wish.what))
                      : HostLine(**resolver, wish))
              << "\n";
  }
  const ResolverCounts& counts = (*resolver)->counts();
  std::cout << "asked " << counts.asked << " named " << counts.named
            << " nameless " << counts.nameless << " failed " << counts.failed
            << " refused " << counts.refused << "\n";
  return 0;
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) { return fathom::Run(argc, argv); }
