#ifndef FATHOM_TESTS_FUZZ_NETWORKS_H_
#define FATHOM_TESTS_FUZZ_NETWORKS_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "fathom/registry.h"
#include "src/annotate/network_format.h"
#include "tests/fuzz_file.h"

namespace fathom {

inline void CheckAnnotation(const Annotation& annotation) {
  const auto& latitude = annotation.latitude;
  const auto& longitude = annotation.longitude;
  if (!IsShowable(annotation.country) || !IsShowable(annotation.city) ||
      latitude.has_value() != longitude.has_value() ||
      (latitude && !(std::abs(*latitude) <= 90)) ||
      (longitude && !(std::abs(*longitude) <= 180))) {
    std::abort();
  }
}

// What the fuzz targets of files of networks share: reads `bytes` in the format
// `name`, whatever it is, and asks about some addresses.
inline void FuzzNetworks(const char* name, std::span<const std::byte> bytes) {
  const FuzzFile memory(bytes);
  auto file = InputFile::Open(memory.path());
  if (!file.ok()) return;
  const auto source = Register<NetworkFormat>::Find(name)->read(*file);
  if (!source.ok()) {
    if (!IsShowable(std::string(source.status().message()))) std::abort();
    return;
  }
  for (const IpAddress& address :
       {IpAddress::V4(0), IpAddress::V4(0x01010101), IpAddress::V4(0x0a000001),
        IpAddress::V4(0xffffffff), IpAddress::V6(0x2001'0db8'0000'0000, 1),
        IpAddress::V6(0, 0), IpAddress::V6(~uint64_t{0}, ~uint64_t{0})}) {
    Annotation annotation;
    (*source)->Tell(address, &annotation);
    CheckAnnotation(annotation);
    for (const uint32_t asn : {annotation.asn, uint32_t{13335}}) {
      if (!IsShowable((*source)->NameOfAs(asn, address))) std::abort();
    }
  }
}

inline void FuzzNetworks(const char* name, const uint8_t* data, size_t size) {
  FuzzNetworks(name, std::as_bytes(std::span(data, size)));
}

}  // namespace fathom

#endif  // FATHOM_TESTS_FUZZ_NETWORKS_H_
