// depthwise: each channel by itself. Vectors run over channels, register tiles over a few positions, so that a weight is loaded once
// for all of them. A block of channels passes over all positions before the next: its rows stay in the cache from tap to tap.
//
// With a depth multiplier m, filter c·m + j sees channel c. The weights of one j are drawn together and outputs put apart (forward),
// products summed over j (input gradient), or gradients drawn apart (kernel gradient): the vector kernels know no multiplier.
#include <algorithm>
#include <cstring>

#include "arena.h"
#include "isa.h"
#include "map.h"
#include "uncached.h"
#include "threads.h"

namespace atrous {
namespace {

constexpr int64_t kRest = 15;      // channels that make no block of their own
constexpr int64_t kBlock = 128;    // channels that pass together: a position of them fills some cache lines
constexpr int64_t kLength = 256;   // positions of a row whose gradients are drawn apart at once

int64_t multiplier_of(const atrous_conv &conv) { return conv.filters / conv.channels; }

// Blocks begin on a cache line wherever positions do. A rest below a vector belongs to the block before it.
struct Cut {
  int64_t blocks, parts;

  int64_t first(const atrous_conv &conv, int64_t block) const { return block < blocks ? block * kBlock : conv.channels; }
};

Cut make_cut(const atrous_plan &plan) {
  const atrous_conv &conv = plan.conv;
  Cut cut;
  cut.blocks = std::max<int64_t>(ceil_div(conv.channels - kRest, kBlock), 1);
  const bool sums = plan.direction == ATROUS_KERNEL_GRADIENT;  // over positions: they can't be shared out
  cut.parts = sums || cut.blocks >= 8 * plan.threads ? 1 : plan.threads;
  return cut;
}

struct Scratch {
  char *table;
  int64_t *a_offset, *b_offset;
  float *weights;  // of a block of channels, or their gradient, apart by j
  float *apart;    // results or gradients of some positions, likewise
};

Scratch carve(Arena *arena, const atrous_conv &conv) {
  const int64_t taps = taps_of(conv), multiplier = multiplier_of(conv);
  Scratch scratch;
  scratch.table = arena->take<char>(map_table_bytes(conv));
  scratch.a_offset = arena->take<int64_t>(taps);
  scratch.b_offset = arena->take<int64_t>(taps);
  scratch.weights = arena->take<float>(taps * multiplier * (kBlock + kRest));
  scratch.apart = arena->take<float>(multiplier > 1 ? kLength * (kBlock + kRest) * multiplier : 0);
  return scratch;
}

size_t scratch_bytes(const atrous_conv &conv) {
  Arena arena;
  carve(&arena, conv);
  return arena.used();
}

// A block of channels over all positions of a map, or those of a part.
class Task {
 public:
  Task(const atrous_plan &plan, const Buffers &buffers, const Map &map, const Scratch &scratch, int64_t first, int64_t channels)
      : kernels_(*kIsas[plan.isa]), conv_(plan.conv), map_(map), scratch_(scratch), buffers_(buffers), first_(first),
        channels_(channels), multiplier_(multiplier_of(plan.conv)),
        streams_(plan.direction != ATROUS_KERNEL_GRADIENT &&
                 streams(buffers.result, map.batch * map.out_batch, map.out_pitch[2])) {}

  void forward(int64_t part, int64_t parts) {
    draw_weights();
    for_each_line(part, parts, [&](const float *x, float *y, int64_t length) {
      for_each_tile(length, [&](int64_t at, int64_t rows) {
        for (int64_t j = 0; j < multiplier_; ++j) {
          float *to = y + at * write_pitch();
          if (multiplier_ == 1)
            run_tile(x + at * read_pitch(), j, rows, to, write_pitch(), bias(), channels_);
          else
            put_apart(x + at * read_pitch(), j, rows, to + j);
        }
      });
    });
  }

  void input_gradient(int64_t part, int64_t parts) {
    const int64_t filters = channels_ * multiplier_;
    if (multiplier_ == 1) draw_weights();
    for_each_line(part, parts, [&](const float *dy, float *dx, int64_t length) {
      for_each_tile(length, [&](int64_t at, int64_t rows) {
        float *to = dx + at * write_pitch();
        if (multiplier_ == 1) {
          run_tile(dy + at * read_pitch(), 0, rows, to, write_pitch(), bias(), channels_);
        } else {
          run_tile(dy + at * read_pitch(), -1, rows, scratch_.apart, filters, nullptr, filters);
          sum_up(rows, to);
        }
      });
    });
  }

  void kernel_gradient() {
    const int64_t taps = taps_of(conv_);
    std::memset(scratch_.weights, 0, taps * multiplier_ * channels_ * sizeof(float));
    for_each_line(0, 1, [&](const float *x, float *, int64_t length) {
      const float *dy = buffers_.second + line_output_ * conv_.filters + first_ * multiplier_;
      for (int64_t at = 0; at < length; at += kLength) {
        const int64_t count = std::min(kLength, length - at);
        for (int64_t j = 0; j < multiplier_; ++j) add_products(x + at * read_pitch(), dy + at * conv_.filters, j, count);
      }
    });
    for (int64_t tap = 0; tap < taps; ++tap) {
      float *to = buffers_.result + tap * conv_.filters + first_ * multiplier_;
      for (int64_t j = 0; j < multiplier_; ++j)
        for (int64_t c = 0; c < channels_; ++c) to[c * multiplier_ + j] = scratch_.weights[(j * taps + tap) * channels_ + c];
    }
  }

 private:
  int64_t read_pitch() const { return map_.axis[2].step * map_.in_pitch[2]; }
  int64_t write_pitch() const { return map_.axis[2].stretch * map_.out_pitch[2]; }
  const float *bias() const { return buffers_.bias ? buffers_.bias + first_ : nullptr; }

  // weights[j][tap][c] = w[tap][c·m + j]
  void draw_weights() {
    const int64_t taps = taps_of(conv_);
    for (int64_t tap = 0; tap < taps; ++tap) {
      const float *from = buffers_.second + tap * conv_.filters + first_ * multiplier_;
      for (int64_t j = 0; j < multiplier_; ++j)
        for (int64_t c = 0; c < channels_; ++c) scratch_.weights[(j * taps + tap) * channels_ + c] = from[c * multiplier_ + j];
    }
  }

  // Calls visit(read, write, length) for runs of outputs along the last axis that meet the same taps, whose offsets are set.
  template <class Visit>
  void for_each_line(int64_t part, int64_t parts, Visit &&visit) {
    const Axis *axis = map_.axis;
    for_each_box(map_, [&](const Box &box) {
      set_runs(box);
      const int64_t lines = map_.batch * box.length(0) * box.length(1);
      for (int64_t line = lines * part / parts; line < lines * (part + 1) / parts; ++line) {
        const int64_t q1 = box.segment[1]->begin + line % box.length(1);
        const int64_t q0 = box.segment[0]->begin + line / box.length(1) % box.length(0);
        const int64_t sample = line / box.length(1) / box.length(0);
        const int64_t q[kAxes] = {q0, q1, box.segment[2]->begin};
        int64_t in = sample * map_.in_batch, out = sample * map_.out_batch;
        line_output_ = sample;
        for (int a = 0; a < kAxes; ++a) {
          in += q[a] * axis[a].step * map_.in_pitch[a];
          out += (axis[a].start + q[a] * axis[a].stretch) * map_.out_pitch[a];
          line_output_ = line_output_ * axis[a].output + q[a];
        }
        const int64_t read = is_forward() ? first_ : first_ * multiplier_, write = is_forward() ? first_ * multiplier_ : first_;
        visit(map_.in + in + read, map_.out + out + write, box.length(2));
      }
    });
  }

  bool is_forward() const { return map_.in_pitch[2] == conv_.channels && map_.out_pitch[2] == conv_.filters; }

  template <class Visit>
  void for_each_tile(int64_t length, Visit &&visit) {
    const int64_t tiles = ceil_div(length, kernels_.channel_rows);
    for (int64_t t = 0; t < tiles; ++t) visit(length * t / tiles, length * (t + 1) / tiles - length * t / tiles);
  }

  void set_runs(const Box &box) {
    const Axis *axis = map_.axis;
    runs_ = 0;
    for (int64_t i = box.segment[0]->first; i < box.segment[0]->last; ++i) {
      for (int64_t j = box.segment[1]->first; j < box.segment[1]->last; ++j) {
        for (int64_t k = box.segment[2]->first; k < box.segment[2]->last; ++k) {
          scratch_.a_offset[runs_] = axis[0].tap[i].offset * map_.in_pitch[0] + axis[1].tap[j].offset * map_.in_pitch[1] +
                                     axis[2].tap[k].offset * map_.in_pitch[2];
          const int64_t tap = axis[0].tap[i].weight * map_.kernel_pitch[0] + axis[1].tap[j].weight * map_.kernel_pitch[1] +
                              axis[2].tap[k].weight * map_.kernel_pitch[2];
          scratch_.b_offset[runs_++] = tap / conv_.filters;
        }
      }
    }
  }

  // `rows` positions; weights of j drawn together, or those of the user for j below zero.
  void run_tile(const float *read, int64_t j, int64_t rows, float *write, int64_t pitch, const float *start, int64_t columns) {
    ChannelTile tile;
    tile.a = read;
    tile.a_offset = scratch_.a_offset;
    tile.a_row = read_pitch();
    tile.b = j < 0 ? buffers_.second + first_ * multiplier_ : scratch_.weights + j * taps_of(conv_) * channels_;
    tile.b_offset = scratch_.b_offset;
    tile.b_pitch = j < 0 ? conv_.filters : channels_;
    tile.runs = runs_;
    tile.rows = rows;
    tile.c = write;
    tile.c_row = pitch;
    tile.columns = columns;
    tile.start = start;
    tile.stream = streams_ && multiplier_ == 1;
    kernels_.channels(tile);
  }

  void put_apart(const float *read, int64_t j, int64_t rows, float *to) {
    run_tile(read, j, rows, scratch_.apart, channels_, nullptr, channels_);
    const float *start = buffers_.bias ? buffers_.bias + first_ * multiplier_ + j : nullptr;
    for (int64_t m = 0; m < rows; ++m)
      for (int64_t c = 0; c < channels_; ++c)
        to[m * write_pitch() + c * multiplier_] = scratch_.apart[m * channels_ + c] + (start ? start[c * multiplier_] : 0.0f);
  }

  void sum_up(int64_t rows, float *to) {
    for (int64_t m = 0; m < rows; ++m) {
      for (int64_t c = 0; c < channels_; ++c) {
        const float *terms = scratch_.apart + (m * channels_ + c) * multiplier_;
        float sum = bias() ? bias()[c] : 0.0f;
        for (int64_t j = 0; j < multiplier_; ++j) sum += terms[j];
        to[m * write_pitch() + c] = sum;
      }
    }
  }

  void add_products(const float *x, const float *dy, int64_t j, int64_t count) {
    int64_t dy_row = conv_.filters;
    if (multiplier_ > 1) {
      for (int64_t m = 0; m < count; ++m)
        for (int64_t c = 0; c < channels_; ++c) scratch_.apart[m * channels_ + c] = dy[m * conv_.filters + c * multiplier_ + j];
      dy = scratch_.apart;
      dy_row = channels_;
    }
    ChannelProducts products;
    products.a = x;
    products.a_offset = scratch_.a_offset;
    products.a_row = read_pitch();
    products.b = dy;
    products.b_row = dy_row;
    products.rows = count;
    products.c = scratch_.weights + j * taps_of(conv_) * channels_;
    products.c_offset = scratch_.b_offset;
    products.runs = runs_;
    products.columns = channels_;
    kernels_.channel_products(products);
  }

  const Kernels &kernels_;
  const atrous_conv &conv_;
  const Map &map_;
  const Scratch &scratch_;
  const Buffers &buffers_;
  const int64_t first_, channels_, multiplier_;
  const bool streams_;
  int64_t runs_ = 0;
  int64_t line_output_ = 0;  // index among all outputs of the first of the line in work
};

bool knows(const atrous_plan &plan) { return plan.conv.groups == plan.conv.channels && plan.conv.groups > 1; }

double seconds(const atrous_plan &plan) { return plan.valid_macs * 1.5 / (kIsas[plan.isa]->lanes * 3.0e9) * multiplier_of(plan.conv); }

size_t workspace(const atrous_plan &plan) { return arena_bytes(scratch_bytes(plan.conv), plan.threads); }

void run(const atrous_plan &plan, const Buffers &buffers) {
  const atrous_conv &conv = plan.conv;
  const Cut cut = make_cut(plan);
  const size_t bytes = scratch_bytes(conv);
  atrous_plan forward = plan;
  forward.direction = ATROUS_FORWARD;
  const bool sums = plan.direction == ATROUS_KERNEL_GRADIENT;
  parallel_for(map_count(plan) * cut.blocks * cut.parts, plan.threads, [&](int64_t index, int thread) {
    Arena arena(buffers.workspace + thread * bytes);
    const Scratch scratch = carve(&arena, conv);
    const int64_t part = index % cut.parts, block = index / cut.parts % cut.blocks, phase = index / cut.parts / cut.blocks;
    const Map map = make_map(sums ? forward : plan, buffers, phase, 0, scratch.table);
    Task task(plan, buffers, map, scratch, cut.first(conv, block), cut.first(conv, block + 1) - cut.first(conv, block));
    if (plan.direction == ATROUS_FORWARD) task.forward(part, cut.parts);
    if (plan.direction == ATROUS_INPUT_GRADIENT) task.input_gradient(part, cut.parts);
    if (sums) task.kernel_gradient();
    finish_streaming();
  });
}

}  // namespace

extern const Algorithm kDepthwise = {"depthwise", knows, seconds, workspace, run};

}  // namespace atrous
