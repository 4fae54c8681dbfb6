#include "oracle.h"

#include <cfloat>
#include <cmath>
#include <cstdio>

namespace {

constexpr double kTolerance = 8;  // as in tests/oracle.py
constexpr double kEpsilon = 1.0 / (1 << 23);

int64_t product(const int64_t *sizes, int rank) {
  int64_t result = 1;
  for (int a = 0; a < rank; ++a) result *= sizes[a];
  return result;
}

// One output position, one tap, and the input position where they meet; flattened over the axes.
struct Meeting {
  int64_t output, tap, input;
};

// All of them, along the axes from `axis` on.
std::vector<Meeting> meetings(const atrous_conv &c, int axis) {
  if (axis == c.rank) return {{0, 0, 0}};
  const std::vector<Meeting> rest = meetings(c, axis + 1);
  const int left = c.rank - axis - 1;
  const int64_t outputs = product(c.output + axis + 1, left), taps = product(c.kernel + axis + 1, left);
  const int64_t inputs = product(c.input + axis + 1, left);
  std::vector<Meeting> all;
  for (int64_t i = 0; i < c.output[axis]; ++i) {
    for (int64_t m = 0; m < c.kernel[axis]; ++m) {
      const int64_t at = i * c.strides[axis] + c.rates[axis] * m - c.before[axis];
      if (at < 0 || at >= c.input[axis]) continue;
      for (const Meeting &r : rest) all.push_back({i * outputs + r.output, m * taps + r.tap, at * inputs + r.input});
    }
  }
  return all;
}

std::string text(const int64_t *values, int rank) {
  std::string result = "{";
  for (int a = 0; a < rank; ++a) result += (a ? ", " : "") + std::to_string(values[a]);
  return result + "}";
}

}  // namespace

int64_t x_elements(const atrous_conv &c) { return c.batch * product(c.input, c.rank) * c.channels; }
int64_t w_elements(const atrous_conv &c) { return product(c.kernel, c.rank) * (c.channels / c.groups) * c.filters; }
int64_t y_elements(const atrous_conv &c) { return c.batch * product(c.output, c.rank) * c.filters; }

Sizes sizes_of(const atrous_conv &c, atrous_direction direction) {
  const int64_t x = x_elements(c), w = w_elements(c), y = y_elements(c);
  if (direction == ATROUS_FORWARD) return {x, w, c.filters, y};
  if (direction == ATROUS_INPUT_GRADIENT) return {y, w, c.channels, x};
  return {x, y, 0, w};
}

Expected expected(const atrous_conv &c, atrous_direction direction, const float *first, const float *second,
                  const float *bias) {
  const Sizes sizes = sizes_of(c, direction);
  Expected result;
  result.value.assign(sizes.result, 0);
  result.scale.assign(sizes.result, 0);
  for (int64_t i = 0; bias && i < sizes.result && sizes.bias; ++i) {
    result.value[i] = bias[i % sizes.bias];
    result.scale[i] = std::fabs(bias[i % sizes.bias]);
  }
  const int64_t inner = c.channels / c.groups, outer = c.filters / c.groups;
  const int64_t inputs = product(c.input, c.rank), outputs = product(c.output, c.rank);
  const std::vector<Meeting> all = meetings(c, 0);
  for (int64_t n = 0; n < c.batch; ++n) {
    for (const Meeting &at : all) {
      for (int64_t i = 0; i < c.channels; ++i) {
        const int64_t x = (n * inputs + at.input) * c.channels + i;
        for (int64_t o = 0; o < outer; ++o) {
          const int64_t f = i / inner * outer + o;
          const int64_t y = (n * outputs + at.output) * c.filters + f, w = (at.tap * inner + i % inner) * c.filters + f;
          const int64_t a = direction == ATROUS_INPUT_GRADIENT ? y : x, b = direction == ATROUS_KERNEL_GRADIENT ? y : w;
          const int64_t to = direction == ATROUS_FORWARD ? y : direction == ATROUS_INPUT_GRADIENT ? x : w;
          const double term = static_cast<double>(first[a]) * second[b];
          result.value[to] += term;
          result.scale[to] += std::fabs(term);
        }
      }
    }
  }
  result.macs = static_cast<double>(c.batch) * all.size() * c.channels * outer;
  return result;
}

std::string difference(const Expected &expected, const float *actual) {
  for (size_t i = 0; i < expected.value.size(); ++i) {
    const double value = expected.value[i], allowed = kTolerance * kEpsilon * expected.scale[i] + FLT_MIN;
    const double error = std::fabs(actual[i] - value);
    const bool good = std::isnan(value) ? std::isnan(actual[i]) : std::isinf(value) ? actual[i] == value : error <= allowed;
    if (good) continue;
    char message[200];
    std::snprintf(message, sizeof message, "element %zu of %zu is %.9g, expected %.9g: %.3g times the allowed error", i,
                  expected.value.size(), actual[i], value, error / allowed);
    return message;
  }
  return "";
}

const char *direction_name(int direction) {
  const char *names[] = {"forward", "input gradient", "kernel gradient"};
  return names[direction];
}

std::string describe(const atrous_conv &c) {
  return "rank " + std::to_string(c.rank) + ", batch " + std::to_string(c.batch) + ", channels " + std::to_string(c.channels) +
         ", filters " + std::to_string(c.filters) + ", groups " + std::to_string(c.groups) + ", input " +
         text(c.input, c.rank) + ", output " + text(c.output, c.rank) + ", kernel " + text(c.kernel, c.rank) + ", strides " +
         text(c.strides, c.rank) + ", rates " + text(c.rates, c.rank) + ", before " + text(c.before, c.rank);
}
