// arena: a workspace carved into arrays, each beginning on a cache line. Carving from nothing counts the bytes it takes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace atrous {

class Arena {
 public:
  static constexpr size_t kLine = 64;

  Arena() = default;
  explicit Arena(char *memory) : at_((reinterpret_cast<uintptr_t>(memory) + kLine - 1) / kLine * kLine) {}

  template <class T>
  T *take(int64_t count) {
    T *taken = reinterpret_cast<T *>(at_);
    const size_t bytes = (count * sizeof(T) + kLine - 1) / kLine * kLine;
    at_ += bytes;
    used_ += bytes;
    return taken;
  }

  size_t used() const { return used_; }

 private:
  uintptr_t at_ = 0;
  size_t used_ = 0;
};

// Bytes that `threads` arenas of this size need, wherever the memory begins.
inline size_t arena_bytes(size_t used, int threads) { return used * threads + Arena::kLine; }

}  // namespace atrous
