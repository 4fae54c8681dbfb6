// outer: the kernel gradient. For every tap it is a matrix product, of the inputs that the tap met with the gradients they went to,
// summed over positions: register tiles of input channels × output channels, updated by one outer product a position.
//
// Gradients of a chunk of positions are packed into the cache once and meet every tap and channel before the next chunk: no
// im2col. Where positions lie so far apart that they crowd the cache, a block of input channels is copied side by side first, once
// for all taps. Work is split over taps and channels, so every sum is made by one thread, in the order of the positions.
#include <algorithm>
#include <cstring>

#include "arena.h"
#include "isa.h"
#include "plan.h"
#include "taps.h"
#include "threads.h"

namespace atrous {
namespace {

constexpr int64_t kSuper = 128;        // output channels that are packed together
constexpr int64_t kChunk = 128 * 1024; // floats of packed gradients: half of a second-level cache
constexpr int64_t kMostPositions = 1024;
constexpr int64_t kPitchAlias = 1024;  // floats: positions a multiple of this apart crowd the second-level cache
constexpr int64_t kPanel = 128 * 1024; // floats of the input copied for a block of channels
constexpr int64_t kPanelTile = 16;     // floats of a tile's channels in the panel

// The geometry, always with three axes: those a convolution lacks stand in front with length 1.
struct Grid {
  int64_t input[kAxes], output[kAxes], step[kAxes], taps[kAxes];
  Tap *tap[kAxes];  // of every index of the kernel's axis

  int64_t lines() const { return output[0] * output[1]; }
};

// How the work is cut. Depends on the plan alone, never on the thread.
struct Cut {
  int64_t super, supers;      // output channels of a task
  int64_t row_tiles, rows;    // tiles of input channels of one tap, and channels of a group
  int64_t block, blocks;      // tiles that are worked on for all taps before the next
  int64_t chunk_lines;        // lines of positions in a chunk …
  int64_t chunk_length;       // … and positions of each: one of the two is whole
  int64_t parts;              // tasks that share the blocks × taps of a super block
  int64_t samples;            // worked on together …
  bool panel;                 // … after the block's channels of their inputs have been copied side by side
};

int64_t positions_of(const atrous_conv &conv, const int64_t *sizes) {
  int64_t positions = 1;
  for (int a = 0; a < conv.rank; ++a) positions *= sizes[a];
  return positions;
}

Cut make_cut(const atrous_plan &plan) {
  const atrous_conv &conv = plan.conv;
  const Kernels &kernels = *kIsas[plan.isa];
  Cut cut;
  cut.rows = conv.channels / conv.groups;
  cut.row_tiles = ceil_div(cut.rows, kernels.rows);
  const int64_t columns = round_up(conv.filters / conv.groups, kernels.columns);
  cut.supers = ceil_div(columns, kSuper);
  cut.super = round_up(ceil_div(columns, cut.supers), kernels.columns);
  cut.supers = ceil_div(columns, cut.super);
  const int64_t tasks = conv.groups * cut.supers;
  cut.parts = tasks % plan.threads == 0 || tasks >= 8 * plan.threads ? 1 : plan.threads;
  const int64_t positions = std::max<int64_t>(positions_of(conv, conv.input), 1);
  cut.panel = conv.strides[conv.rank - 1] * conv.channels % kPitchAlias == 0 && cut.super > kernels.columns &&
              positions * kPanelTile <= kPanel;
  cut.block = cut.panel ? std::min<int64_t>(kPanel / (positions * kPanelTile), 4)
                        : ceil_div(cut.row_tiles, taps_of(conv) < cut.parts ? cut.parts : 1);
  cut.block = std::min(cut.block, cut.row_tiles);
  cut.blocks = ceil_div(cut.row_tiles, cut.block);
  cut.samples = cut.panel ? kPanel / (positions * kPanelTile * cut.block) : conv.batch;
  cut.samples = std::max<int64_t>(std::min(cut.samples, conv.batch), 1);
  int64_t lines = cut.samples;
  for (int a = 0; a + 1 < conv.rank; ++a) lines *= conv.output[a];
  const int64_t length = std::max<int64_t>(conv.output[conv.rank - 1], 1);
  const int64_t most = std::min(kChunk / cut.super, kMostPositions);
  cut.chunk_length = ceil_div(length, ceil_div(length, most));
  const int64_t most_lines = std::max<int64_t>(most / cut.chunk_length, 1);
  cut.chunk_lines = cut.chunk_length < length ? 1 : std::max<int64_t>(ceil_div(lines, ceil_div(std::max<int64_t>(lines, 1), most_lines)), 1);
  return cut;
}

struct Scratch {
  Tap *taps;
  int64_t *a_offset, *b_offset;  // of the lines of a chunk
  float *gradients, *panel;
};

int64_t kernel_sum(const atrous_conv &conv) {
  int64_t sum = kAxes;
  for (int a = 0; a < conv.rank; ++a) sum += conv.kernel[a];
  return sum;
}

Scratch carve(Arena *arena, const atrous_plan &plan, const Cut &cut) {
  Scratch scratch;
  scratch.taps = arena->take<Tap>(kernel_sum(plan.conv));
  scratch.a_offset = arena->take<int64_t>(cut.chunk_lines);
  scratch.b_offset = arena->take<int64_t>(cut.chunk_lines);
  scratch.gradients = arena->take<float>(cut.chunk_lines * cut.chunk_length * cut.super);
  scratch.panel = arena->take<float>(cut.panel ? cut.samples * positions_of(plan.conv, plan.conv.input) * cut.block * kPanelTile : 0);
  return scratch;
}

size_t scratch_bytes(const atrous_plan &plan, const Cut &cut) {
  Arena arena;
  carve(&arena, plan, cut);
  return arena.used();
}

Grid make_grid(const atrous_conv &conv, Tap *taps) {
  Grid grid;
  for (int a = 0; a < kAxes; ++a) {
    const int axis = a - (kAxes - conv.rank);
    const bool has = axis >= 0;
    grid.input[a] = has ? conv.input[axis] : 1;
    grid.output[a] = has ? conv.output[axis] : 1;
    grid.step[a] = has ? conv.strides[axis] : 1;
    grid.taps[a] = has ? conv.kernel[axis] : 1;
    grid.tap[a] = taps;
    for (int64_t m = 0; m < grid.taps[a]; ++m) taps[m] = has ? forward_tap(conv, axis, m) : Tap{0, 0, 0, 1};
    taps += grid.taps[a];
  }
  return grid;
}

// Lines [line, line + lines) of the samples in work, positions [begin, begin + length) of each.
struct Chunk {
  int64_t line, lines, begin, length;
};

// One task: a part of blocks × taps of a group, for a super block of output channels.
class Task {
 public:
  Task(const atrous_plan &plan, const Cut &cut, const Scratch &scratch, const Buffers &buffers, int64_t group, int64_t super,
       int64_t part)
      : kernels_(*kIsas[plan.isa]), conv_(plan.conv), cut_(cut), scratch_(scratch), grid_(make_grid(plan.conv, scratch.taps)) {
    const int64_t outer = conv_.filters / conv_.groups, first = super * cut.super;
    columns_ = std::min(cut.super, outer - first);
    width_ = columns_ <= kernels_.lanes ? kernels_.lanes : kernels_.columns;
    x_ = buffers.first + group * cut.rows;
    dy_ = buffers.second + group * outer + first;
    dw_ = buffers.result + group * outer + first;
    taps_ = grid_.taps[0] * grid_.taps[1] * grid_.taps[2];
    first_unit_ = cut.blocks * taps_ * part / cut.parts;
    last_unit_ = cut.blocks * taps_ * (part + 1) / cut.parts;
  }

  void run() {
    for (int64_t block = first_unit_ / taps_; block * taps_ < last_unit_; ++block) {
      first_tap_ = std::max(first_unit_ - block * taps_, int64_t{0});
      last_tap_ = std::min(last_unit_ - block * taps_, taps_);
      first_tile_ = block * cut_.block;
      last_tile_ = std::min(first_tile_ + cut_.block, cut_.row_tiles);
      first_ = true;
      for (int64_t sample = 0; sample < conv_.batch; sample += cut_.samples)
        run_samples(sample, std::min(cut_.samples, conv_.batch - sample));
      if (first_) run_chunk({0, 0, 0, 0});  // no positions: zeros
    }
  }

 private:
  int64_t first_row(int64_t tile) const { return cut_.rows * tile / cut_.row_tiles; }

  void run_samples(int64_t sample, int64_t samples) {
    const int64_t lines = samples * grid_.lines(), length = grid_.output[2];
    const int64_t positions = grid_.input[0] * grid_.input[1] * grid_.input[2], row = first_row(first_tile_);
    read_ = x_ + sample * positions * conv_.channels + row;
    position_ = conv_.channels;
    if (cut_.panel) {
      position_ = cut_.block * kPanelTile;
      kernels_.copy(read_, conv_.channels, samples * positions, first_row(last_tile_) - row, scratch_.panel, position_, first_row(last_tile_) - row);
      read_ = scratch_.panel;
    }
    gradient_ = dy_ + sample * grid_.lines() * length * conv_.filters;
    Chunk chunk;
    for (chunk.line = 0; chunk.line < lines; chunk.line += cut_.chunk_lines) {
      chunk.lines = std::min(cut_.chunk_lines, lines - chunk.line);
      for (chunk.begin = 0; chunk.begin < length; chunk.begin += cut_.chunk_length) {
        chunk.length = std::min(cut_.chunk_length, length - chunk.begin);
        run_chunk(chunk);
      }
    }
  }

  void run_chunk(const Chunk &chunk) {
    for (int64_t line = 0; line < chunk.lines; ++line)
      pack(gradient_ + ((chunk.line + line) * grid_.output[2] + chunk.begin) * conv_.filters, chunk.length,
           scratch_.gradients + line * chunk.length * width_, chunk.lines * chunk.length * width_);
    for (int64_t tap = first_tap_; tap < last_tap_; ++tap) run_tap(chunk, tap);
    first_ = false;
  }

  // Columns of the super block side by side, a block of them after the other.
  void pack(const float *from, int64_t positions, float *to, int64_t block_pitch) {
    for (int64_t column = 0; column < columns_; column += width_, to += block_pitch)
      kernels_.copy(from + column, conv_.filters, positions, std::min(width_, columns_ - column), to, width_, width_);
  }

  void run_tap(const Chunk &chunk, int64_t tap) {
    const Tap &t0 = grid_.tap[0][tap / grid_.taps[2] / grid_.taps[1]];
    const Tap &t1 = grid_.tap[1][tap / grid_.taps[2] % grid_.taps[1]];
    const Tap &t2 = grid_.tap[2][tap % grid_.taps[2]];
    const int64_t begin = std::max(t2.begin, chunk.begin), end = std::min(t2.end, chunk.begin + chunk.length);
    int64_t runs = 0;
    for (int64_t line = 0; line < chunk.lines && begin < end; ++line) {
      const int64_t q1 = (chunk.line + line) % grid_.output[1], q0 = (chunk.line + line) / grid_.output[1] % grid_.output[0];
      if (q0 < t0.begin || q0 >= t0.end || q1 < t1.begin || q1 >= t1.end) continue;
      const int64_t sample = (chunk.line + line) / grid_.lines();
      const int64_t i0 = q0 * grid_.step[0] + t0.offset, i1 = q1 * grid_.step[1] + t1.offset;
      scratch_.a_offset[runs] =
          (((sample * grid_.input[0] + i0) * grid_.input[1] + i1) * grid_.input[2] + begin * grid_.step[2] + t2.offset) *
          position_;
      scratch_.b_offset[runs++] = (line * chunk.length + begin - chunk.begin) * width_;
    }
    if (!runs && !first_) return;
    Tile tile = {};
    tile.a_offset = scratch_.a_offset;
    tile.b_offset = scratch_.b_offset;
    tile.runs = runs;
    tile.length = end - begin;
    tile.a_row = 1;
    tile.a_step = grid_.step[2] * position_;
    tile.b_step = width_;
    tile.accumulate = !first_;
    for (int64_t t = first_tile_; t < last_tile_; ++t) run_tile(chunk, &tile, tap, t);
  }

  void run_tile(const Chunk &chunk, Tile *shared, int64_t tap, int64_t index) {
    Tile &tile = *shared;
    const int64_t row = first_row(index), rows = first_row(index + 1) - row;
    float *to[kMostRows];
    for (int64_t m = 0; m < rows; ++m) to[m] = dw_ + (tap * cut_.rows + row + m) * conv_.filters;
    tile.c = to;
    tile.a = read_ + row - first_row(first_tile_);
    tile.b = scratch_.gradients;
    for (int64_t column = 0; column < columns_; column += width_, tile.b += chunk.lines * chunk.length * width_) {
      tile.column = column;
      tile.columns = std::min(width_, columns_ - column);
      kernels_.tile_outer[rows - 1][tile.columns > kernels_.lanes](tile);
    }
  }

  const Kernels &kernels_;
  const atrous_conv &conv_;
  const Cut &cut_;
  const Scratch &scratch_;
  const Grid grid_;
  const float *x_, *dy_;
  float *dw_;
  int64_t columns_, width_, taps_;
  int64_t first_unit_, last_unit_;              // blocks × taps
  int64_t first_tap_ = 0, last_tap_ = 0;        // of the block in work …
  int64_t first_tile_ = 0, last_tile_ = 0;      // … and its tiles
  const float *read_ = nullptr, *gradient_ = nullptr;  // of the samples in work
  int64_t position_ = 0;                        // floats between what is read for neighbouring positions
  bool first_ = true;  // sums start from zero; later chunks add to them
};

bool knows(const atrous_plan &plan) { return plan.direction == ATROUS_KERNEL_GRADIENT; }

double seconds(const atrous_plan &plan) {
  const Kernels &kernels = *kIsas[plan.isa];
  const int64_t outer = plan.conv.filters / plan.conv.groups;
  const double idle = static_cast<double>(round_up(outer, kernels.lanes)) / outer;
  return plan.valid_macs * idle / (kernels.lanes * 3.0e9) + 1e-7 * plan.conv.groups;
}

size_t workspace(const atrous_plan &plan) { return arena_bytes(scratch_bytes(plan, make_cut(plan)), plan.threads); }

void run(const atrous_plan &plan, const Buffers &buffers) {
  const Cut cut = make_cut(plan);
  const size_t bytes = scratch_bytes(plan, cut);
  parallel_for(plan.conv.groups * cut.supers * cut.parts, plan.threads, [&](int64_t index, int thread) {
    Arena arena(buffers.workspace + thread * bytes);
    const Scratch scratch = carve(&arena, plan, cut);
    const int64_t part = index % cut.parts, super = index / cut.parts % cut.supers, group = index / cut.parts / cut.supers;
    Task(plan, cut, scratch, buffers, group, super, part).run();
  });
}

}  // namespace

extern const Algorithm kOuter = {"outer", knows, seconds, workspace, run};

}  // namespace atrous
