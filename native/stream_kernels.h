// stream_kernels: what every instruction set provides for streams. Declarations only, for the reason given in kernels.h.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace atrous {

enum {
  kStreamWidths = 4,  // columns of a panel are once or twice: a vector, 8, 4, 1
  kStreamRows = 14    // most rows of a tile, on any instruction set; what rings repeat behind their end
};

// Consecutive channels of M rows, which lie `row` floats apart.
struct Run {
  const float *a;
  int64_t row;
  int64_t length;
};

// c[m][n] = start + Σ over runs, over k of a[m·row + k] · b[k][n], for n below the panel's columns. b: a row for the bias, then
// those of the weights, run after run.
struct Product {
  const Run *runs;
  int64_t run_count;
  const float *b;
  bool bias;         // start from it, else from zeros
  const float *add;  // added to it; may be NULL, and may be c
  int64_t add_row;
  float *c;
  int64_t c_row;
};

typedef void (*ProductFunction)(const Product &product);

struct StreamKernels {
  int lanes;
  int rows;                                                // most rows of a tile
  ProductFunction product[kStreamWidths][2][kStreamRows];  // [width][panels of one or two][rows − 1]
  // x = f(x), `count` of them side by side.
  void (*apply)(int function, float alpha, float *x, int64_t count);
  // out[m] = f(a + add_a)·σ(b + add_b), where a and b stand side by side, `width` each; adds may be NULL.
  void (*gate)(int function, float alpha, const float *sums, int64_t rows, int64_t width, const float *add_a,
               const float *add_b, int64_t add_row, float *out, int64_t out_row);
  // out = a ∘ b for rows of `width`; the code is that of atrous_stream_code.
  void (*combine)(int code, const float *a, int64_t a_row, const float *b, int64_t b_row, float *out, int64_t out_row,
                  int64_t rows, int64_t width);
  // out = x·w + bias, `width` channels.
  void (*affine)(const float *x, int64_t x_row, const float *w, const float *bias, float *out, int64_t out_row, int64_t rows,
                 int64_t width);
  // One row: out = bias + Σ over taps of x[tap]·w[tap·width …].
  void (*depthwise)(const float *const *x, int64_t taps, const float *w, const float *bias, float *out, int64_t width);
  // One row: the maximum, or `scale` times the sum.
  void (*pool)(const float *const *x, int64_t taps, bool maximum, float scale, float *out, int64_t width);
  void (*layer_norm)(float epsilon, const float *x, int64_t x_row, const float *w, const float *bias, float *out,
                     int64_t out_row, int64_t rows, int64_t channels);
  // scale: of the logits.
  void (*softmax)(float scale, const float *x, int64_t x_row, float *out, int64_t out_row, int64_t rows, int64_t channels);
};

extern const StreamKernels kStreamBaseline, kStreamAvx2, kStreamAvx512;

}  // namespace atrous
