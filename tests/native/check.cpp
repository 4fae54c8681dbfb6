#include "check.h"

#include <cmath>
#include <cstring>

#include "cases.h"

int failures = 0;

std::vector<atrous_plan> plans_of(const atrous_conv &conv, atrous_direction direction, int threads) {
  std::vector<atrous_plan> plans;
  const int isa_before = atrous_isa();
  atrous_set_threads(threads);
  for (int isa = 0; isa < atrous_isa_count(); ++isa) {
    if (!atrous_isa_supported(isa)) continue;
    atrous_set_isa(isa);
    atrous_plan plan;
    for (int algorithm = 0; atrous_algorithm_name(algorithm); ++algorithm) {
      CHECK(atrous_plan_with(&conv, direction, algorithm, &plan) == ATROUS_OK);
      if (plan.algorithm == algorithm && (algorithm != ATROUS_REFERENCE || isa == 0)) plans.push_back(plan);
    }
    CHECK(atrous_plan_make(&conv, direction, &plan) == ATROUS_OK);
    plans.push_back(plan);
  }
  atrous_set_isa(isa_before);
  return plans;
}

std::string describe(const atrous_plan &plan) {
  return std::string(direction_name(plan.direction)) + ", " + atrous_algorithm_name(plan.algorithm) + ", " +
         atrous_isa_name(plan.isa) + ", threads " + std::to_string(plan.threads) + ": " + describe(plan.conv);
}

Problem::Problem(const atrous_conv &c, atrous_direction d, uint64_t seed) : conv(c), direction(d) {
  const Sizes sizes = sizes_of(c, d);
  first.resize(sizes.first);
  second.resize(sizes.second);
  bias.resize(sizes.bias);
  Random random(seed);
  for (std::vector<float> *values : {&first, &second, &bias})
    for (float &value : *values) value = random.value();
}

Expected Problem::oracle() const { return expected(conv, direction, first.data(), second.data(), bias.data()); }

std::vector<float> Problem::run(const atrous_plan &plan) const {
  std::vector<char> workspace(plan.workspace);
  std::vector<float> result(sizes_of(conv, direction).result, std::nanf(""));
  CHECK(atrous_run(&plan, first.data(), second.data(), bias.data(), result.data(), workspace.data()) == ATROUS_OK);
  return result;
}

atrous_conv conv1d(int64_t batch, int64_t length, int64_t channels, int64_t filters, int64_t kernel, int64_t rate) {
  atrous_conv conv = {};
  conv.rank = 1;
  conv.batch = batch;
  conv.channels = channels;
  conv.filters = filters;
  conv.groups = conv.strides[0] = 1;
  conv.input[0] = conv.output[0] = length;
  conv.kernel[0] = kernel;
  conv.rates[0] = rate;
  conv.before[0] = rate * (kernel - 1) / 2;
  return conv;
}

bool same(const std::vector<float> &a, const std::vector<float> &b) {
  return a.size() == b.size() && (a.empty() || !std::memcmp(a.data(), b.data(), a.size() * sizeof(float)));
}
