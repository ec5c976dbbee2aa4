#ifndef FATHOM_TESTS_FUZZ_NETWORKS_H_
#define FATHOM_TESTS_FUZZ_NETWORKS_H_

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "fathom/registry.h"
#include "src/annotate/network_format.h"
#include "src/base/unique_fd.h"

namespace fathom {

// What the fuzz targets of files of networks share: reads `data` in the format
// `name`, whatever it is, and asks about some addresses.
inline void FuzzNetworks(const char* name, const uint8_t* data, size_t size) {
  const UniqueFd fd(memfd_create("fuzz", MFD_CLOEXEC));
  if (write(fd.get(), data, size) != static_cast<ssize_t>(size)) return;
  auto file = InputFile::Open("/proc/self/fd/" + std::to_string(fd.get()));
  if (!file.ok()) return;
  const auto source = Register<NetworkFormat>::Find(name)->read(*file);
  if (!source.ok()) return;
  for (const IpAddress& address :
       {IpAddress::V4(0), IpAddress::V4(0x01010101), IpAddress::V4(0xffffffff),
        IpAddress::V6(0x2001'0db8'0000'0000, 1), IpAddress::V6(0, 0),
        IpAddress::V6(~uint64_t{0}, ~uint64_t{0})}) {
    Annotation annotation;
    (*source)->Tell(address, &annotation);
    (*source)->NameOfAs(annotation.asn, address);
    // What is shown must be safe to show.
    for (const std::string& text : {annotation.country, annotation.city}) {
      for (const char c : text) {
        if (static_cast<uint8_t>(c) < ' ' || c == 127) __builtin_trap();
      }
    }
  }
}

}  // namespace fathom

#endif  // FATHOM_TESTS_FUZZ_NETWORKS_H_
