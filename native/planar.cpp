// planar: few output channels. The data of a window are turned into planes, one a channel, so that vectors run over positions and
// none of their lanes is idle; rows of the register tiles are output channels. The tiles are those of `direct` with data and weights
// in each other's place. Outputs are planes, too, and are turned back line by line.
//
// Knows maps with step 1 along two axes at most: forward convolutions with stride 1, and every input gradient.
#include <algorithm>

#include "arena.h"
#include "isa.h"
#include "map.h"
#include "threads.h"

namespace atrous {
namespace {

constexpr int64_t kWindow = 256 * 1024;  // floats of input planes
constexpr int64_t kMostChannels = 32;
constexpr int64_t kMostLength = 2048;    // outputs of a line in a window
constexpr int64_t kMargin = 48;          // floats behind a line that vectors may read

struct Sizes {
  int64_t inner, outer;
  int64_t lines, length;            // outputs of a sample
  int64_t line_span, length_span;   // input positions beyond those of the outputs that taps reach, at most
};

Sizes sizes_of(const atrous_plan &plan) {
  const atrous_conv &conv = plan.conv;
  const bool forward = plan.direction == ATROUS_FORWARD;
  const int64_t channels = conv.channels / conv.groups, filters = conv.filters / conv.groups;
  const int last = conv.rank - 1;
  auto outputs = [&](int a) { return forward ? conv.output[a] : ceil_div(conv.input[a], conv.strides[a]); };
  auto span = [&](int a) {
    const int64_t reads = forward ? conv.input[a] : conv.output[a];
    return std::min((conv.kernel[a] - 1) * conv.rates[a] / conv.strides[a] + 1, reads);
  };
  return {forward ? channels : filters, forward ? filters : channels, conv.rank > 1 ? outputs(last - 1) : 1, outputs(last),
          conv.rank > 1 ? span(last - 1) : 0, span(last)};
}

// Floats between planes: an odd number of cache lines, so that they don't share sets.
int64_t apart(int64_t length) { return round_up(length, 32) + kMargin; }

// A window of outputs and the planes it takes. Depends on the plan alone.
struct Cut {
  int64_t lines, length;  // outputs
  int64_t pitch;          // floats of an input line of one channel
  int64_t rows;           // input lines
  int64_t out_pitch;
};

Cut make_cut(const Sizes &sizes) {
  Cut cut;
  const int64_t pieces = ceil_div(std::max<int64_t>(sizes.length, 1), std::max(kMostLength, sizes.length_span));
  cut.length = ceil_div(std::max<int64_t>(sizes.length, 1), pieces);
  cut.pitch = apart(cut.length + sizes.length_span);
  const int64_t most = std::max<int64_t>(kWindow / (cut.pitch * sizes.inner) - sizes.line_span, 1);
  cut.lines = ceil_div(std::max<int64_t>(sizes.lines, 1), ceil_div(std::max<int64_t>(sizes.lines, 1), most));
  cut.rows = cut.lines + sizes.line_span;
  cut.out_pitch = apart(cut.length);
  return cut;
}

struct Scratch {
  char *table;
  int64_t *a_offset, *b_offset;
  float *planes, *out;
};

Scratch carve(Arena *arena, const atrous_plan &plan, const Sizes &sizes, const Cut &cut) {
  Scratch scratch;
  scratch.table = arena->take<char>(map_table_bytes(plan.conv));
  scratch.a_offset = arena->take<int64_t>(taps_of(plan.conv));
  scratch.b_offset = arena->take<int64_t>(taps_of(plan.conv));
  scratch.planes = arena->take<float>(cut.rows * sizes.inner * cut.pitch);
  scratch.out = arena->take<float>(sizes.outer * cut.out_pitch);
  return scratch;
}

size_t scratch_bytes(const atrous_plan &plan, const Sizes &sizes, const Cut &cut) {
  Arena arena;
  carve(&arena, plan, sizes, cut);
  return arena.used();
}

// A range of positions.
struct Range {
  int64_t begin, end;

  int64_t size() const { return std::max<int64_t>(end - begin, 0); }
};

Range both(Range a, Range b) { return {std::max(a.begin, b.begin), std::min(a.end, b.end)}; }

// What outputs of an axis read.
Range reads(const Axis &axis, Range outputs) {
  if (!axis.taps || !outputs.size()) return {0, 0};
  const Range all = {outputs.begin + axis.tap[0].offset, outputs.end - 1 + axis.tap[axis.taps - 1].offset + 1};
  return both(all, {0, axis.input});
}

// One window of one sample of a map.
class Task {
 public:
  Task(const atrous_plan &plan, const Cut &cut, const Map &map, const Scratch &scratch, int64_t sample, int64_t window)
      : kernels_(*kIsas[plan.isa]), cut_(cut), map_(map), scratch_(scratch), is_forward_(plan.direction == ATROUS_FORWARD) {
    const int64_t across = std::max<int64_t>(ceil_div(map.axis[2].count, cut.length), 1);
    in_ = map.in + sample * map.in_batch;
    out_ = map.out + sample * map.out_batch;
    lines_ = both({window / across * cut.lines, (window / across + 1) * cut.lines}, {0, map.axis[1].count});
    columns_ = both({window % across * cut.length, (window % across + 1) * cut.length}, {0, map.axis[2].count});
  }

  void run() {
    if (!lines_.size() || !columns_.size()) return;
    turn_into_planes();
    for (int64_t i = 0; i < map_.axis[1].segments; ++i) {
      const Segment &segment = map_.axis[1].segment[i];
      const Range lines = both(lines_, {segment.begin, segment.end});
      for (int64_t line = lines.begin; line < lines.end; ++line) {
        for (int64_t j = 0; j < map_.axis[2].segments; ++j) run_piece(line, segment, map_.axis[2].segment[j]);
        turn_back(line);
      }
    }
  }

 private:
  // planes[line][channel][position]
  void turn_into_planes() {
    rows_ = reads(map_.axis[1], lines_);
    positions_ = reads(map_.axis[2], columns_);
    for (int64_t row = rows_.begin; row < rows_.end; ++row) {
      const float *from = in_ + row * map_.in_pitch[1] + positions_.begin * map_.in_pitch[2];
      kernels_.transpose(from, map_.in_pitch[2], positions_.size(), map_.inner, plane(row), cut_.pitch, positions_.size());
    }
  }

  float *plane(int64_t row) const { return scratch_.planes + (row - rows_.begin) * map_.inner * cut_.pitch; }

  // The outputs of a line that meet the same taps.
  void run_piece(int64_t line, const Segment &outer, const Segment &inner) {
    const Range columns = both(columns_, {inner.begin, inner.end});
    if (!columns.size()) return;
    const Axis *axis = map_.axis;
    int64_t runs = 0;
    for (int64_t i = outer.first; i < outer.last; ++i) {
      for (int64_t j = inner.first; j < inner.last; ++j) {
        scratch_.a_offset[runs] = axis[1].tap[i].weight * map_.kernel_pitch[1] + axis[2].tap[j].weight * map_.kernel_pitch[2];
        scratch_.b_offset[runs++] =
            plane(line + axis[1].tap[i].offset) - scratch_.planes + axis[2].tap[j].offset - positions_.begin;
      }
    }
    Tile tile = {};
    tile.a_offset = scratch_.a_offset;
    tile.b_offset = scratch_.b_offset;
    tile.runs = runs;
    tile.length = map_.inner;
    tile.a_row = map_.column;
    tile.a_step = map_.row;
    tile.b_step = cut_.pitch;
    tile.ahead = reinterpret_cast<const char *>(scratch_.planes);
    for (int64_t at = columns.begin; at < columns.end; at += kernels_.columns) {
      tile.b = scratch_.planes + at;
      tile.column = at - columns_.begin;
      tile.columns = std::min<int64_t>(kernels_.columns, columns.end - at);
      run_channels(tile);
    }
  }

  void run_channels(Tile &tile) {
    const int64_t tiles = ceil_div(map_.outer, kernels_.rows);
    tile.c = out_rows_;
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t first = map_.outer * t / tiles, count = map_.outer * (t + 1) / tiles - first;
      for (int64_t m = 0; m < count; ++m) out_rows_[m] = scratch_.out + (first + m) * cut_.out_pitch;
      tile.a = map_.weights + first * map_.column;
      (is_forward_ ? kernels_.tile_outer : kernels_.tile)[count - 1][tile.columns > kernels_.lanes](tile);
    }
  }

  void turn_back(int64_t line) {
    if (map_.bias) {
      for (int64_t c = 0; c < map_.outer; ++c)
        for (int64_t i = 0; i < columns_.size(); ++i) scratch_.out[c * cut_.out_pitch + i] += map_.bias[c];
    }
    const Axis *axis = map_.axis;
    float *to = out_ + axis[0].start * map_.out_pitch[0] + (axis[1].start + line * axis[1].stretch) * map_.out_pitch[1] +
                (axis[2].start + columns_.begin * axis[2].stretch) * map_.out_pitch[2];
    kernels_.transpose(scratch_.out, cut_.out_pitch, map_.outer, columns_.size(), to, axis[2].stretch * map_.out_pitch[2], map_.outer);
  }

  const Kernels &kernels_;
  const Cut &cut_;
  const Map &map_;
  const Scratch &scratch_;
  const bool is_forward_;
  const float *in_;
  float *out_;
  Range lines_, columns_;             // outputs
  Range rows_ = {}, positions_ = {};  // inputs
  float *out_rows_[kMostRows];        // of the channels in work
};

bool knows(const atrous_plan &plan) {
  const atrous_conv &conv = plan.conv;
  if (plan.direction == ATROUS_KERNEL_GRADIENT || conv.rank > 2) return false;
  if (plan.direction == ATROUS_FORWARD)
    for (int a = 0; a < conv.rank; ++a)
      if (conv.strides[a] != 1) return false;
  const Sizes sizes = sizes_of(plan);
  const Cut cut = make_cut(sizes);
  return sizes.outer <= kMostChannels && sizes.inner * cut.pitch * cut.rows <= 2 * kWindow;
}

// Lanes in use, against those of direct; planes made and turned back.
double seconds(const atrous_plan &plan) {
  const Sizes sizes = sizes_of(plan);
  const Cut cut = make_cut(sizes);
  const Kernels &kernels = *kIsas[plan.isa];
  const int64_t segments = std::min(plan.conv.kernel[plan.conv.rank - 1], sizes.length);
  const double idle = 1 + 0.3 * kernels.lanes * segments / std::max<int64_t>(sizes.length, 1);
  const double few = sizes.outer == 1 ? 2.0 : sizes.outer < 4 ? 1.5 : 1.05;  // rows that are too few to hide the latency
  const double again = 1.0 + static_cast<double>(sizes.line_span) / cut.lines + static_cast<double>(sizes.length_span) / cut.length;
  const double turned = static_cast<double>(input_elements(plan.conv)) * (plan.direction == ATROUS_FORWARD ? again : 1) +
                        static_cast<double>(output_elements(plan.conv)) * (plan.direction == ATROUS_FORWARD ? 1 : again);
  const double tiles = static_cast<double>(sizes.lines) * plan.conv.batch * sizes.length / kernels.columns * ceil_div(sizes.outer, kernels.rows);
  const double turning = sizes.inner > kMostChannels ? 0.2e-9 : 0.12e-9;
  return plan.valid_macs * idle * few / (kernels.lanes * 3.5e9) + turned * turning + tiles * map_count(plan) * 25e-9;
}

size_t workspace(const atrous_plan &plan) {
  const Sizes sizes = sizes_of(plan);
  return arena_bytes(scratch_bytes(plan, sizes, make_cut(sizes)), plan.threads);
}

void run(const atrous_plan &plan, const Buffers &buffers) {
  const Sizes sizes = sizes_of(plan);
  const Cut cut = make_cut(sizes);
  const size_t bytes = scratch_bytes(plan, sizes, cut);
  const int64_t windows = ceil_div(std::max<int64_t>(sizes.lines, 1), cut.lines) * ceil_div(std::max<int64_t>(sizes.length, 1), cut.length);
  const int64_t maps = map_count(plan), groups = plan.conv.groups;
  parallel_for(maps * groups * plan.conv.batch * windows, plan.threads, [&](int64_t index, int thread) {
    Arena arena(buffers.workspace + thread * bytes);
    const Scratch scratch = carve(&arena, plan, sizes, cut);
    const int64_t window = index % windows, sample = index / windows % plan.conv.batch;
    const int64_t group = index / windows / plan.conv.batch % groups, phase = index / windows / plan.conv.batch / groups;
    const Map map = make_map(plan, buffers, phase, group, scratch.table);
    Task(plan, cut, map, scratch, sample, window).run();
  });
}

}  // namespace

extern const Algorithm kPlanar = {"planar", knows, seconds, workspace, run};

}  // namespace atrous
