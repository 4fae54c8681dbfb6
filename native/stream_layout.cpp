// stream_layout: the memory of a stream: packed weights in the order of use, rings, what lives for a block.
#include <algorithm>

#include "stream_plan.h"
#include "stream_program.h"

namespace atrous {
namespace {

constexpr int64_t kPieceBytes = 320 * 1024;  // of all tensors of a piece: what stays in the second cache beside their past
constexpr int64_t kLeastRows = 56, kMostPieceRows = 448;

// Units that a block is cut into: as many as let its tensors stay in a cache.
int64_t piece_units(const atrous_stream_program &program, int64_t batch) {
  int64_t bytes = 1, rows = 1;
  for (int32_t i = 0; i < program.tensors; ++i) {
    const int64_t each = program.tensor[i].steps * batch;
    const bool ring = kept_steps(program, i) > 0;
    bytes += each * stream_pitch(program.tensor[i].channels) * static_cast<int64_t>(sizeof(float)) /
             (ring ? 1 : 4);  // others share memory
    rows = std::max(rows, each);
  }
  const int64_t least = (kLeastRows + rows - 1) / rows, most = std::max<int64_t>(kMostPieceRows / rows, 1);
  return std::min(std::max(kPieceBytes / bytes, least), std::max(most, int64_t{1}));
}

// One pass over all that a stream holds. With an arena of nothing it counts bytes and writes nothing.
class Layout {
 public:
  Layout(const atrous_stream_program &program, int64_t batch, const StreamKernels &kernels, Arena *arena, bool write)
      : program_(program), batch_(batch), kernels_(kernels), arena_(arena), write_(write) {}

  atrous_stream *run() {
    atrous_stream *stream = arena_->take<atrous_stream>(1);
    StreamTensor *tensors = arena_->take<StreamTensor>(program_.tensors);
    StreamOp *ops = arena_->take<StreamOp>(program_.ops);
    int32_t *input = arena_->take<int32_t>(program_.inputs), *output = arena_->take<int32_t>(program_.outputs);
    last_use_ = arena_->take<int32_t>(program_.tensors);
    free_ = arena_->take<Free>(program_.tensors);
    piece_ = piece_units(program_, batch_);
    if (write_) {
      *stream = atrous_stream{};
      std::copy(program_.input, program_.input + program_.inputs, input);
      std::copy(program_.output, program_.output + program_.outputs, output);
    }
    for (int32_t i = 0; i < program_.ops; ++i) describe(program_.op[i], ops + i);
    for (int32_t when : {1, 2, 0})  // what runs together lies together, in the order of use
      for (int32_t i = 0; i < program_.ops; ++i)
        if (when_of(program_, program_.op[i]) == when) pack(program_.op[i], ops + i);
    int64_t gathered = 1, result = 1, taps = 1, sums = 1;
    for (int32_t i = 0; i < program_.ops; ++i) {
      const atrous_stream_op &op = program_.op[i];
      int64_t terms = 0, count = 0;
      for (int32_t s = 0; s < op.sources; ++s) {
        const int64_t channels = program_.tensor[op.source[s].tensor].channels;
        terms += op.source[s].taps * channels;
        count += op.source[s].taps * (1 + channels / kStreamSum);
      }
      taps = std::max(taps, count + terms / kStreamSum + 1);
      if (gathers(op)) {
        gathered = std::max(gathered, terms);
      }
      result = std::max(result, stream_pitch(program_.tensor[op.out].channels) + kernels_.lanes);
      if (op.gate) sums = std::max<int64_t>(sums, 2 * kernels_.lanes);
    }
    Run *runs = arena_->take<Run>(taps);
    const float **pointers = arena_->take<const float *>(taps);
    float *sum_rows = arena_->take<float>(sums * kStreamRows);
    float *gathered_rows = arena_->take<float>(gathered * kStreamRows);
    float *result_rows = arena_->take<float>(result * kStreamRows);
    place(tensors);
    arena_->take<char>(Arena::kLine);  // vectors may be read a little past the last row
    if (write_) {
      stream->kernels = &kernels_;
      stream->batch = batch_;
      stream->piece = piece_;
      stream->tensors = program_.tensors;
      stream->ops = program_.ops;
      stream->inputs = program_.inputs;
      stream->outputs = program_.outputs;
      stream->tensor = tensors;
      stream->op = ops;
      stream->input = input;
      stream->output = output;
      stream->runs = runs;
      stream->pointers = pointers;
      stream->sums = sum_rows;
      stream->gathered = gathered_rows;
      stream->gathered_row = gathered;
      stream->result = result_rows;
      stream->result_row = result;
    }
    return stream;
  }

 private:
  struct Free {
    float *data;
    int64_t floats;
  };

  int64_t pitch(int32_t tensor) const { return stream_pitch(program_.tensor[tensor].channels); }

  void describe(const atrous_stream_op &op, StreamOp *made) {
    const int64_t most = is_product(op) ? kStreamSum : kMostOfAll;  // channels of a tap
    int64_t count = 0;
    for (int32_t s = 0; s < op.sources; ++s)
      count += op.source[s].taps * ((program_.tensor[op.source[s].tensor].channels / op.source[s].groups + most - 1) / most);
    StreamTap *taps = arena_->take<StreamTap>(count);
    if (!write_) return;
    *made = StreamOp{};
    made->code = op.code;
    made->out = op.out;
    made->first = op.first;
    made->last = op.last;
    made->alpha = op.alpha;
    made->last_alpha = op.last_alpha;
    made->add = op.add < 0 ? -1 : op.add;
    made->sources = op.sources;
    made->gate = op.gate;
    made->gather = gathers(op);
    made->when = when_of(program_, op);
    for (int32_t s = 0; s < op.sources && s < 2; ++s) made->source[s] = op.source[s].tensor;
    made->stride = op.source[0].stride;
    made->groups = op.source[0].groups;
    made->stretch = op.stretch;
    made->phase = op.phase;
    made->from_channel = op.from_channel;
    made->to_channel = op.to_channel;
    made->channels = op.channels;
    made->rows = op.rows;
    made->scales = op.weights || op.bias;
    made->tap = taps;
    for (int32_t s = 0; s < op.sources; ++s) {
      const atrous_stream_source &source = op.source[s];
      const int64_t channels = program_.tensor[source.tensor].channels / source.groups;
      for (int32_t t = 0; t < source.taps; ++t)
        for (int64_t channel = 0; channel < channels; channel += most) {
          const int64_t length = std::min(most, channels - channel);
          *taps++ = {source.tensor, static_cast<int32_t>(length), source.offsets[t], channel};
          made->terms += length;
        }
    }
    made->taps = count;
  }

  void pack(const atrous_stream_op &op, StreamOp *made) {
    made = write_ ? made : nullptr;
    if (is_product(op)) return pack_product(op, made);
    const int64_t channels = program_.tensor[op.out].channels, width = pitch(op.out);
    if (op.code == ATROUS_STREAM_EMBED) {
      float *table = take_rows(op.rows * width);
      if (!made) return;
      copy_rows(op.weights, op.rows, channels, width, table);
      made->weights = table;
      return;
    }
    const bool norms = op.code == ATROUS_STREAM_AFFINE || op.code == ATROUS_STREAM_LAYER_NORM;
    const bool depthwise = op.code == ATROUS_STREAM_DEPTHWISE;
    if (!norms && !depthwise) return;
    const int64_t rows = depthwise ? op.source[0].taps : 1;
    float *weights = take_rows(rows * width), *bias = take_rows(width);
    if (!made) return;
    const float *from = depthwise ? op.source[0].weights : op.weights;
    if (from)
      copy_rows(from, rows, channels, width, weights);
    else
      std::fill(weights, weights + channels, 1.0f);
    if (op.bias) copy_rows(op.bias, 1, channels, width, bias);
    made->weights = weights;
    made->bias = bias;
  }

  float *take_rows(int64_t floats) {
    float *rows = arena_->take<float>(floats + kernels_.lanes);
    if (write_) std::fill(rows, rows + floats + kernels_.lanes, 0.0f);
    return rows;
  }

  static void copy_rows(const float *from, int64_t rows, int64_t columns, int64_t width, float *to) {
    for (int64_t row = 0; row < rows; ++row) std::copy(from + row * columns, from + (row + 1) * columns, to + row * width);
  }

  // Panel after panel: a row of the bias, then one for each term. With a gate, vectors of a and of b take turns.
  void pack_product(const atrous_stream_op &op, StreamOp *made) {
    const int64_t groups = op.source[0].groups, columns = program_.tensor[op.out].channels / groups;
    const int64_t width = stream_pitch(columns);
    int64_t terms = 0;
    for (int32_t s = 0; s < op.sources; ++s)
      terms += op.source[s].taps * (program_.tensor[op.source[s].tensor].channels / groups);
    float *to = arena_->take<float>(groups * (terms + 1) * width * (op.gate ? 2 : 1));
    if (!made) return;
    made->weights = to;
    made->has_bias = op.bias;
    const int64_t all = columns_of(program_, op);
    for (int64_t group = 0; group < groups; ++group)
      for (int64_t column = 0; column < width;) {
        const StreamPanel panel = stream_panel(kernels_.lanes, width - column, op.gate);
        const int64_t each = panel.lanes * panel.count;
        const auto row = [&](const float *from) {  // all columns of one term
          for (int64_t i = 0; i < each; ++i) {
            const int64_t at = column + (op.gate ? i % panel.lanes : i);
            const int64_t half = op.gate && i >= panel.lanes ? program_.tensor[op.out].channels : 0;
            *to++ = from && at < columns ? from[half + group * columns + at] : 0.0f;
          }
        };
        row(op.bias);
        for (int32_t s = 0; s < op.sources; ++s) {
          const int64_t rows = op.source[s].taps * (program_.tensor[op.source[s].tensor].channels / groups);
          for (int64_t r = 0; r < rows; ++r) row(op.source[s].weights + r * all);
        }
        column += op.gate ? panel.lanes : each;
      }
  }

  // Rings, then what lives for one piece only. The latter share memory where one is done before the other begins.
  void place(StreamTensor *tensors) {
    int64_t free = 0;
    if (write_) {
      for (int32_t i = 0; i < program_.tensors; ++i) last_use_[i] = last_use(i);
    }
    for (int32_t i = 0; i < program_.tensors; ++i) {
      const atrous_stream_tensor &tensor = program_.tensor[i];
      StreamTensor made = {};
      made.channels = tensor.channels;
      made.pitch = pitch(i);
      made.steps = tensor.steps;
      made.first = tensor.first;
      made.last = INT64_MAX;
      made.extra = tensor.extra;
      made.unit_rows = tensor.steps ? tensor.steps * batch_ : batch_;
      made.kept = kept_steps(program_, i);
      for (int32_t o = 0; o < program_.ops; ++o)
        if (program_.op[o].code == ATROUS_STREAM_EMBED && program_.op[o].source[0].tensor == i)
          made.codes = made.codes ? std::min(made.codes, program_.op[o].rows) : program_.op[o].rows;
      made.rows = tensor.steps ? made.kept * batch_ + piece_ * made.unit_rows : batch_;
      if (write_) tensors[i] = made;
      const int64_t floats = floats_of(made);
      if (!shares(i)) {
        float *data = arena_->take<float>(floats);
        if (write_) {
          std::fill(data, data + floats, 0.0f);
          tensors[i].data = data;
        }
      } else if (!write_) {
        arena_->take<float>(floats);  // at most: as if nothing was shared
      }
    }
    if (!write_) return;
    for (int32_t i = 0; i < program_.ops; ++i) {
      const int32_t out = program_.op[i].out;
      if (shares(out) && !tensors[out].data) {
        const int64_t floats = floats_of(tensors[out]);
        int64_t best = -1;
        for (int64_t f = 0; f < free; ++f)
          if (free_[f].floats >= floats && (best < 0 || free_[f].floats < free_[best].floats)) best = f;
        if (best >= 0) {
          tensors[out].data = free_[best].data;
          free_[best] = free_[--free];
        } else {
          tensors[out].data = arena_->take<float>(floats);
          std::fill(tensors[out].data, tensors[out].data + floats, 0.0f);
        }
      }
      for (int32_t t = 0; t < program_.tensors; ++t)
        if (last_use_[t] == i && shares(t) && tensors[t].data) free_[free++] = {tensors[t].data, floats_of(tensors[t])};
    }
  }

  int64_t floats_of(const StreamTensor &tensor) const { return (tensor.rows + kStreamRows) * tensor.pitch + kernels_.lanes; }

  bool shares(int32_t tensor) const {
    return program_.tensor[tensor].steps && !kept_steps(program_, tensor) &&
           !contains(program_.input, program_.inputs, tensor) && !contains(program_.output, program_.outputs, tensor) &&
           !is_read_last(tensor);
  }

  // Whether an operation behind the block reads it.
  bool is_read_last(int32_t tensor) const {
    for (int32_t i = 0; i < program_.ops; ++i)
      if (program_.op[i].code == ATROUS_STREAM_LAST && program_.op[i].source[0].tensor == tensor) return true;
    return false;
  }

  int32_t last_use(int32_t tensor) const {
    for (int32_t i = program_.ops; i-- > 0;) {
      const atrous_stream_op &op = program_.op[i];
      bool used = op.out == tensor || op.add == tensor;
      for (int32_t s = 0; s < op.sources; ++s) used |= op.source[s].tensor == tensor;
      if (used) return i;
    }
    return -1;
  }

  const atrous_stream_program &program_;
  const int64_t batch_;
  const StreamKernels &kernels_;
  Arena *arena_;
  const bool write_;
  int64_t piece_ = 0;
  int32_t *last_use_ = nullptr;
  Free *free_ = nullptr;
};

}  // namespace

atrous_stream *stream_layout(const atrous_stream_program &program, int64_t batch, const StreamKernels &kernels, Arena *arena,
                             bool write) {
  return Layout(program, batch, kernels, arena, write).run();
}

}  // namespace atrous
