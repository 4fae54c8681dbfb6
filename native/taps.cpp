#include "taps.h"

#include <algorithm>
#include <cstdlib>

namespace atrous {
namespace {

constexpr double kFarthest = 1e18;  // a distance beyond this could overflow

// Output q reads input q·step + offset: the q below `count` for which that is one of `input` positions.
Tap tap_of(int64_t weight, int64_t offset, int64_t step, int64_t input, int64_t count) {
  const int64_t begin = std::max<int64_t>(0, ceil_div(-offset, step));
  const int64_t end = std::min(count, floor_div(input - 1 - offset, step) + 1);
  return {weight, offset, begin, std::max(begin, end)};
}

// Adds a tap unless no output meets data through it.
void add_tap(const Tap &tap, Axis *axis) {
  if (tap.begin < tap.end) const_cast<Tap *>(axis->tap)[axis->taps++] = tap;
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

Tap forward_tap(const atrous_conv &conv, int a, int64_t m) {
  return tap_of(m, conv.rates[a] * m - conv.before[a], conv.strides[a], conv.input[a], conv.output[a]);
}

Axis forward_axis(const atrous_conv &conv, int a, void *table) {
  Axis axis = {conv.input[a], conv.output[a], conv.strides[a], 0, 1, conv.output[a], 0, 0, nullptr, nullptr};
  point_into(table, conv.kernel[a], &axis);
  for (int64_t m = 0; m < conv.kernel[a]; ++m) add_tap(forward_tap(conv, a, m), &axis);
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
    if (distance % stride == 0) add_tap(tap_of(m, distance / stride, axis.step, axis.input, count), &axis);
  }
  add_segments(const_cast<Segment *>(axis.segment), &axis);
  return axis;
}

double axis_macs(const atrous_conv &conv, int a, bool dense) {
  if (dense) return static_cast<double>(conv.kernel[a]) * conv.output[a];
  double sum = 0;
  for (int64_t m = 0; m < conv.kernel[a]; ++m) {
    const Tap tap = forward_tap(conv, a, m);
    sum += tap.end - tap.begin;
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
