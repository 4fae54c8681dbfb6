// kernels: what every instruction set provides. Declarations only: files under isa/ include this and nothing with inline code, or
// the linker could keep an AVX-512 copy of a function that the baseline calls.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace atrous {

// A register tile: for every row m and column n,
//     c[m][n] (+)= Σ over runs t, over k of a[a_offset[t] + m·a_row + k·a_step] · b[b_offset[t] + k·b_step + n]
struct Tile {
  const float *a, *b;
  const int64_t *a_offset, *b_offset;  // one a run
  int64_t runs;
  int64_t length;         // k of every run
  int64_t a_row, a_step;  // one of the two is 1
  int64_t b_step;
  float *const *c;     // one pointer a row
  int64_t column;      // added to each of them
  int64_t columns;     // to be written, at most `Kernels::columns`
  const float *start;  // what the sums start from: a row that holds for all, NULL for zeros …
  bool accumulate;     // … or what c holds already
  bool stream;         // whether c, whose vectors are then aligned, is written past the caches
  const char *ahead;   // memory that the next tile will read: brought near, ahead_step bytes a step. Any address will do
  int64_t ahead_step;
};

// Positions × channels, each channel by itself:
//     c[m·c_row + n] = start[n] + Σ over runs t of a[a_offset[t] + m·a_row + n] · b[b_offset[t]·b_pitch + n]
struct ChannelTile {
  const float *a, *b;
  const int64_t *a_offset, *b_offset;
  int64_t runs;
  int64_t a_row, b_pitch, c_row;
  int64_t rows;     // at most `Kernels::channel_rows`
  int64_t columns;  // any number
  float *c;
  bool stream;         // as for `Tile`
  const float *start;  // may be NULL: zeros
};

// Its kernel gradient: for every run t,
//     c[c_offset[t]·columns + n] += Σ over rows m of a[a_offset[t] + m·a_row + n] · b[m·b_row + n]
struct ChannelProducts {
  const float *a, *b;
  const int64_t *a_offset, *c_offset;
  int64_t runs;
  int64_t a_row, b_row;
  int64_t rows, columns;
  float *c;
};

typedef void (*TileFunction)(const Tile &tile);

enum { kMostRows = 14 };

struct Kernels {
  const char *name;
  int lanes;    // floats in a vector
  int rows;     // most rows of a tile
  int columns;  // of a full tile: two vectors
  // [rows - 1][0] for up to one vector of columns, [1] for two.
  TileFunction tile[kMostRows][2];       // a_step is 1: rows are positions
  TileFunction tile_outer[kMostRows][2]; // a_row is 1: rows are channels
  int channel_rows;  // most rows of a ChannelTile
  void (*channels)(const ChannelTile &tile);
  void (*channel_products)(const ChannelProducts &products);
  // Rows of `columns` floats, each followed by zeros up to `width`.
  void (*copy)(const float *from, int64_t from_pitch, int64_t rows, int64_t columns, float *to, int64_t to_pitch, int64_t width);
  // to[j][i] = from[i][j] for i below `columns`, j below `rows`; the rest of each row of `to` up to `width` is zero.
  void (*transpose)(const float *from, int64_t from_pitch, int64_t columns, int64_t rows, float *to, int64_t to_pitch, int64_t width);
  double (*peak)();  // multiply-adds a second
};

double seconds_now();  // a clock that only rises

extern const Kernels kBaseline, kAvx2, kAvx512;

}  // namespace atrous
