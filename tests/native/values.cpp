// values: infinities and NaN, long sums, numbers below the normal range, rounding modes.
#include <cfenv>
#include <cmath>
#include <limits>

#include "cases.h"
#include "check.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace {

constexpr atrous_direction kDirections[] = {ATROUS_FORWARD, ATROUS_INPUT_GRADIENT, ATROUS_KERNEL_GRADIENT};
#if defined(ATROUS_SANITIZED)
constexpr int kFewer = 8;  // times less work
#else
constexpr int kFewer = 1;
#endif

void check_all(const Problem &problem, const char *test) {
  const Expected expected = problem.oracle();
  for (int threads = 1; threads <= 2; ++threads) {
    for (const atrous_plan &plan : plans_of(problem.conv, problem.direction, threads)) {
      const std::string wrong = difference(expected, problem.run(plan).data());
      CHECK_THAT(wrong.empty(), std::string(test) + ": " + wrong + "\n  " + describe(plan));
    }
  }
}

float special_value(Random &random) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float values[] = {infinity, -infinity, std::nanf("")};
  return values[random.between(0, 2)];
}

// One to three of the values become infinite or NaN. Wherever they meet data the result is what the definition says, also where
// an infinity meets a zero; what they don't meet (because it is padding, or another channel, or lies beside what a vector
// needs) is finite.
void infinite_operands() {
  for (int seed = 0; seed < 400 / kFewer; ++seed) {
    Random random(seed);
    const atrous_conv conv = random_conv(random, 5000);
    for (atrous_direction direction : kDirections) {
      Problem problem(conv, direction, seed);
      for (std::vector<float> *values : {&problem.first, &problem.second, &problem.bias}) {
        for (int i = random.between(0, 3); i > 0 && !values->empty(); --i)
          (*values)[random.between(0, values->size() - 1)] = special_value(random);
      }
      check_all(problem, "infinite operands");
    }
  }
}

// All weights of the outer taps of a 5 × 5 kernel are infinite, and at this rate none of them ever meets data.
void infinite_weights_over_padding() {
  for (int64_t channels : {1, 3, 16, 40}) {
    for (int64_t groups : {int64_t{1}, channels}) {
      atrous_conv conv = conv1d(2, 7, channels, channels, 5, 9);
      conv.rank = 2;
      conv.groups = groups;
      conv.input[1] = conv.output[1] = 6;
      conv.kernel[1] = 5;
      conv.strides[1] = 1;
      conv.rates[1] = 6;
      conv.before[1] = 12;
      for (atrous_direction direction : {ATROUS_FORWARD, ATROUS_INPUT_GRADIENT}) {
        Problem problem(conv, direction);
        const size_t tap = problem.second.size() / 25;
        for (size_t i = 0; i < problem.second.size(); ++i)
          if (i / tap != 12) problem.second[i] = i % 2 ? std::nanf("") : std::numeric_limits<float>::infinity();
        for (double value : problem.oracle().value) CHECK(std::isfinite(value));
        check_all(problem, "infinite weights over padding");
      }
    }
  }
}

atrous_conv depthwise(atrous_conv conv) {
  conv.groups = conv.channels;
  return conv;
}

// Terms of one sign, as after a rectifier, add up their rounding errors in the worst way.
void long_sums() {
  const int64_t length = 60000 / kFewer, depth = 2048 / kFewer;
  const struct {
    atrous_conv conv;
    atrous_direction direction;
  } sums[] = {{conv1d(1, length, 3, 5, 3, 8), ATROUS_KERNEL_GRADIENT},
              {conv1d(1, length, 1, 1, 1, 1), ATROUS_KERNEL_GRADIENT},
              {conv1d(1000, length / 1000, 3, 3, 1, 1), ATROUS_KERNEL_GRADIENT},
              {depthwise(conv1d(1, length, 5, 5, 3, 8)), ATROUS_KERNEL_GRADIENT},
              {depthwise(conv1d(1, depth, 5, 10, 3, 8)), ATROUS_KERNEL_GRADIENT},
              {conv1d(1, 9, depth, 20, 9, 1), ATROUS_FORWARD},
              {conv1d(1, 9, 20, depth, 9, 1), ATROUS_INPUT_GRADIENT},
              {conv1d(1, 150, 20, 20, 101, 1), ATROUS_FORWARD},
              {conv1d(1, 150, 20, 20, 101, 1), ATROUS_INPUT_GRADIENT},
              {depthwise(conv1d(1, depth, 5, 5, depth - 1, 1)), ATROUS_FORWARD},
              {depthwise(conv1d(1, depth, 5, 5, depth - 1, 1)), ATROUS_INPUT_GRADIENT}};
  for (const auto &sum : sums) {
    Problem problem(sum.conv, sum.direction);
    for (std::vector<float> *values : {&problem.first, &problem.second})
      for (float &value : *values) value = std::fabs(value);
    check_all(problem, "long sums");
  }
}

// Two threads must give the bits of one, in whatever mode the caller computes.
void check_mode(const Problem &problem) {
  const std::vector<atrous_plan> one = plans_of(problem.conv, problem.direction, 1);
  const std::vector<atrous_plan> two = plans_of(problem.conv, problem.direction, 2);
  CHECK(one.size() == two.size());
  for (size_t i = 0; i < one.size(); ++i) {
    const std::vector<float> expected = problem.run(one[i]);
    for (int repeat = 0; repeat < 40 / kFewer; ++repeat)  // until a worker has surely had its share
      CHECK_THAT(same(expected, problem.run(two[i])), "two threads give other bits than one: " + describe(two[i]));
  }
}

#if defined(__x86_64__)
// TensorFlow sets flush-to-zero, NumPy doesn't. With it, numbers below the normal range count as zeros.
void flush_to_zero() {
  for (atrous_direction direction : kDirections) {
    Problem problem(conv1d(2, 300, 20, 20, 3, 4), direction);
    for (float &value : problem.first) value *= 1e-39f;
    for (float &value : problem.second) value *= 1e30f;
    for (float &value : problem.bias) value *= 1e-9f;
    const Expected kept = problem.oracle();
    const unsigned mode = _mm_getcsr(), flush_mode = mode | 0x8040;  // flush to zero, and denormals are zeros
    for (const atrous_plan &plan : plans_of(problem.conv, direction, 2))
      CHECK(difference(kept, problem.run(plan).data()).empty());
    check_mode(problem);
    _mm_setcsr(flush_mode);
    check_mode(problem);
    for (const atrous_plan &plan : plans_of(problem.conv, direction, 2)) {
      const std::vector<float> result = problem.run(plan);
      const size_t biases = problem.bias.size();
      for (size_t i = 0; i < result.size(); ++i) CHECK(result[i] == (biases ? problem.bias[i % biases] : 0));
    }
    CHECK((_mm_getcsr() & 0xffc0) == (flush_mode & 0xffc0));  // all but the flags
    _mm_setcsr(mode);
  }
}
#endif

void rounding_mode() {
  for (atrous_direction direction : kDirections) {
    const Problem problem(conv1d(2, 300, 20, 20, 3, 4), direction);
    std::fesetround(FE_UPWARD);
    check_mode(problem);
    CHECK(std::fegetround() == FE_UPWARD);
    std::fesetround(FE_TONEAREST);
  }
}

}  // namespace

void test_values() {
  infinite_operands();
  infinite_weights_over_padding();
  long_sums();
#if defined(__x86_64__)
  flush_to_zero();
#endif
  rounding_mode();
}
