#include "taps.h"

#include <algorithm>
#include <cstdlib>

namespace atrous {
namespace {

constexpr double kFarthest = 1e18;  // a distance beyond this could overflow

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }
int64_t ceil_div(int64_t a, int64_t b) { return -floor_div(-a, b); }

// Adds a tap unless no output meets data through it.
void add_tap(Tap *taps, Axis *axis, int64_t weight, int64_t offset) {
  const int64_t begin = std::max<int64_t>(0, ceil_div(-offset, axis->step));
  const int64_t end = std::min(axis->count, floor_div(axis->input - 1 - offset, axis->step) + 1);
  if (begin < end) taps[axis->taps++] = {weight, offset, begin, end};
}

// Both ends of the ranges fall as offsets rise: one sweep over the outputs with a pointer to either end of the valid run.
void add_segments(Segment *segments, Axis *axis) {
  int64_t first = axis->taps, last = axis->taps;
  for (int64_t at = 0; at < axis->count;) {
    while (first > 0 && axis->tap[first - 1].begin <= at) --first;
    while (last > 0 && axis->tap[last - 1].end <= at) --last;
    int64_t next = axis->count;
    if (first > 0) next = std::min(next, axis->tap[first - 1].begin);
    if (last > 0) next = std::min(next, axis->tap[last - 1].end);
    segments[axis->segments++] = {at, next, std::min(first, last), last};
    at = next;
  }
}

void point_into(void *table, int64_t kernel, Axis *axis) {
  axis->tap = static_cast<Tap *>(table);
  axis->segment = reinterpret_cast<Segment *>(static_cast<Tap *>(table) + kernel);
}

bool only_carries(const atrous_conv &conv, int axis) {
  return conv.kernel[axis] == 1 && conv.strides[axis] == 1 && conv.before[axis] == 0 && conv.input[axis] == conv.output[axis];
}

void remove_axis(atrous_conv *conv, int axis) {
  for (int a = axis; a + 1 < conv->rank; ++a) {
    for (auto *values : {conv->input, conv->output, conv->kernel, conv->strides, conv->rates, conv->before})
      values[a] = values[a + 1];
  }
  --conv->rank;
}

}  // namespace

Axis forward_axis(const atrous_conv &conv, int a, void *table) {
  Axis axis = {conv.input[a], conv.output[a], conv.strides[a], 0, 1, conv.output[a], 0, 0, nullptr, nullptr};
  point_into(table, conv.kernel[a], &axis);
  for (int64_t m = 0; m < conv.kernel[a]; ++m)
    add_tap(const_cast<Tap *>(axis.tap), &axis, m, conv.rates[a] * m - conv.before[a]);
  add_segments(const_cast<Segment *>(axis.segment), &axis);
  return axis;
}

Axis input_gradient_axis(const atrous_conv &conv, int a, int64_t residue, void *table) {
  const int64_t stride = conv.strides[a];
  const int64_t count = residue < conv.input[a] ? (conv.input[a] - 1 - residue) / stride + 1 : 0;
  Axis axis = {conv.output[a], conv.input[a], 1, residue, stride, count, 0, 0, nullptr, nullptr};
  point_into(table, conv.kernel[a], &axis);
  for (int64_t m = conv.kernel[a] - 1; m >= 0; --m) {
    const int64_t distance = residue + conv.before[a] - conv.rates[a] * m;
    if (distance % stride == 0) add_tap(const_cast<Tap *>(axis.tap), &axis, m, distance / stride);
  }
  add_segments(const_cast<Segment *>(axis.segment), &axis);
  return axis;
}

double axis_macs(const atrous_conv &conv, int a, bool dense) {
  if (dense) return static_cast<double>(conv.kernel[a]) * conv.output[a];
  double sum = 0;
  for (int64_t m = 0; m < conv.kernel[a]; ++m) {
    const int64_t offset = conv.rates[a] * m - conv.before[a];
    const int64_t begin = std::max<int64_t>(0, ceil_div(-offset, conv.strides[a]));
    const int64_t end = std::min(conv.output[a], floor_div(conv.input[a] - 1 - offset, conv.strides[a]) + 1);
    sum += std::max<int64_t>(0, end - begin);
  }
  return sum;
}

atrous_conv folded(const atrous_conv &conv) {
  atrous_conv f = conv;
  for (int a = f.rank - 1; a > 0; --a) {
    const int64_t n = f.input[a];  // position i, j becomes i·n + j: exact for every stride where n is 1
    if (!only_carries(f, a) || (f.strides[a - 1] != 1 && n != 1)) continue;
    if ((static_cast<double>(f.rates[a - 1]) * f.kernel[a - 1] + std::abs(f.before[a - 1])) * n > kFarthest) continue;
    for (auto *values : {f.input, f.output, f.rates, f.before}) values[a - 1] *= n;
    remove_axis(&f, a);
  }
  while (f.rank > 1 && only_carries(f, 0)) {
    f.batch *= f.input[0];
    remove_axis(&f, 0);
  }
  if (f.rank == 1 && only_carries(f, 0)) {  // one long row
    f.input[0] *= f.batch;
    f.output[0] *= f.batch;
    f.batch = 1;
  }
  return f;
}

}  // namespace atrous
