// stream_run: the operations of a stream on a block of rows.
#include <algorithm>
#include <cmath>

#include "stream_plan.h"

namespace atrous {
namespace {

// One operation on a block. It is computed in tiles, rows [row, row + count) of what is written, or row by row.
class Runner {
 public:
  Runner(const atrous_stream &stream, const StreamOp &op, int64_t units)
      : stream_(stream), kernels_(*stream.kernels), op_(op), out_(stream.tensor[op.out]), batch_(stream.batch), units_(units) {}

  void run() {
    const int64_t rows = out_.timed() ? units_ * out_.unit_rows / op_.stretch : batch_;
    switch (op_.code) {
      case ATROUS_STREAM_PRODUCT:
        if (!op_.gather) return tiles(rows, kernels_.rows, [this](int64_t row, int64_t count) { product(row, count); });
        return tiles(rows, kernels_.rows, [this](int64_t row, int64_t count) { gathered(row, count); });
      case ATROUS_STREAM_DEPTHWISE: return each(rows, [this](int64_t row) { depthwise(row); });
      case ATROUS_STREAM_MAX_POOL:
      case ATROUS_STREAM_AVERAGE_POOL: return each(rows, [this](int64_t row) { pool(row); });
      case ATROUS_STREAM_COPY: return each(rows, [this](int64_t row) { copy(row); });
      case ATROUS_STREAM_EMBED: return each(rows, [this](int64_t row) { embed(row); });
      case ATROUS_STREAM_LAST: return each(rows, [this](int64_t row) { last_step(row); });
      default: return tiles(rows, kStreamRows, [this](int64_t row, int64_t count) { by_rows(row, count); });
    }
  }

 private:
  // Tiles of `most` rows or a little less, all about the same.
  template <class Tile>
  void tiles(int64_t rows, int64_t most, const Tile &tile) {
    const int64_t count = (rows + most - 1) / most;
    for (int64_t i = 0, begin = 0; i < count; ++i) {
      const int64_t end = rows * (i + 1) / count;
      tile(begin, end - begin);
      begin = end;
    }
  }

  // Rows of operations that may stride or stretch; called with the number among those that are written.
  template <class Row>
  void each(int64_t rows, const Row &row) {
    for (int64_t r = 0; r < rows; ++r) {
      row(r);
      const int64_t at = out_row(r);
      finish(out_.at(at), 1, op_.first, op_.alpha);
      finish(out_.at(at), 1, op_.last, op_.last_alpha);
      out_.written(at, 1);
    }
  }

  int64_t out_row(int64_t row) const {
    return op_.stretch == 1 ? row : (row / batch_ * op_.stretch + op_.phase) * batch_ + row % batch_;
  }
  int64_t in_row(int64_t row, int64_t offset) const { return (row / batch_ * op_.stride + offset) * batch_ + row % batch_; }
  const StreamTensor &source(int i) const { return stream_.tensor[op_.source[i]]; }

  void finish(float *x, int64_t rows, int32_t function, float alpha) const {
    if (function != ATROUS_STREAM_LINEAR) kernels_.apply(function, alpha, x, rows * out_.pitch);
  }

  // ---- products ------------------------------------------------------------------------------------------------------------

  void product(int64_t row, int64_t count) {
    for (int64_t t = 0; t < op_.taps; ++t) {
      const StreamTap &tap = op_.tap[t];
      const StreamTensor &x = stream_.tensor[tap.tensor];
      stream_.runs[t] = {x.at(row + tap.offset * batch_) + tap.channel, x.pitch, tap.length};
    }
    float *out = out_.at(row);
    const StreamTensor *add = op_.add < 0 ? nullptr : &stream_.tensor[op_.add];
    const float *added = add ? add->at(row) : nullptr;
    if (op_.gate)
      gated(count, out, add, added);
    else
      summed(count, out, add, added);
    finish(out, count, op_.last, op_.last_alpha);
    out_.written(row, count);
  }

  void summed(int64_t count, float *out, const StreamTensor *add, const float *added) {
    const float *b = op_.weights;
    const bool at_once = op_.first == ATROUS_STREAM_LINEAR;  // addition and sum
    for (int64_t column = 0; column < out_.pitch;) {
      const StreamPanel panel = stream_panel(kernels_.lanes, out_.pitch - column, false);
      b = sum_up(panel, op_.terms, op_.taps, b, added && at_once ? added + column : nullptr, add ? add->pitch : 0, count,
                 out + column, out_.pitch);
      column += panel.lanes * panel.count;
    }
    finish(out, count, op_.first, op_.alpha);
    if (added && !at_once)
      kernels_.combine(ATROUS_STREAM_ADD, out, out_.pitch, added, add->pitch, out, out_.pitch, count, out_.pitch);
  }

  void gated(int64_t count, float *out, const StreamTensor *add, const float *added) {
    const float *b = op_.weights;
    for (int64_t column = 0; column < out_.pitch;) {
      const StreamPanel panel = stream_panel(kernels_.lanes, out_.pitch - column, true);
      b = sum_up(panel, op_.terms, op_.taps, b, nullptr, 0, count, stream_.sums, 2 * panel.lanes);
      kernels_.gate(op_.first, op_.alpha, stream_.sums, count, panel.lanes, added ? added + column : nullptr,
                    added ? added + out_.channels + column : nullptr, add ? add->pitch : 0, out + column, out_.pitch);
      column += panel.lanes;
    }
  }

  // One panel of `count` rows over the first `taps` runs; returns where the next panel's weights are.
  const float *sum_up(const StreamPanel &panel, int64_t terms, int64_t taps, const float *b, const float *add, int64_t add_row,
                      int64_t count, float *c, int64_t c_row) const {
    const int64_t width = panel.lanes * panel.count;
    const ProductFunction function = kernels_.product[panel.width][panel.count - 1][count - 1];
    Product p = {stream_.runs, taps, b, op_.has_bias, add, add_row, c, c_row};
    if (terms <= kStreamSum) {
      function(p);
      return b + (terms + 1) * width;
    }
    for (int64_t t = 0; t < taps;) {
      int64_t sum = 0;
      p.runs = stream_.runs + t;
      p.run_count = 0;
      while (t < taps && (!p.run_count || sum + stream_.runs[t].length <= kStreamSum)) {
        sum += stream_.runs[t++].length;
        ++p.run_count;
      }
      function(p);
      p.b += sum * width;  // one row before the weights, where a bias would be
      p.bias = false;
      p.add = c;
      p.add_row = c_row;
    }
    return p.b + width;
  }

  // A tile whose rows lie anywhere, group by group.
  void gathered(int64_t row, int64_t count) {
    const int64_t columns = out_.channels / op_.groups, width = stream_pitch(columns);
    const float *b = op_.weights;
    for (int64_t group = 0; group < op_.groups; ++group) {
      for (int64_t m = 0; m < count; ++m) {
        float *to = stream_.gathered + m * stream_.gathered_row;
        for (int64_t t = 0; t < op_.taps; ++t) {
          const StreamTap &tap = op_.tap[t];
          const StreamTensor &x = stream_.tensor[tap.tensor];
          const float *from = x.at(in_row(row + m, tap.offset)) + group * (x.channels / op_.groups) + tap.channel;
          std::memcpy(to, from, tap.length * sizeof(float));
          to += tap.length;
        }
      }
      for (int64_t t = 0, at = 0; t < op_.taps; at += op_.tap[t++].length)
        stream_.runs[t] = {stream_.gathered + at, stream_.gathered_row, op_.tap[t].length};
      float *made = stream_.result;
      for (int64_t column = 0; column < width;) {
        const StreamPanel panel = stream_panel(kernels_.lanes, width - column, false);
        b = sum_up(panel, op_.terms, op_.taps, b, nullptr, 0, count, made + column, stream_.result_row);
        column += panel.lanes * panel.count;
      }
      for (int64_t m = 0; m < count; ++m)
        std::memcpy(out_.at(out_row(row + m)) + group * columns, made + m * stream_.result_row, columns * sizeof(float));
    }
    for (int64_t m = 0; m < count; ++m) {
      const int64_t at = out_row(row + m);
      finish(out_.at(at), 1, op_.first, op_.alpha);
      finish(out_.at(at), 1, op_.last, op_.last_alpha);
      out_.written(at, 1);
    }
  }

  // ---- channel by channel --------------------------------------------------------------------------------------------------

  void depthwise(int64_t row) {
    for (int64_t t = 0; t < op_.taps; ++t) stream_.pointers[t] = source(0).at(in_row(row, op_.tap[t].offset));
    kernels_.depthwise(stream_.pointers, op_.taps, op_.weights, op_.bias, out_.at(out_row(row)), out_.pitch);
  }

  void pool(int64_t row) {
    const int64_t step = stream_.units * source(0).steps + row / batch_ * op_.stride;
    int64_t taps = 0;
    for (int64_t t = 0; t < op_.taps; ++t) {
      if (step + op_.tap[t].offset < source(0).first || step + op_.tap[t].offset >= source(0).last) continue;
      stream_.pointers[taps++] = source(0).at(in_row(row, op_.tap[t].offset));
    }
    const bool maximum = op_.code == ATROUS_STREAM_MAX_POOL;
    float *out = out_.at(out_row(row));
    kernels_.pool(stream_.pointers, taps, maximum, taps ? 1.0f / taps : 0.0f, out, out_.pitch);
    if (maximum && !taps) std::fill(out, out + out_.channels, -INFINITY);
  }

  void copy(int64_t row) {
    std::memcpy(out_.at(out_row(row)) + op_.to_channel, source(0).at(in_row(row, op_.tap[0].offset)) + op_.from_channel,
                op_.channels * sizeof(float));
  }

  void embed(int64_t row) {
    int32_t code;
    std::memcpy(&code, source(0).at(row), sizeof code);
    code = std::min<int64_t>(std::max(code, 0), op_.rows - 1);  // those of steps are checked; what is read must lie in the table
    std::memcpy(out_.at(row), op_.weights + code * out_.pitch, out_.pitch * sizeof(float));
  }

  void last_step(int64_t row) {
    std::memcpy(out_.at(row), source(0).at((units_ * source(0).steps - 1) * batch_ + row), out_.channels * sizeof(float));
  }

  // ---- row by row ----------------------------------------------------------------------------------------------------------

  void by_rows(int64_t row, int64_t count) {
    const StreamTensor &x = source(0);
    float *out = out_.at(row);
    const float *in = x.at(row);
    switch (op_.code) {
      case ATROUS_STREAM_AFFINE:
        if (op_.first != ATROUS_STREAM_LINEAR || !op_.scales) {
          std::memcpy(out, in, count * out_.pitch * sizeof(float));
          finish(out, count, op_.first, op_.alpha);
          in = out;
        }
        if (op_.scales) kernels_.affine(in, x.pitch, op_.weights, op_.bias, out, out_.pitch, count, out_.pitch);
        break;
      case ATROUS_STREAM_LAYER_NORM:
        kernels_.layer_norm(op_.alpha, in, x.pitch, op_.weights, op_.bias, out, out_.pitch, count, out_.channels);
        break;
      case ATROUS_STREAM_SOFTMAX: kernels_.softmax(1.0f, in, x.pitch, out, out_.pitch, count, out_.channels); break;
      default: pair(row, count, out);
    }
    finish(out, count, op_.last, op_.last_alpha);
    out_.written(row, count);
  }

  void pair(int64_t row, int64_t count, float *out) {
    const StreamTensor &x = source(0), &y = source(1);
    const float *a = x.at(row), *b = y.at(row);
    if (op_.first == ATROUS_STREAM_LINEAR && x.pitch == out_.pitch && y.pitch == out_.pitch)
      return kernels_.combine(op_.code, a, x.pitch, b, y.pitch, out, out_.pitch, count, out_.pitch);
    for (int64_t m = 0; m < count; ++m, a += x.pitch, b += y.pitch, out += out_.pitch) {
      spread(a, x.channels, out);
      finish(out, 1, op_.first, op_.alpha);
      float *other = stream_.result;
      spread(b, y.channels, other);
      kernels_.combine(op_.code, out, out_.pitch, other, out_.pitch, out, out_.pitch, 1, out_.pitch);
    }
  }

  // A row, or its only channel for all.
  void spread(const float *from, int64_t channels, float *to) const {
    if (channels == out_.channels)
      std::memcpy(to, from, out_.channels * sizeof(float));
    else
      std::fill(to, to + out_.channels, *from);
  }

  const atrous_stream &stream_;
  const StreamKernels &kernels_;
  const StreamOp &op_;
  const StreamTensor &out_;
  const int64_t batch_, units_;
};

// Makes zeros of what is no step of the signal: what is made of padding alone is padding to those that read it.
void mask(const atrous_stream &stream, const StreamTensor &tensor, int64_t units) {
  const int64_t begin = stream.units * tensor.steps, end = begin + units * tensor.steps;
  if (begin >= tensor.first && end <= tensor.last) return;
  for (int64_t step = begin; step < end; ++step) {
    if (step >= tensor.first && step < tensor.last) continue;
    for (int64_t b = 0; b < stream.batch; ++b) {
      const int64_t row = (step - begin) * stream.batch + b;
      std::fill(tensor.at(row), tensor.at(row) + tensor.pitch, 0.0f);
      tensor.written(row, 1);
    }
  }
}

}  // namespace

void stream_run(const atrous_stream &stream, int32_t when, int64_t units) {
  for (int32_t i = 0; i < stream.ops; ++i) {
    const StreamOp &op = stream.op[i];
    if (op.when != when) continue;
    Runner(stream, op, units).run();
    const StreamTensor &out = stream.tensor[op.out];
    if (out.timed())
      mask(stream, out, units);
    else
      out.repeat();
  }
}

}  // namespace atrous
