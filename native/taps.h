// taps: spec → for every tap its valid output range and input offset. Dilation is addressing, and all of it is here.
//
// Along one axis, output q of a map reads input q·step + offset of each tap whose range [begin, end) holds q, and is written to
// position start + q·stretch. The forward convolution is one such map; the input gradient is one for each residue of the position
// modulo the stride, because there only every stride-th tap meets a gradient. Offsets rise with the index of a tap, so the taps
// that are valid for one output are a run of the list, and the outputs fall into segments that share it.
#pragma once

#include "atrous.h"

namespace atrous {

constexpr int kAxes = ATROUS_MAX_RANK;

struct Tap {
  int64_t weight;      // index along the kernel's axis
  int64_t offset;      // input position of output 0
  int64_t begin, end;  // outputs for which the input position lies inside the data
};

// Outputs [begin, end) meet taps [first, last).
struct Segment {
  int64_t begin, end;
  int64_t first, last;
};

struct Axis {
  int64_t input;           // length of the data that is read
  int64_t output;          // length of the data that is written
  int64_t step;            // read positions between neighbouring outputs
  int64_t start, stretch;  // output q is written to start + q·stretch
  int64_t count;           // outputs
  int64_t taps, segments;
  const Tap *tap;
  const Segment *segment;  // cover [0, count) without gaps
};

inline int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }
inline int64_t ceil_div(int64_t a, int64_t b) { return -floor_div(-a, b); }
inline int64_t round_up(int64_t a, int64_t to) { return ceil_div(a, to) * to; }

// Tap m of the forward convolution; begin is end where no output meets data through it.
Tap forward_tap(const atrous_conv &conv, int axis, int64_t m);

// Bytes of table that an axis with this kernel size needs.
inline size_t table_bytes(int64_t kernel) { return kernel * sizeof(Tap) + (2 * kernel + 1) * sizeof(Segment); }

// Axis of the forward convolution. `table` has `table_bytes` bytes; the axis points into it.
Axis forward_axis(const atrous_conv &conv, int axis, void *table);

// Axis of the input gradient for the positions residue, residue + stride, … of the forward input.
Axis input_gradient_axis(const atrous_conv &conv, int axis, int64_t residue, void *table);

// Multiply-adds along one axis that meet data; with `dense`, all of them. The number of a convolution is the product over axes.
double axis_macs(const atrous_conv &conv, int axis, bool dense);

// The same convolution with fewer axes: an axis that only carries positions along (kernel 1, stride 1, nothing cut or padded) is
// folded into the axis or the batch before it, and axes of length 1 vanish. Always leaves at least one axis.
atrous_conv folded(const atrous_conv &conv);

}  // namespace atrous
