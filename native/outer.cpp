// outer: the kernel gradient. For every tap it is a matrix product, of the inputs that the tap met with the gradients they went to,
// summed over positions: register tiles of input channels × output channels, updated by one outer product a position.
//
// Gradients of a chunk of positions are packed into the cache once and meet every tap and channel before the next chunk: no
// im2col. Work is split over taps and channels, so every sum is made by one thread, in the order of the positions.
#include <algorithm>
#include <cstring>

#include "isa.h"
#include "plan.h"
#include "taps.h"
#include "threads.h"

namespace atrous {
namespace {

constexpr int64_t kSuper = 128;        // output channels that are packed together
constexpr int64_t kChunk = 128 * 1024; // floats of packed gradients: half of a second-level cache
constexpr int64_t kMostPositions = 1024;
constexpr int64_t kPageAlias = 1024;   // floats: positions a multiple of this apart crowd the second-level cache, too

int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
int64_t ceil_div(int64_t n, int64_t by) { return (n + by - 1) / by; }

// Output positions that one tap of an axis serves, and where it reads for output 0.
struct Range {
  int64_t offset, begin, end;
};

// The geometry, always with three axes: those a convolution lacks stand in front with length 1.
struct Grid {
  int64_t input[kAxes], output[kAxes], step[kAxes], taps[kAxes];
  Range *range[kAxes];

  int64_t lines() const { return output[0] * output[1]; }
};

// How the work is cut. Depends on the plan alone, never on the thread.
struct Cut {
  int64_t super, supers;      // output channels of a task
  int64_t row_tiles, rows;    // tiles of input channels of one tap, and channels of a group
  int64_t chunk_lines;        // lines of positions in a chunk …
  int64_t chunk_length;       // … and positions of each: one of the two is whole
  int64_t parts;              // tasks that share the tiles of a super block
};

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
  int64_t lines = conv.batch;
  for (int a = 0; a + 1 < conv.rank; ++a) lines *= conv.output[a];
  const int64_t length = std::max<int64_t>(conv.output[conv.rank - 1], 1);
  const int64_t most = std::min(kChunk / cut.super, kMostPositions);
  cut.chunk_length = ceil_div(length, ceil_div(length, most));
  const int64_t most_lines = std::max<int64_t>(most / cut.chunk_length, 1);
  cut.chunk_lines = cut.chunk_length < length ? 1 : std::max<int64_t>(ceil_div(lines, ceil_div(std::max<int64_t>(lines, 1), most_lines)), 1);
  const int64_t tasks = conv.groups * cut.supers;
  cut.parts = tasks % plan.threads == 0 || tasks >= 8 * plan.threads ? 1 : plan.threads;
  return cut;
}

constexpr size_t kLine = 64;

size_t aligned(size_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

struct Scratch {
  Range *ranges;
  int64_t *a_offset, *b_offset;  // of the lines of a chunk
  float *gradients, *copy;
};

int64_t kernel_sum(const atrous_conv &conv) {
  int64_t sum = kAxes;
  for (int a = 0; a < conv.rank; ++a) sum += conv.kernel[a];
  return sum;
}

size_t scratch_bytes(const atrous_plan &plan, const Cut &cut) {
  return aligned(kernel_sum(plan.conv) * sizeof(Range)) + 2 * aligned(cut.chunk_lines * sizeof(int64_t)) +
         aligned(cut.chunk_lines * cut.chunk_length * cut.super * sizeof(float)) +
         aligned(cut.chunk_lines * cut.chunk_length * 16 * sizeof(float));
}

Scratch carve(char *at, const atrous_plan &plan, const Cut &cut) {
  auto take = [&at](size_t bytes) {
    char *taken = at;
    at += aligned(bytes);
    return taken;
  };
  Scratch scratch;
  scratch.ranges = reinterpret_cast<Range *>(take(kernel_sum(plan.conv) * sizeof(Range)));
  scratch.a_offset = reinterpret_cast<int64_t *>(take(cut.chunk_lines * sizeof(int64_t)));
  scratch.b_offset = reinterpret_cast<int64_t *>(take(cut.chunk_lines * sizeof(int64_t)));
  scratch.gradients = reinterpret_cast<float *>(take(cut.chunk_lines * cut.chunk_length * cut.super * sizeof(float)));
  scratch.copy = reinterpret_cast<float *>(at);
  return scratch;
}

Range range_of(const atrous_conv &conv, int a, int64_t tap) {
  const int64_t offset = conv.rates[a] * tap - conv.before[a], stride = conv.strides[a];
  const int64_t begin = offset >= 0 ? 0 : ceil_div(-offset, stride);
  const int64_t last = conv.input[a] - 1 - offset;
  const int64_t end = last < 0 ? 0 : std::min(conv.output[a], last / stride + 1);
  return {offset, begin, std::max(begin, end)};
}

Grid make_grid(const atrous_conv &conv, Range *ranges) {
  Grid grid;
  for (int a = 0; a < kAxes; ++a) {
    const int axis = a - (kAxes - conv.rank);
    const bool has = axis >= 0;
    grid.input[a] = has ? conv.input[axis] : 1;
    grid.output[a] = has ? conv.output[axis] : 1;
    grid.step[a] = has ? conv.strides[axis] : 1;
    grid.taps[a] = has ? conv.kernel[axis] : 1;
    grid.range[a] = ranges;
    for (int64_t m = 0; m < grid.taps[a]; ++m) ranges[m] = has ? range_of(conv, axis, m) : Range{0, 0, 1};
    ranges += grid.taps[a];
  }
  return grid;
}

// Lines [line, line + lines) of all samples, positions [begin, begin + length) of each.
struct Chunk {
  int64_t line, lines, begin, length;
};

// One task: tiles [tile · part / parts) of all taps × input channels of a group, for a super block of output channels.
class Task {
 public:
  Task(const atrous_plan &plan, const Cut &cut, const Scratch &scratch, const Buffers &buffers, int64_t group, int64_t super,
       int64_t part)
      : kernels_(*kIsas[plan.isa]), conv_(plan.conv), cut_(cut), scratch_(scratch), grid_(make_grid(plan.conv, scratch.ranges)) {
    const int64_t outer = conv_.filters / conv_.groups, first = super * cut.super;
    columns_ = std::min(cut.super, outer - first);
    width_ = columns_ <= kernels_.lanes ? kernels_.lanes : kernels_.columns;
    x_ = buffers.first + group * cut.rows;
    dy_ = buffers.second + group * outer + first;
    dw_ = buffers.result + group * outer + first;
    const int64_t tiles = grid_.taps[0] * grid_.taps[1] * grid_.taps[2] * cut.row_tiles;
    first_tile_ = tiles * part / cut.parts;
    last_tile_ = tiles * (part + 1) / cut.parts;
    copies_ = grid_.step[2] * conv_.channels % kPageAlias == 0 && columns_ > kernels_.columns;
  }

  void run() {
    if (first_tile_ == last_tile_) return;
    const int64_t lines = conv_.batch * grid_.lines(), length = grid_.output[2];
    first_ = true;
    Chunk chunk;
    for (chunk.line = 0; chunk.line < lines; chunk.line += cut_.chunk_lines) {
      chunk.lines = std::min(cut_.chunk_lines, lines - chunk.line);
      for (chunk.begin = 0; chunk.begin < length; chunk.begin += cut_.chunk_length) {
        chunk.length = std::min(cut_.chunk_length, length - chunk.begin);
        run_chunk(chunk);
      }
    }
    if (first_) run_chunk({0, 0, 0, 0});  // no positions: zeros
  }

 private:
  void run_chunk(const Chunk &chunk) {
    for (int64_t line = 0; line < chunk.lines; ++line)
      pack(dy_ + ((chunk.line + line) * grid_.output[2] + chunk.begin) * conv_.filters, chunk.length,
           scratch_.gradients + line * chunk.length * width_, chunk.lines * chunk.length * width_);
    const int64_t per_tap = cut_.row_tiles;
    for (int64_t tap = first_tile_ / per_tap; tap * per_tap < last_tile_; ++tap)
      run_tap(chunk, tap, std::max(first_tile_ - tap * per_tap, int64_t{0}), std::min(last_tile_ - tap * per_tap, per_tap));
    first_ = false;
  }

  // Columns of the super block side by side, a block of them after the other.
  void pack(const float *from, int64_t positions, float *to, int64_t block_pitch) {
    for (int64_t column = 0; column < columns_; column += width_, to += block_pitch)
      kernels_.copy(from + column, conv_.filters, positions, std::min(width_, columns_ - column), to, width_);
  }

  // Tiles [from, to) of the channels of a tap.
  void run_tap(const Chunk &chunk, int64_t tap, int64_t from, int64_t to) {
    const Range &r0 = grid_.range[0][tap / grid_.taps[2] / grid_.taps[1]];
    const Range &r1 = grid_.range[1][tap / grid_.taps[2] % grid_.taps[1]];
    const Range &r2 = grid_.range[2][tap % grid_.taps[2]];
    const int64_t begin = std::max(r2.begin, chunk.begin), end = std::min(r2.end, chunk.begin + chunk.length);
    int64_t runs = 0;
    for (int64_t line = 0; line < chunk.lines && begin < end; ++line) {
      const int64_t q1 = (chunk.line + line) % grid_.output[1], q0 = (chunk.line + line) / grid_.output[1] % grid_.output[0];
      if (q0 < r0.begin || q0 >= r0.end || q1 < r1.begin || q1 >= r1.end) continue;
      const int64_t sample = (chunk.line + line) / grid_.lines();
      const int64_t i0 = q0 * grid_.step[0] + r0.offset, i1 = q1 * grid_.step[1] + r1.offset;
      scratch_.a_offset[runs] =
          (((sample * grid_.input[0] + i0) * grid_.input[1] + i1) * grid_.input[2] + begin * grid_.step[2] + r2.offset) *
          conv_.channels;
      scratch_.b_offset[runs++] = (line * chunk.length + begin - chunk.begin) * width_;
    }
    if (!runs && !first_) return;
    Tile tile = {};
    tile.a_offset = scratch_.a_offset;
    tile.b_offset = scratch_.b_offset;
    tile.runs = runs;
    tile.length = end - begin;
    tile.a_row = 1;
    tile.a_step = grid_.step[2] * conv_.channels;
    tile.b_step = width_;
    tile.accumulate = !first_;
    for (int64_t t = from; t < to; ++t) run_tile(chunk, tile, tap, t);
  }

  void run_tile(const Chunk &chunk, Tile tile, int64_t tap, int64_t index) {
    const int64_t row = cut_.rows * index / cut_.row_tiles, rows = cut_.rows * (index + 1) / cut_.row_tiles - row;
    float *to[kMostRows];
    for (int64_t m = 0; m < rows; ++m) to[m] = dw_ + (tap * cut_.rows + row + m) * conv_.filters;
    tile.c = to;
    tile.a = x_ + row;
    int64_t *offsets = scratch_.a_offset;
    int64_t packed[kMostPositions];
    if (copies_) {
      for (int64_t run = 0; run < tile.runs; ++run) {
        packed[run] = run * tile.length * 16;
        kernels_.copy(tile.a + offsets[run], tile.a_step, tile.length, rows, scratch_.copy + packed[run], 16);
      }
      tile.a = scratch_.copy;
      tile.a_offset = packed;
      tile.a_step = 16;
    }
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
  int64_t columns_, width_;
  int64_t first_tile_, last_tile_;
  bool copies_;
  bool first_ = true;  // sums start from zero; later chunks add to them
};

bool knows(const atrous_plan &plan) { return plan.direction == ATROUS_KERNEL_GRADIENT; }

double seconds(const atrous_plan &plan) {
  const Kernels &kernels = *kIsas[plan.isa];
  const int64_t outer = plan.conv.filters / plan.conv.groups;
  const double idle = static_cast<double>(round_up(outer, kernels.lanes)) / outer;
  return plan.valid_macs * idle / (kernels.lanes * 3.0e9) + 1e-7 * plan.conv.groups;
}

size_t workspace(const atrous_plan &plan) { return plan.threads * scratch_bytes(plan, make_cut(plan)) + kLine; }

void run(const atrous_plan &plan, const Buffers &buffers) {
  const Cut cut = make_cut(plan);
  const size_t bytes = scratch_bytes(plan, cut);
  char *const base = reinterpret_cast<char *>(aligned(reinterpret_cast<uintptr_t>(buffers.workspace)));
  parallel_for(plan.conv.groups * cut.supers * cut.parts, plan.threads, [&](int64_t index, int thread) {
    const Scratch scratch = carve(base + thread * bytes, plan, cut);
    const int64_t part = index % cut.parts, super = index / cut.parts % cut.supers, group = index / cut.parts / cut.supers;
    Task(plan, cut, scratch, buffers, group, super, part).run();
  });
}

}  // namespace

extern const Algorithm kOuter = {"outer", knows, seconds, workspace, run};

}  // namespace atrous
