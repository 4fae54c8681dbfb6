// reference: the definition, one element after the other, summed in double. Any rank and option; oracle, fallback and baseline.
#include <algorithm>

#include "plan.h"
#include "taps.h"
#include "threads.h"

namespace atrous {
namespace {

// Up to three spatial axes as exactly three: axes in front have length 1.
struct Cube {
  int64_t input[kAxes], output[kAxes], kernel[kAxes], strides[kAxes], rates[kAxes], before[kAxes];

  explicit Cube(const atrous_conv &conv) {
    const int missing = kAxes - conv.rank;
    for (int a = 0; a < kAxes; ++a) {
      const int b = a - missing;
      const bool has = b >= 0;
      input[a] = has ? conv.input[b] : 1;
      output[a] = has ? conv.output[b] : 1;
      kernel[a] = has ? conv.kernel[b] : 1;
      strides[a] = has ? conv.strides[b] : 1;
      rates[a] = has ? conv.rates[b] : 1;
      before[a] = has ? conv.before[b] : 0;
    }
  }

  // Input position that output `at` meets through `tap`, flattened; below zero where there is none.
  int64_t read(const int64_t *at, const int64_t *tap) const {
    int64_t flat = 0;
    for (int a = 0; a < kAxes; ++a) {
      const int64_t i = at[a] * strides[a] + rates[a] * tap[a] - before[a];
      if (i < 0 || i >= input[a]) return -1;
      flat = flat * input[a] + i;
    }
    return flat;
  }

  // Output position that sends its gradient to input `at` through `tap`, flattened; below zero where there is none.
  int64_t wrote(const int64_t *at, const int64_t *tap) const {
    int64_t flat = 0;
    for (int a = 0; a < kAxes; ++a) {
      const int64_t distance = at[a] + before[a] - rates[a] * tap[a];
      if (distance < 0 || distance % strides[a] || distance / strides[a] >= output[a]) return -1;
      flat = flat * output[a] + distance / strides[a];
    }
    return flat;
  }
};

int64_t product(const int64_t *sizes) { return sizes[0] * sizes[1] * sizes[2]; }

void unflatten(int64_t flat, const int64_t *sizes, int64_t *at) {
  for (int a = kAxes - 1; a >= 0; --a) {
    at[a] = flat % sizes[a];
    flat /= sizes[a];
  }
}

void forward(const atrous_conv &c, const Buffers &io, int64_t pixel) {
  const Cube cube(c);
  const int64_t inner = c.channels / c.groups, outer = c.filters / c.groups, taps = product(cube.kernel);
  const int64_t pixels = product(cube.output), batch = pixel / pixels;
  int64_t at[kAxes], tap[kAxes];
  unflatten(pixel % pixels, cube.output, at);
  for (int64_t f = 0; f < c.filters; ++f) {
    double sum = io.bias ? io.bias[f] : 0;
    for (int64_t t = 0; t < taps; ++t) {
      unflatten(t, cube.kernel, tap);
      const int64_t read = cube.read(at, tap);
      if (read < 0) continue;
      const float *x = io.first + (batch * product(cube.input) + read) * c.channels + f / outer * inner;
      const float *w = io.second + t * inner * c.filters + f;
      for (int64_t i = 0; i < inner; ++i) sum += static_cast<double>(x[i]) * w[i * c.filters];
    }
    io.result[pixel * c.filters + f] = static_cast<float>(sum);
  }
}

void input_gradient(const atrous_conv &c, const Buffers &io, int64_t pixel) {
  const Cube cube(c);
  const int64_t inner = c.channels / c.groups, outer = c.filters / c.groups, taps = product(cube.kernel);
  const int64_t pixels = product(cube.input), batch = pixel / pixels;
  int64_t at[kAxes], tap[kAxes];
  unflatten(pixel % pixels, cube.input, at);
  for (int64_t i = 0; i < c.channels; ++i) {
    double sum = io.bias ? io.bias[i] : 0;
    for (int64_t t = 0; t < taps; ++t) {
      unflatten(t, cube.kernel, tap);
      const int64_t wrote = cube.wrote(at, tap);
      if (wrote < 0) continue;
      const float *dy = io.first + (batch * product(cube.output) + wrote) * c.filters + i / inner * outer;
      const float *w = io.second + (t * inner + i % inner) * c.filters + i / inner * outer;
      for (int64_t f = 0; f < outer; ++f) sum += static_cast<double>(dy[f]) * w[f];
    }
    io.result[pixel * c.channels + i] = static_cast<float>(sum);
  }
}

// One row of the kernel: a tap and an input channel.
void kernel_gradient(const atrous_conv &c, const Buffers &io, int64_t row) {
  const Cube cube(c);
  const int64_t inner = c.channels / c.groups, outer = c.filters / c.groups;
  int64_t at[kAxes], tap[kAxes];
  unflatten(row / inner, cube.kernel, tap);
  for (int64_t f = 0; f < c.filters; ++f) {
    double sum = 0;
    for (int64_t pixel = 0; pixel < c.batch * product(cube.output); ++pixel) {
      unflatten(pixel % product(cube.output), cube.output, at);
      const int64_t read = cube.read(at, tap);
      if (read < 0) continue;
      const int64_t x = (pixel / product(cube.output) * product(cube.input) + read) * c.channels + f / outer * inner + row % inner;
      sum += static_cast<double>(io.first[x]) * io.second[pixel * c.filters + f];
    }
    io.result[row * c.filters + f] = static_cast<float>(sum);
  }
}

bool knows(const atrous_plan &) { return true; }

double seconds(const atrous_plan &plan) { return plan.valid_macs * 3e-9; }

size_t workspace(const atrous_plan &) { return 0; }

void run(const atrous_plan &plan, const Buffers &buffers) {
  const atrous_conv &conv = plan.conv;
  void (*const parts[])(const atrous_conv &, const Buffers &, int64_t) = {forward, input_gradient, kernel_gradient};
  const int64_t counts[] = {output_elements(conv) / conv.filters, input_elements(conv) / conv.channels,
                            kernel_elements(conv) / conv.filters};
  const auto part = parts[plan.direction];
  parallel_for(counts[plan.direction], plan.threads, [&](int64_t index, int) { part(conv, buffers, index); });
}

}  // namespace

extern const Algorithm kReference = {"reference", knows, seconds, workspace, run};

}  // namespace atrous
