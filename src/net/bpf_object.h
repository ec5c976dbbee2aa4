#ifndef FATHOM_SRC_NET_BPF_OBJECT_H_
#define FATHOM_SRC_NET_BPF_OBJECT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/base/mapping.h"
#include "src/base/unique_fd.h"

struct bpf_object;

namespace fathom {

// Programs for the kernel as user space holds them: the object that
// scripts/compile_bpf made part of this one, its maps and its programs.
//
// All that it made in the kernel goes with it, or with its process, however
// that ends. One thread; what the maps hold has rules of its own.

class BpfObject {
 public:
  // Reads an object; `name` is what the kernel shows its maps under. It must
  // outlive this.
  static absl::StatusOr<BpfObject> Open(std::span<const unsigned char> bytes,
                                        const char* name);

  // Before Load(): what stands in the section of constants, whose size it has.
  absl::Status SetConstants(const char* section,
                            std::span<const std::byte> value);
  absl::Status Resize(const char* map, uint32_t value_size, uint32_t entries);
  // The program is left out.
  absl::Status Omit(const char* program);

  // Hands all to the kernel. PermissionDenied without CAP_BPF and
  // CAP_NET_ADMIN.
  absl::Status Load();

  // After Load(): descriptors of what the object holds, -1 for what it lacks.
  int program(const char* name) const;
  int map(const char* name) const;

  // Maps the first `size` bytes of a map: its entries follow one another, each
  // at a multiple of eight.
  absl::StatusOr<Mapping> Share(const char* map, size_t size) const;

 private:
  struct Close {
    void operator()(bpf_object* object) const;
  };
  using Object = std::unique_ptr<bpf_object, Close>;

  explicit BpfObject(Object object) : object_(std::move(object)) {}

  Object object_;
};

enum class XdpMode : uint8_t {
  kDriver,   // In the driver, before there is a packet.
  kGeneric,  // After it, where the driver knows no XDP: a third as fast.
};

// A program that sees what comes in over an interface, until this goes.
struct XdpAttachment {
  UniqueFd link;
  XdpMode mode = XdpMode::kDriver;
};

// AlreadyExists if another program does.
absl::StatusOr<XdpAttachment> AttachXdp(int program, int interface_index);

// Whether the attachment still holds: not if the interface has been removed,
// or somebody has detached the program by force.
bool IsAttached(const XdpAttachment& attachment);

}  // namespace fathom

#endif  // FATHOM_SRC_NET_BPF_OBJECT_H_
