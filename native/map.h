// map: a convolution as the direct kernels see it. Both directions that produce data (forward, input gradient) are maps from one
// array of positions × channels to another through a list of taps; they differ in where a tap reads and in the order of the
// weights, and nowhere else.
#pragma once

#include "plan.h"
#include "taps.h"

namespace atrous {

// Three axes always; those a convolution lacks stand in front with length 1.
struct Map {
  Axis axis[kAxes];
  int64_t taps;                                // used on all axes
  int64_t batch;
  int64_t inner, outer;                        // channels read and written within a group
  int64_t in_pitch[kAxes], out_pitch[kAxes];   // floats between neighbouring positions
  int64_t in_batch, out_batch;                 // floats between samples
  int64_t kernel_pitch[kAxes];                 // floats between neighbouring weights of an axis
  int64_t row, column;                         // floats between weights of neighbouring channels read, written
  const float *in, *weights, *bias;            // of the group; bias may be null
  float *out;
};

// How many maps a direction is made of: one, or one for each residue of the position modulo the strides.
int64_t map_count(const atrous_plan &plan);

// Bytes of table that a map points into.
size_t map_table_bytes(const atrous_conv &conv);

Map make_map(const atrous_plan &plan, const Buffers &buffers, int64_t index, int64_t group, char *table);

// Outputs that meet the same taps: a product of segments.
struct Box {
  const Segment *segment[kAxes];

  int64_t length(int axis) const { return segment[axis]->end - segment[axis]->begin; }
};

// Calls visit(box) for every box of the map.
template <class Visit>
void for_each_box(const Map &map, Visit &&visit) {
  Box box;
  for (int64_t i = 0; i < map.axis[0].segments; ++i) {
    box.segment[0] = map.axis[0].segment + i;
    for (int64_t j = 0; j < map.axis[1].segments; ++j) {
      box.segment[1] = map.axis[1].segment + j;
      for (int64_t k = 0; k < map.axis[2].segments; ++k) {
        box.segment[2] = map.axis[2].segment + k;
        visit(box);
      }
    }
  }
}

}  // namespace atrous
