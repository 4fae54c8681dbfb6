// check: what the named tests are made of.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "oracle.h"

extern int failures;

#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)
#define CHECK_THAT(condition, what) check((condition), (what), __FILE__, __LINE__)
inline void check(bool condition, const std::string &what, const char *file, int line) {
  if (condition) return;
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
  ++failures;
}

// Every way to compute it: algorithms that know the case × instruction sets of this processor, and the library's own choice.
std::vector<atrous_plan> plans_of(const atrous_conv &conv, atrous_direction direction, int threads);

// Algorithm, instruction set, threads and geometry of a plan.
std::string describe(const atrous_plan &plan);

// A convolution with operands in [-1, 1), to be changed before it is run.
struct Problem {
  Problem(const atrous_conv &conv, atrous_direction direction, uint64_t seed = 1);

  Expected oracle() const;
  // Makes the workspace and the result, which begins as NaN.
  std::vector<float> run(const atrous_plan &plan) const;

  atrous_conv conv;
  atrous_direction direction;
  std::vector<float> first, second, bias;
};

// One spatial axis, one group; `before` such that the output is as long as the input and centred.
atrous_conv conv1d(int64_t batch, int64_t length, int64_t channels, int64_t filters, int64_t kernel, int64_t rate);

// Whether two results have the same bits.
bool same(const std::vector<float> &a, const std::vector<float> &b);

// One file each.
void test_values();
void test_large();
void test_contract();
void test_threads();
void test_streams();
