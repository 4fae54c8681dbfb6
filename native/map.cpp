#include "map.h"

#include <algorithm>

namespace atrous {
namespace {

const Tap kOneTap = {0, 0, 0, 1};
const Segment kOneSegment = {0, 1, 0, 1};
const Axis kNoAxis = {1, 1, 1, 0, 1, 1, 1, 1, &kOneTap, &kOneSegment};

int64_t residues(const atrous_conv &conv, int axis) { return std::min(conv.strides[axis], std::max<int64_t>(conv.input[axis], 1)); }

}  // namespace

int64_t map_count(const atrous_plan &plan) {
  int64_t count = 1;
  if (plan.direction == ATROUS_INPUT_GRADIENT)
    for (int a = 0; a < plan.conv.rank; ++a) count *= residues(plan.conv, a);
  return count;
}

size_t map_table_bytes(const atrous_conv &conv) {
  size_t bytes = 0;
  for (int a = 0; a < conv.rank; ++a) bytes += table_bytes(conv.kernel[a]);
  return bytes;
}

Map make_map(const atrous_plan &plan, const Buffers &buffers, int64_t index, int64_t group, char *table) {
  const atrous_conv &conv = plan.conv;
  const bool forward = plan.direction == ATROUS_FORWARD;
  const int64_t inner = conv.channels / conv.groups, outer = conv.filters / conv.groups;
  const int64_t in_channels = forward ? conv.channels : conv.filters, out_channels = forward ? conv.filters : conv.channels;
  Map map;
  map.taps = 1;
  map.batch = conv.batch;
  map.inner = forward ? inner : outer;
  map.outer = forward ? outer : inner;
  map.row = forward ? conv.filters : 1;
  map.column = forward ? 1 : conv.filters;
  map.in_batch = in_channels;
  map.out_batch = out_channels;
  int64_t kernel_pitch = inner * conv.filters;
  for (int a = kAxes - 1; a >= 0; --a) {
    const int axis = a - (kAxes - conv.rank);
    map.axis[a] = kNoAxis;
    if (axis >= 0) {
      map.axis[a] = forward ? forward_axis(conv, axis, table)
                            : input_gradient_axis(conv, axis, index % residues(conv, axis), table);
      if (!forward) index /= residues(conv, axis);
      table += table_bytes(conv.kernel[axis]);
    }
    map.taps *= map.axis[a].taps;
    map.in_pitch[a] = map.in_batch;
    map.out_pitch[a] = map.out_batch;
    map.kernel_pitch[a] = kernel_pitch;
    map.in_batch *= map.axis[a].input;
    map.out_batch *= map.axis[a].output;
    if (axis >= 0) kernel_pitch *= conv.kernel[axis];
  }
  map.in = buffers.first + group * map.inner;
  map.weights = buffers.second + group * outer;
  map.bias = buffers.bias ? buffers.bias + group * map.outer : nullptr;
  map.out = buffers.result + group * map.outer;
  return map;
}

}  // namespace atrous
