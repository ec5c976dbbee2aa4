#ifndef FATHOM_SRC_BASE_BPF_KERNEL_H_
#define FATHOM_SRC_BASE_BPF_KERNEL_H_

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>

namespace fathom {

// What a program in the kernel has instead of a library. For the BPF target
// only, so that its plain names meet no others; every number here is of the
// kernel's stable interface. libbpf's own headers for this are C.

#define FATHOM_SECTION(name) __attribute__((section(name), used))

// A map, within extern "C"; libbpf reads what it is from its type. One that is
// FATHOM_SHARED_MAP can be mapped into user space.
#define FATHOM_MAP_OF(name, map_type, size, entries, flags) \
  struct {                                                  \
    int (*type)[map_type];                                  \
    int (*key_size)[sizeof(uint32_t)];                      \
    int (*value_size)[size];                                \
    int (*max_entries)[entries];                            \
    int (*map_flags)[flags];                                \
  } name FATHOM_SECTION(".maps")
#define FATHOM_MAP(name, map_type, size, entries) \
  FATHOM_MAP_OF(name, map_type, size, entries, 0)
#define FATHOM_SHARED_MAP(name, size, entries) \
  FATHOM_MAP_OF(name, BPF_MAP_TYPE_ARRAY, size, entries, BPF_F_MMAPABLE)

inline void* Look(void* map, const uint32_t* key) {
  using Function = void* (*)(void*, const void*);
  return reinterpret_cast<Function>(BPF_FUNC_map_lookup_elem)(map, key);
}

// The entry of an array map; null where `key` is out of bounds.
template <typename T>
T* Entry(void* map, uint32_t key) {
  return static_cast<T*>(Look(map, &key));
}

inline uint64_t Now() {
  using Function = uint64_t (*)();
  return reinterpret_cast<Function>(BPF_FUNC_ktime_get_ns)();
}

// Both move an end of the frame, and leave all pointers into it invalid.
inline bool MoveHead(xdp_md* context, int by) {
  using Function = long (*)(xdp_md*, int);
  return reinterpret_cast<Function>(BPF_FUNC_xdp_adjust_head)(context, by) == 0;
}
inline bool MoveTail(xdp_md* context, int by) {
  using Function = long (*)(xdp_md*, int);
  return reinterpret_cast<Function>(BPF_FUNC_xdp_adjust_tail)(context, by) == 0;
}

// The same for what stands before the frame.
inline bool MoveMeta(xdp_md* context, int by) {
  using Function = long (*)(xdp_md*, int);
  return reinterpret_cast<Function>(BPF_FUNC_xdp_adjust_meta)(context, by) == 0;
}

// Copies `count` bytes of the frame from `offset` on. REQUIRES: count > 0.
inline bool CopyOut(xdp_md* context, uint32_t offset, void* to,
                    uint32_t count) {
  using Function = long (*)(xdp_md*, uint32_t, void*, uint32_t);
  return reinterpret_cast<Function>(BPF_FUNC_xdp_load_bytes)(context, offset,
                                                             to, count) == 0;
}

// Copies `count` bytes into the frame at `offset`. REQUIRES: count > 0.
inline bool CopyIn(xdp_md* context, uint32_t offset, const void* from,
                   uint32_t count) {
  using Function = long (*)(xdp_md*, uint32_t, const void*, uint32_t);
  return reinterpret_cast<Function>(BPF_FUNC_xdp_store_bytes)(context, offset,
                                                              from, count) == 0;
}

// Of the whole frame, with what lies beyond End() if it is in pieces.
inline uint64_t FrameLength(xdp_md* context) {
  using Function = uint64_t (*)(xdp_md*);
  return reinterpret_cast<Function>(BPF_FUNC_xdp_get_buff_len)(context);
}

inline uint32_t Processor() {
  using Function = uint32_t (*)();
  return reinterpret_cast<Function>(BPF_FUNC_get_smp_processor_id)();
}

inline uint8_t* Start(const xdp_md* context) {
  return reinterpret_cast<uint8_t*>(uint64_t{context->data});
}
inline const uint8_t* MetaStart(const xdp_md* context) {
  return reinterpret_cast<const uint8_t*>(uint64_t{context->data_meta});
}
inline const uint8_t* End(const xdp_md* context) {
  return reinterpret_cast<const uint8_t*>(uint64_t{context->data_end});
}

// Loads and stores as they stand in memory, without regard to alignment: in
// pieces they would take four times as long.
template <typename T>
T Get(const uint8_t* at) {
  return *reinterpret_cast<const T*>(at);
}
template <typename T>
void Put(uint8_t* at, T value) {
  *reinterpret_cast<T*>(at) = value;
}

constexpr uint16_t Swap(uint16_t value) { return __builtin_bswap16(value); }
constexpr uint32_t Swap(uint32_t value) { return __builtin_bswap32(value); }

// A sum of 16-bit words in ones' complement, from one of 32-bit words. In the
// order of memory, as all sums here; RFC 1071 does not mind.
constexpr uint16_t Fold(uint64_t sum) {
  sum = (sum >> 32) + (sum & 0xffff'ffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<uint16_t>(sum);
}

constexpr uint32_t kMaxPacket = 1500;

// The sum of `length` bytes, or of those before `end`. REQUIRES: at most
// kMaxPacket. It is made for the verifier, which walks through each turn of a
// loop, and on from each turn through all that comes after unless it has seen
// the like: so this is a function of its own, what comes after the loop knows
// nothing of how long that went on, and the result has 16 bits in any case.
[[gnu::noinline, maybe_unused]] static uint64_t SumOf(const uint8_t* start,
                                                      const uint8_t* end,
                                                      uint32_t length) {
  constexpr uint32_t kStep = 16;
  uint64_t sum = 0;
  uint32_t left = length;
  const uint8_t* at = start;
  for (uint32_t i = 0; i < kMaxPacket / kStep + 1; ++i) {
    if (left < kStep || at + kStep > end) break;
    sum += uint64_t{Get<uint32_t>(at)} + Get<uint32_t>(at + 4);
    sum += uint64_t{Get<uint32_t>(at + 8)} + Get<uint32_t>(at + 12);
    at += kStep;
    left -= kStep;
  }
  const uint8_t* rest = start + (length & 2'047 & ~(kStep - 1));
  if ((length & 8) != 0 && rest + 8 <= end) {
    sum += uint64_t{Get<uint32_t>(rest)} + Get<uint32_t>(rest + 4);
    rest += 8;
  }
  if ((length & 4) != 0 && rest + 4 <= end) {
    sum += Get<uint32_t>(rest);
    rest += 4;
  }
  if ((length & 2) != 0 && rest + 2 <= end) {
    sum += Get<uint16_t>(rest);
    rest += 2;
  }
  if ((length & 1) != 0 && rest + 1 <= end) sum += *rest;
  return Fold(sum);
}

// The sum of an IP header of `length` bytes.
[[gnu::noinline, maybe_unused]] static uint64_t HeaderSum(const uint8_t* at,
                                                          const uint8_t* end,
                                                          uint32_t length) {
  uint64_t sum = 0;
  uint32_t left = length;
  for (uint32_t i = 0; i < 15; ++i) {
    if (left < 4 || at + 4 > end) break;
    sum += Get<uint32_t>(at);
    at += 4;
    left -= 4;
  }
  return Fold(sum);
}

}  // namespace fathom

#endif  // FATHOM_SRC_BASE_BPF_KERNEL_H_
