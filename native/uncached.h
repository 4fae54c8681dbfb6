// uncached: results that are too large to stay in the caches are written past them, which spares reading what is overwritten.
#pragma once

#include <cstdint>

namespace atrous {

// What a last-level cache can hardly keep for the next layer together with that layer's own data.
constexpr int64_t kLeastStreamed = 6 * 1024 * 1024;  // bytes

// Whether a result of this many elements is to be streamed. Vectors must not straddle cache lines, at any channel of any position.
inline bool streams(const float *result, int64_t elements, int64_t channels) {
  constexpr int64_t kLine = 64, kFloat = sizeof(float);
  return elements * kFloat >= kLeastStreamed && reinterpret_cast<uintptr_t>(result) % kLine == 0 && channels * kFloat % kLine == 0;
}

// After the last streamed store of a thread, before another may read.
inline void finish_streaming() {
#if defined(__x86_64__)
  __builtin_ia32_sfence();
#endif
}

}  // namespace atrous
