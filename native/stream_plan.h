// stream_plan: what a stream is made of.
//
// Rows: a step of a sequence is a row of channels, and rows lie [step][sequence of the batch]. Batch × steps are so one list,
// and a tap at rate r is r·batch rows back. A tensor of which the past is needed is a ring of rows; the first rows of a ring are
// there again behind its end, so that a tile of rows lies in one piece wherever it begins. Tensors without time are read as if
// their rows were repeated for ever.
#pragma once

#include <cstring>

#include "arena.h"
#include "stream.h"
#include "stream_kernels.h"

namespace atrous {

struct StreamTensor {
  float *data;
  int64_t channels, pitch;  // floats of a row; beyond the channels anything may stand
  int64_t steps;            // a unit; 0: no time
  int64_t first, last;      // steps of the signal, counted from the reset; all others are zero, or nothing
  int64_t extra;            // of the last: see stream.h
  int64_t unit_rows;        // rows a unit; of a tensor without time, rows
  int64_t kept;             // steps of the past
  int64_t rows;             // of the ring
  int64_t head;             // where the block begins
  int32_t codes;            // rows of the least table that is asked for its codes; 0: they are numbers

  bool timed() const { return steps > 0; }
  int64_t index(int64_t row) const {  // of row `row` of the block, −kept·batch … rows of the block
    if (!timed()) return row % rows;
    const int64_t i = head + row;
    return i >= rows ? i - rows : i < 0 ? i + rows : i;
  }
  float *at(int64_t row) const { return data + index(row) * pitch; }

  // After `count` rows, at most kStreamRows, were written from row `row` of the block on: both copies of what is there twice.
  void written(int64_t row, int64_t count) const {
    if (!timed()) return;
    const int64_t i = index(row), behind = i + count - rows;
    if (behind > 0) std::memcpy(data, data + rows * pitch, behind * pitch * sizeof(float));
    const int64_t twice = (rows < kStreamRows ? rows : int64_t{kStreamRows}) - i;
    if (twice > 0)
      std::memcpy(data + (rows + i) * pitch, data + i * pitch, (count < twice ? count : twice) * pitch * sizeof(float));
  }

  // Of a tensor without time.
  void repeat() const {
    for (int64_t i = 0; i < kStreamRows; ++i) std::memcpy(data + (rows + i) * pitch, data + i * pitch, pitch * sizeof(float));
  }
};

// Consecutive channels of one tap: at most kStreamSum, or they would be summed up one after the other for too long.
struct StreamTap {
  int32_t tensor;
  int32_t length;
  int64_t offset;  // in steps
  int64_t channel;
};

// Terms that are summed up one after the other before their sum is added to a total; see kernels.inc.
constexpr int64_t kStreamSum = 512;

struct StreamOp {
  int32_t code, out, first, last, add, sources;
  float alpha, last_alpha;
  bool gate, gather;  // gather: what a tile reads is copied together first
  int32_t when;       // 0: inputs without time were set. 1: every block. 2: the last block of a step
  int32_t source[2];  // tensors, where the code has one or two
  int64_t stride, stretch, phase, groups;
  int64_t from_channel, to_channel, channels;
  int64_t taps, terms;  // terms: of one sum
  const StreamTap *tap;
  const float *weights;  // packed: panel after panel of a product; else rows of the pitch of `out`
  const float *bias;
  int64_t rows;           // of a table
  bool has_bias, scales;  // whether it has one; whether an ATROUS_STREAM_AFFINE does more than its functions
};

// A panel: `count` vectors of `lanes` columns.
struct StreamPanel {
  int width;  // index into StreamKernels::product
  int lanes, count;
};

// The panel that begins with `columns` to go, a tensor's pitch or what is left of it.
inline StreamPanel stream_panel(int lanes, int64_t columns, bool gate) {
  if (columns >= lanes) return {0, lanes, gate || columns >= 2 * lanes ? 2 : 1};
  if (columns >= 8) return {1, 8, gate ? 2 : 1};
  if (columns >= 4) return {2, 4, gate ? 2 : 1};
  return {3, 1, gate ? 2 : 1};
}

inline int64_t stream_pitch(int64_t channels) {
  if (channels == 1) return 1;
  return channels <= 4 ? 4 : (channels + 7) / 8 * 8;
}

}  // namespace atrous

struct atrous_stream {
  const atrous::StreamKernels *kernels;
  int64_t batch, piece;  // units a block is cut into
  int64_t units;         // since the reset
  int32_t tensors, ops, inputs, outputs;
  atrous::StreamTensor *tensor;
  const atrous::StreamOp *op;
  const int32_t *input, *output;
  atrous::Run *runs;                // scratch: what a tile reads
  const float **pointers;           // the same for a row of taps
  float *sums, *gathered, *result;  // rows before a gate; rows copied together, and what is made of them
  int64_t gathered_row, result_row;
};

namespace atrous {

// One pass over all that a stream holds; with an arena of nothing, and without `write`, it counts bytes.
atrous_stream *stream_layout(const atrous_stream_program &program, int64_t batch, const StreamKernels &kernels, Arena *arena,
                             bool write);

// The operations of one time (StreamOp::when) on a block of `units` units, and the end of such a block.
void stream_run(const atrous_stream &stream, int32_t when, int64_t units);
void stream_advance(atrous_stream *stream, int64_t units);

// Inputs without time, those that aren't NULL, and all that follows from them alone.
void stream_set_untimed(const atrous_stream &stream, const void *const *inputs);

// Whether all of so many codes have a row in their table; true of numbers.
bool stream_codes_known(const StreamTensor &tensor, const void *x, int64_t count);

// Of an input with time, steps [from, from + steps) of the `total` that the caller has.
void stream_take_in(const atrous_stream &stream, const StreamTensor &tensor, const void *x, int64_t from, int64_t steps,
                    int64_t total);

// Denormal numbers are zero while it lives.
class FlushToZero {
 public:
#if defined(__x86_64__)
  FlushToZero() : before_(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(before_ | 0x8040); }
  ~FlushToZero() { __builtin_ia32_ldmxcsr(before_); }
#elif defined(__aarch64__)
  FlushToZero() {
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    asm volatile("msr fpcr, %0" : : "r"(before_ | 1u << 24));
  }
  ~FlushToZero() { asm volatile("msr fpcr, %0" : : "r"(before_)); }
#else
  FlushToZero() {}
#endif
  FlushToZero(const FlushToZero &) = delete;
  FlushToZero &operator=(const FlushToZero &) = delete;

 private:
#if defined(__aarch64__)
  uint64_t before_;
#else
  unsigned before_ = 0;
#endif
};

}  // namespace atrous
