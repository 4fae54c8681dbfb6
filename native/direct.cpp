// direct: register tiles of output positions × output channels, summed over taps and input channels without leaving the registers.
//
// The weights of a slab (taps × a block of input channels × up to 256 output channels) are packed into the cache once and meet every
// position before the next slab. Positions that meet the same taps form a box; a tile takes up to 14 of them in a row, or, where the
// rows are short, copies of any 14. Where the distance of positions makes them share cache sets, the slab's channels of the whole
// input are copied side by side first.
#include <algorithm>
#include <cstring>

#include "arena.h"
#include "isa.h"
#include "map.h"
#include "uncached.h"
#include "threads.h"

namespace atrous {
namespace {

constexpr int64_t kSuper = 256;        // output channels that share a copy of the input
constexpr int64_t kSlab = 192 * 1024;  // floats of packed weights: most of a second-level cache
constexpr int64_t kCopy = 256;         // floats of a copied position: 14 of them stay in the first-level cache
constexpr int64_t kLeastBlock = 16;    // input channels
constexpr int64_t kLeastRows = 4;      // of a tile: fewer leave the multipliers waiting for each other
constexpr int64_t kPitchAlias = 512;   // floats: positions a multiple of this apart fall into the same cache sets
constexpr int64_t kLine = 16;          // floats of a cache line
constexpr int64_t kRowsAhead = 4;      // of weights that are on their way while one is packed
constexpr int64_t kPanel = 256 * 1024;  // floats of the input copied for a slab

// How the work is cut. Depends on the plan alone, never on the thread.
struct Cut {
  int64_t columns;  // output channels of a full tile
  int64_t super;    // output channels of a task
  int64_t supers;
  int64_t block;    // input channels of a slab
  int64_t taps;     // taps of a slab
  int64_t parts;    // tasks that share the positions of a super block
  int64_t samples;  // worked on together …
  bool panel;       // … after the slab's channels of their inputs have been copied side by side
};

// Positions of one sample that are read.
int64_t read_positions(const atrous_plan &plan) {
  const int64_t *sizes = plan.direction == ATROUS_FORWARD ? plan.conv.input : plan.conv.output;
  int64_t positions = 1;
  for (int a = 0; a < plan.conv.rank; ++a) positions *= sizes[a];
  return positions;
}

Cut make_cut(const atrous_plan &plan) {
  const atrous_conv &conv = plan.conv;
  const bool forward = plan.direction == ATROUS_FORWARD;
  const int64_t inner = (forward ? conv.channels : conv.filters) / conv.groups;
  const int64_t outer = (forward ? conv.filters : conv.channels) / conv.groups;
  const int64_t taps = taps_of(conv);
  Cut cut;
  cut.columns = kIsas[plan.isa]->columns;
  const int64_t columns = round_up(outer, cut.columns);
  cut.supers = (columns + kSuper - 1) / kSuper;
  cut.super = round_up((columns + cut.supers - 1) / cut.supers, cut.columns);
  cut.supers = (columns + cut.super - 1) / cut.super;
  const int64_t rows = kSlab / cut.super;
  cut.block = std::min({inner, kCopy, std::max(rows / taps, kLeastBlock)});
  const int64_t positions = read_positions(plan);
  const int64_t step = forward ? conv.strides[conv.rank - 1] : 1;
  const bool aliases = step * inner * conv.groups % kPitchAlias == 0 && cut.super > cut.columns;
  cut.panel = aliases && positions * kLeastBlock <= kPanel && inner >= kLeastBlock;
  if (cut.panel) cut.block = std::min(cut.block, std::max(kPanel / std::max<int64_t>(positions, 1), kLeastBlock));
  if (cut.block < inner && cut.block > kLeastBlock) cut.block = cut.block / kLeastBlock * kLeastBlock;
  cut.samples = std::max<int64_t>(cut.panel ? kPanel / std::max<int64_t>(positions * cut.block, 1) : conv.batch, 1);
  cut.samples = std::min(cut.samples, std::max<int64_t>(conv.batch, 1));
  cut.taps = std::min(taps, std::max<int64_t>(rows / cut.block, 1));
  const int64_t tasks = map_count(plan) * conv.groups * cut.supers;
  cut.parts = tasks % plan.threads == 0 || tasks >= 8 * plan.threads ? 1 : plan.threads;
  return cut;
}

// What one thread works with; carved out of the workspace.
struct Scratch {
  char *table;
  int64_t *a_offset, *b_offset;  // of the runs of a box
  float *weights, *copy, *panel;
};

Scratch carve(Arena *arena, const atrous_plan &plan, const Cut &cut) {
  Scratch scratch;
  scratch.table = arena->take<char>(map_table_bytes(plan.conv));
  scratch.a_offset = arena->take<int64_t>(cut.taps);
  scratch.b_offset = arena->take<int64_t>(cut.taps);
  scratch.weights = arena->take<float>(cut.taps * cut.block * cut.super);
  scratch.copy = arena->take<float>(kMostRows * (2 * kCopy + 32));
  scratch.panel = arena->take<float>(cut.panel ? cut.samples * read_positions(plan) * cut.block : 0);
  return scratch;
}

size_t scratch_bytes(const atrous_plan &plan, const Cut &cut) {
  Arena arena;
  carve(&arena, plan, cut);
  return arena.used();
}

// Weights that are in the cache together, and the output channels they make.
struct Slab {
  int64_t first_tap, last_tap;  // in the order of the product of the axes' lists
  int64_t channel, channels;    // read
  int64_t column, columns;      // written
  int64_t width;                // floats between packed rows
  bool first;                   // outputs start from the bias; later slabs add to them
};

// One task: the positions [tile · part / parts) of a map, for the columns of a super block.
class Task {
 public:
  Task(const atrous_plan &plan, const Cut &cut, const Map &map, const Scratch &scratch, int64_t super, int64_t part)
      : kernels_(*kIsas[plan.isa]), cut_(cut), map_(map), scratch_(scratch), part_(part) {
    slab_.column = super * cut.super;
    slab_.columns = std::min(cut.super, map.outer - slab_.column);
    slab_.width = slab_.columns <= kernels_.lanes ? kernels_.lanes : kernels_.columns;
    const bool once = cut.block >= map.inner && cut.taps >= map.taps;
    streams_ = once && plan.conv.groups == 1 && streams(map.out, map.batch * map.out_batch, map.out_pitch[2]);
  }

  void run() {
    for (int64_t sample = 0; sample < map_.batch; sample += cut_.samples) {
      samples_ = std::min(cut_.samples, map_.batch - sample);
      in_ = map_.in + sample * map_.in_batch;
      out_ = map_.out + sample * map_.out_batch;
      run_samples();
    }
  }

 private:
  void run_samples() {
    const int64_t total = count_tiles();
    begin_ = total * part_ / cut_.parts;
    end_ = total * (part_ + 1) / cut_.parts;
    if (begin_ == end_) return;
    slab_.first = true;
    for (slab_.channel = 0; slab_.channel < map_.inner; slab_.channel += cut_.block) {
      slab_.channels = std::min(cut_.block, map_.inner - slab_.channel);
      read_from_panel_or_input();
      slab_.first_tap = 0;
      do {  // once where there is no tap at all: the outputs are the bias
        slab_.last_tap = std::min(slab_.first_tap + cut_.taps, map_.taps);
        pack();
        int64_t tile = 0;
        for_each_box(map_, [&](const Box &box) { visit(box, &tile); });
        slab_.first = false;
        slab_.first_tap = slab_.last_tap;
      } while (slab_.first_tap < map_.taps);
    }
  }

  void read_from_panel_or_input() {
    read_ = in_ + slab_.channel;
    position_ = map_.in_pitch[2];
    if (!cut_.panel) return;
    const int64_t positions = samples_ * map_.in_batch / position_;
    position_ = cut_.block;
    kernels_.copy(read_, map_.in_pitch[2], positions, slab_.channels, scratch_.panel, position_, slab_.channels);
    read_ = scratch_.panel;
  }

  // Floats between what is read for neighbouring positions of an axis, and of neighbouring samples.
  int64_t in_pitch(int a) const { return map_.in_pitch[a] / map_.in_pitch[2] * position_; }
  int64_t in_batch() const { return map_.in_batch / map_.in_pitch[2] * position_; }

  int64_t lines(const Box &box) const { return samples_ * box.length(0) * box.length(1); }

  int64_t read_pitch() const { return map_.axis[2].step * position_; }
  int64_t write_pitch() const { return map_.axis[2].stretch * map_.out_pitch[2]; }

  // Whether tiles of this box are copied together from anywhere, instead of lying in one row.
  bool gathers(const Box &box) const {
    const int64_t length = box.length(2), tiles = (length + kernels_.rows - 1) / kernels_.rows;
    const bool is_short = length < kLeastRows * tiles && lines(box) > 1;
    return is_short || (!cut_.panel && map_.axis[2].step * map_.in_pitch[2] % kPitchAlias == 0 && slab_.columns > kernels_.columns);
  }

  int64_t tiles_of(const Box &box) const {
    const int64_t length = gathers(box) ? lines(box) * box.length(2) : box.length(2);
    const int64_t tiles = (length + kernels_.rows - 1) / kernels_.rows;
    return gathers(box) ? tiles : tiles * lines(box);
  }

  int64_t count_tiles() const {
    int64_t total = 0;
    for_each_box(map_, [&](const Box &box) { total += tiles_of(box); });
    return total;
  }

  void pack() {
    int64_t index = 0;
    float *to = scratch_.weights;
    for (int64_t i = 0; i < map_.axis[0].taps; ++i) {
      for (int64_t j = 0; j < map_.axis[1].taps; ++j) {
        for (int64_t k = 0; k < map_.axis[2].taps; ++k, ++index) {
          if (index < slab_.first_tap || index >= slab_.last_tap) continue;
          pack_tap(to, map_.weights + map_.axis[0].tap[i].weight * map_.kernel_pitch[0] +
                           map_.axis[1].tap[j].weight * map_.kernel_pitch[1] + map_.axis[2].tap[k].weight * map_.kernel_pitch[2]);
          to += slab_.channels * slab_.width;
        }
      }
    }
  }

  // Floats between the packed columns of neighbouring tiles.
  int64_t block_pitch() const { return (slab_.last_tap - slab_.first_tap) * slab_.channels * slab_.width; }

  void pack_tap(float *to, const float *tap) {
    const float *from = tap + slab_.channel * map_.row + slab_.column * map_.column;
    const int64_t whole = slab_.columns / slab_.width, rest = slab_.columns % slab_.width, width = slab_.width;
    if (map_.column == 1) {
      for (int64_t row = 0; row < slab_.channels; ++row, from += map_.row, to += width) {
        const float *ahead = from + kRowsAhead * map_.row;
        for (int64_t column = 0; column < slab_.columns; column += kLine) __builtin_prefetch(ahead + column, 0, 2);
        kernels_.copy(from, width, whole, width, to, block_pitch(), width);
        if (rest) kernels_.copy(from + whole * width, width, 1, rest, to + whole * block_pitch(), width, width);
      }
    } else {
      for (int64_t column = 0; column < slab_.columns; column += width, from += width * map_.column, to += block_pitch())
        kernels_.transpose(from, map_.column, std::min(width, slab_.columns - column), slab_.channels, to, width, width);
    }
  }

  void visit(const Box &box, int64_t *tile) {
    const int64_t tiles = tiles_of(box), from = std::max(begin_ - *tile, int64_t{0}), to = std::min(end_ - *tile, tiles);
    *tile += tiles;
    if (from >= to) return;
    set_runs(box);
    if (!runs_ && !slab_.first) return;
    if (gathers(box))
      run_gathered(box, from, to);
    else
      run_rows(box, from, to);
  }

  // The taps of the box that are in the slab.
  void set_runs(const Box &box) {
    const Axis *axis = map_.axis;
    runs_ = 0;
    for (int64_t i = box.segment[0]->first; i < box.segment[0]->last; ++i) {
      for (int64_t j = box.segment[1]->first; j < box.segment[1]->last; ++j) {
        for (int64_t k = box.segment[2]->first; k < box.segment[2]->last; ++k) {
          const int64_t index = (i * axis[1].taps + j) * axis[2].taps + k;
          if (index < slab_.first_tap || index >= slab_.last_tap) continue;
          scratch_.a_offset[runs_] = axis[0].tap[i].offset * in_pitch(0) + axis[1].tap[j].offset * in_pitch(1) +
                                     axis[2].tap[k].offset * position_;
          scratch_.b_offset[runs_++] = (index - slab_.first_tap) * slab_.channels * slab_.width;
        }
      }
    }
  }

  // Tiles [from, to) of a box, each along one row.
  void run_rows(const Box &box, int64_t from, int64_t to) {
    const int64_t length = box.length(2), per_line = (length + kernels_.rows - 1) / kernels_.rows;
    Tile tile = {};
    tile.a_offset = scratch_.a_offset;
    tile.b_offset = scratch_.b_offset;
    tile.runs = runs_;
    tile.length = slab_.channels;
    tile.a_row = read_pitch();
    tile.a_step = 1;
    tile.accumulate = !slab_.first;
    float *rows[kMostRows];
    tile.c = rows;
    for (int64_t line = from / per_line; line * per_line < to; ++line) {
      const float *read;
      float *write;
      locate(box, line, 0, &read, &write);
      const int64_t first = std::max(from - line * per_line, int64_t{0}), last = std::min(to - line * per_line, per_line);
      for (int64_t t = first; t < last; ++t) {
        const int64_t begin = length * t / per_line, count = length * (t + 1) / per_line - begin;
        tile.a = read + begin * tile.a_row;
        look_ahead(&tile, count);
        for (int64_t m = 0; m < count; ++m) rows[m] = write + (begin + m) * write_pitch();
        run_columns(tile, count);
      }
    }
  }

  // While a tile is computed, the next one's data are brought near, a little at every step: the hardware's own prefetch ends with
  // each page, and asking for all of it at once would stall. Only where positions lie close, and are read for the first time.
  void look_ahead(Tile *tile, int64_t count) const {
    tile->ahead = reinterpret_cast<const char *>(tile->a);
    tile->ahead_step = 0;
    if (!slab_.first || !runs_ || cut_.panel || slab_.channels != tile->a_row) return;
    tile->ahead = reinterpret_cast<const char *>(tile->a + scratch_.a_offset[runs_ - 1] + count * tile->a_row);
    const int64_t steps = runs_ * slab_.channels * ((slab_.columns + slab_.width - 1) / slab_.width);
    tile->ahead_step = count * tile->a_row * static_cast<int64_t>(sizeof(float)) / steps;
  }

  // Tiles [from, to) of a box, each of any positions: their data are copied side by side first.
  void run_gathered(const Box &box, int64_t from, int64_t to) {
    const int64_t length = box.length(2), positions = lines(box) * length;
    const int64_t tiles = (positions + kernels_.rows - 1) / kernels_.rows;
    const int64_t runs_at_once = std::max<int64_t>(kCopy / slab_.channels, 1);
    for (int64_t t = from; t < to; ++t) {
      const int64_t begin = positions * t / tiles, count = positions * (t + 1) / tiles - begin;
      const float *reads[kMostRows];
      float *rows[kMostRows];
      for (int64_t m = 0; m < count; ++m) locate(box, (begin + m) / length, (begin + m) % length, &reads[m], &rows[m]);
      int64_t run = 0;
      do {
        const int64_t runs = std::min(runs_ - run, runs_at_once);
        run_copied(reads, rows, count, run, runs, slab_.first && run == 0);
        run += runs;
      } while (run < runs_);
    }
  }

  void run_copied(const float *const *reads, float *const *rows, int64_t count, int64_t run, int64_t runs, bool first) {
    // An odd number of cache lines apart, so that the positions don't share sets.
    const int64_t pitch = round_up(runs * slab_.channels, 32) + 16;
    int64_t offsets[kCopy];
    for (int64_t m = 0; m < count; ++m) {
      float *to = scratch_.copy + m * pitch;
      for (int64_t r = 0; r < runs; ++r, to += slab_.channels)
        std::memcpy(to, reads[m] + scratch_.a_offset[run + r], slab_.channels * sizeof(float));
    }
    for (int64_t r = 0; r < runs; ++r) offsets[r] = r * slab_.channels;
    Tile tile = {};
    tile.a = scratch_.copy;
    tile.a_offset = offsets;
    tile.b_offset = scratch_.b_offset + run;
    tile.runs = runs;
    tile.length = slab_.channels;
    tile.a_row = pitch;
    tile.a_step = 1;
    tile.accumulate = !first;
    tile.c = rows;
    run_columns(tile, count);
  }

  void run_columns(Tile &tile, int64_t rows) {
    const TileFunction *functions = kernels_.tile[rows - 1];
    tile.b = scratch_.weights;
    tile.b_step = slab_.width;
    for (int64_t column = 0; column < slab_.columns; column += slab_.width, tile.b += block_pitch()) {
      tile.ahead += column ? tile.ahead_step * tile.runs * tile.length : 0;
      tile.column = slab_.column + column;
      tile.columns = std::min(slab_.width, slab_.columns - column);
      tile.start = map_.bias ? map_.bias + tile.column : nullptr;
      tile.stream = streams_;
      functions[tile.columns > kernels_.lanes](tile);
    }
  }

  // Where output `at` of the box's row `line` reads (through offset 0) and writes.
  void locate(const Box &box, int64_t line, int64_t at, const float **read, float **write) const {
    const int64_t q1 = box.segment[1]->begin + line % box.length(1);
    line /= box.length(1);
    const int64_t q0 = box.segment[0]->begin + line % box.length(0), sample = line / box.length(0);
    const int64_t q[kAxes] = {q0, q1, box.segment[2]->begin + at};
    int64_t in = sample * in_batch(), out = sample * map_.out_batch;
    for (int a = 0; a < kAxes; ++a) {
      in += q[a] * map_.axis[a].step * in_pitch(a);
      out += (map_.axis[a].start + q[a] * map_.axis[a].stretch) * map_.out_pitch[a];
    }
    *read = read_ + in;
    *write = out_ + out;
  }

  const Kernels &kernels_;
  const Cut &cut_;
  const Map &map_;
  const Scratch &scratch_;
  const int64_t part_;
  const float *in_ = nullptr, *read_ = nullptr;  // the samples in work: their input, and what tiles read of it
  float *out_ = nullptr;
  int64_t samples_ = 0;
  bool streams_;                 // outputs are written once, and past the caches
  int64_t position_ = 0;         // floats between what is read for neighbouring positions
  int64_t begin_ = 0, end_ = 0;  // tiles of the samples
  int64_t runs_ = 0;
  Slab slab_ = {};
};

bool knows(const atrous_plan &plan) { return plan.direction != ATROUS_KERNEL_GRADIENT; }

double seconds(const atrous_plan &plan) {
  const atrous_conv &conv = plan.conv;
  const int64_t outer = (plan.direction == ATROUS_FORWARD ? conv.filters : conv.channels) / conv.groups;
  const double idle = static_cast<double>(round_up(outer, kIsas[plan.isa]->lanes)) / outer;
  const double outputs = static_cast<double>(plan.direction == ATROUS_FORWARD ? output_elements(conv) : input_elements(conv));
  const double tiles = outputs / outer / kIsas[plan.isa]->rows * (round_up(outer, kIsas[plan.isa]->columns) / kIsas[plan.isa]->columns);
  return plan.valid_macs * idle / (kIsas[plan.isa]->lanes * 3.5e9) + tiles * 36e-9 + 1e-7 * map_count(plan) * conv.groups;
}

size_t workspace(const atrous_plan &plan) { return arena_bytes(scratch_bytes(plan, make_cut(plan)), plan.threads); }

void run(const atrous_plan &plan, const Buffers &buffers) {
  const Cut cut = make_cut(plan);
  const size_t bytes = scratch_bytes(plan, cut);
  const int64_t maps = map_count(plan), groups = plan.conv.groups;
  parallel_for(maps * groups * cut.supers * cut.parts, plan.threads, [&](int64_t index, int thread) {
    Arena arena(buffers.workspace + thread * bytes);
    const Scratch scratch = carve(&arena, plan, cut);
    const int64_t part = index % cut.parts, super = index / cut.parts % cut.supers;
    const int64_t group = index / cut.parts / cut.supers % groups, phase = index / cut.parts / cut.supers / groups;
    const Map map = make_map(plan, buffers, phase, group, scratch.table);
    Task(plan, cut, map, scratch, super, part).run();
    finish_streaming();
  });
}

}  // namespace

extern const Algorithm kDirect = {"direct", knows, seconds, workspace, run};

}  // namespace atrous
