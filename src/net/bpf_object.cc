#include "src/net/bpf_object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace fathom {
namespace {

absl::Status Failed(int error, const char* what, const char* which) {
  return absl::ErrnoToStatus(std::abs(error), absl::StrCat(what, which));
}

}  // namespace

void BpfObject::Close::operator()(bpf_object* object) const {
  bpf_object__close(object);
}

absl::StatusOr<BpfObject> BpfObject::Open(std::span<const unsigned char> bytes,
                                          const char* name) {
  // It would print what it thinks.
  libbpf_set_print(nullptr);
  bpf_object_open_opts open = {};
  open.sz = sizeof open;
  open.object_name = name;
  Object object(bpf_object__open_mem(bytes.data(), bytes.size(), &open));
  if (object == nullptr) return Failed(errno, "read BPF object ", name);
  return BpfObject(std::move(object));
}

absl::Status BpfObject::SetConstants(const char* section,
                                     std::span<const std::byte> value) {
  bpf_map* const map = bpf_object__find_map_by_name(object_.get(), section);
  const int error = map == nullptr ? -ENOENT
                                   : bpf_map__set_initial_value(
                                         map, value.data(), value.size());
  if (error == 0) return absl::OkStatus();
  return Failed(error, "set BPF constants ", section);
}

absl::Status BpfObject::Resize(const char* name, uint32_t value_size,
                               uint32_t entries) {
  bpf_map* const map = bpf_object__find_map_by_name(object_.get(), name);
  int error = map == nullptr ? -ENOENT : 0;
  if (error == 0) error = bpf_map__set_value_size(map, value_size);
  if (error == 0) error = bpf_map__set_max_entries(map, entries);
  return error == 0 ? absl::OkStatus() : Failed(error, "size BPF map ", name);
}

absl::Status BpfObject::Omit(const char* name) {
  bpf_program* const program =
      bpf_object__find_program_by_name(object_.get(), name);
  const int error =
      program == nullptr ? -ENOENT : bpf_program__set_autoload(program, false);
  return error == 0 ? absl::OkStatus()
                    : Failed(error, "omit BPF program ", name);
}

absl::Status BpfObject::Load() {
  const int error = bpf_object__load(object_.get());
  if (error == 0) return absl::OkStatus();
  return Failed(error, "load BPF object ", bpf_object__name(object_.get()));
}

int BpfObject::program(const char* name) const {
  const bpf_program* const found =
      bpf_object__find_program_by_name(object_.get(), name);
  return found == nullptr ? -1 : bpf_program__fd(found);
}

int BpfObject::map(const char* name) const {
  return bpf_object__find_map_fd_by_name(object_.get(), name);
}

absl::StatusOr<Mapping> BpfObject::Share(const char* name, size_t size) const {
  void* const start =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, map(name), 0);
  if (start == MAP_FAILED) return Failed(errno, "share BPF map ", name);
  return Mapping(std::span(static_cast<std::byte*>(start), size));
}

absl::StatusOr<XdpAttachment> AttachXdp(int program, int interface_index) {
  int error = 0;
  for (const auto& [mode, flag] :
       {std::pair(XdpMode::kDriver, XDP_FLAGS_DRV_MODE),
        std::pair(XdpMode::kGeneric, XDP_FLAGS_SKB_MODE)}) {
    bpf_link_create_opts options = {};
    options.sz = sizeof options;
    options.flags = static_cast<uint32_t>(flag);
    const int fd = bpf_link_create(program, interface_index, BPF_XDP, &options);
    if (fd >= 0) return XdpAttachment{UniqueFd(fd), mode};
    error = fd;
    if (error == -EBUSY || error == -EEXIST) {
      return absl::AlreadyExistsError(
          "attach the XDP program: the interface has one");
    }
  }
  return Failed(error, "attach the XDP program", "");
}

bool IsAttached(const XdpAttachment& attachment) {
  bpf_link_info info = {};
  uint32_t size = sizeof info;
  return bpf_obj_get_info_by_fd(attachment.link.get(), &info, &size) == 0 &&
         info.xdp.ifindex != 0;
}

}  // namespace fathom
