// cases: random geometries, small enough to be computed in a millisecond, with everything the API allows in them.
#pragma once

#include <cstdint>
#include <random>

#include "atrous.h"

// Random numbers that are the same on every platform.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  int64_t between(int64_t first, int64_t last) { return first + static_cast<int64_t>(engine_() % (last - first + 1)); }
  bool chance(int percent) { return between(1, 100) <= percent; }
  float value();  // in [-1, 1), a tenth of them zero

  template <size_t N>
  int64_t one_of(const int64_t (&values)[N]) {
    return values[between(0, N - 1)];
  }

 private:
  std::mt19937_64 engine_;
};

// At most 200000 elements in each buffer and `most_macs` multiply-adds, padding included; few with many channels have 600000.
atrous_conv random_conv(Random &random, int64_t most_macs);
