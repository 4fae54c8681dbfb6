// plan: spec → algorithm, by a cost model. The registry of algorithms.
#pragma once

#include "atrous.h"

namespace atrous {

// What a run works on. Operands in the order of `atrous_direction`.
struct Buffers {
  const float *first, *second, *bias;
  float *result;
  char *workspace;
};

struct Algorithm {
  const char *name;
  bool (*knows)(const atrous_plan &plan);
  double (*seconds)(const atrous_plan &plan);
  size_t (*workspace)(const atrous_plan &plan);
  void (*run)(const atrous_plan &plan, const Buffers &buffers);
};

// One row adds an algorithm to plans, tests and benchmarks.
extern const Algorithm kReference, kDirect, kOuter, kPlanar, kDepthwise;
extern const Algorithm *const kAlgorithms[];  // as `atrous_algorithm` counts
extern const int kAlgorithmCount;

// Elements of the buffers of a valid geometry.
int64_t input_elements(const atrous_conv &conv);
int64_t output_elements(const atrous_conv &conv);
int64_t kernel_elements(const atrous_conv &conv);
int64_t taps_of(const atrous_conv &conv);  // product of the kernel size

}  // namespace atrous
