// stream: programs checked and laid out, streams stepped, their past read and set.
#include "stream.h"

#include <algorithm>

#include "isa.h"
#include "stream_plan.h"

namespace atrous {
namespace {

#if defined(__x86_64__)
const StreamKernels *const kKernels[] = {&kStreamBaseline, &kStreamAvx2, &kStreamAvx512};
#else
const StreamKernels *const kKernels[] = {&kStreamBaseline};
#endif

constexpr int64_t kMost = int64_t{1} << 31;
constexpr int64_t kPieceBytes = 320 * 1024;  // of all tensors of a piece: what stays in the second cache beside their past
constexpr int64_t kLeastRows = 56, kMostPieceRows = 448;

// ---- what a program says ---------------------------------------------------------------------------------------------------

bool is_product(const atrous_stream_op &op) { return op.code == ATROUS_STREAM_PRODUCT; }
bool is_pair(const atrous_stream_op &op) { return op.code >= ATROUS_STREAM_ADD && op.code <= ATROUS_STREAM_MINIMUM; }
bool is_pool(const atrous_stream_op &op) { return op.code == ATROUS_STREAM_MAX_POOL || op.code == ATROUS_STREAM_AVERAGE_POOL; }
bool may_move(const atrous_stream_op &op) {  // taps, strides, phases
  return is_product(op) || is_pool(op) || op.code == ATROUS_STREAM_DEPTHWISE || op.code == ATROUS_STREAM_COPY;
}

bool gathers(const atrous_stream_op &op) {
  if (!is_product(op)) return false;
  bool gather = op.stretch > 1;
  for (int32_t s = 0; s < op.sources; ++s) gather |= op.source[s].stride > 1 || op.source[s].groups > 1;
  return gather;
}

int64_t columns_of(const atrous_stream_program &program, const atrous_stream_op &op) {
  return program.tensor[op.out].channels * (op.gate ? 2 : 1);
}

// Steps of the past of a tensor that are read.
int64_t kept_steps(const atrous_stream_program &program, int32_t tensor) {
  int64_t kept = 0;
  for (int32_t i = 0; i < program.ops; ++i)
    for (int32_t s = 0; s < program.op[i].sources; ++s) {
      const atrous_stream_source &source = program.op[i].source[s];
      for (int32_t t = 0; t < source.taps && source.tensor == tensor; ++t) kept = std::max(kept, -source.offsets[t]);
    }
  return program.tensor[tensor].steps ? kept : 0;
}

bool contains(const int32_t *list, int32_t count, int32_t tensor) { return std::find(list, list + count, tensor) != list + count; }

// Whether a tensor is an input, or written by one of the first `ops` operations.
bool is_written(const atrous_stream_program &program, int32_t tensor, int32_t ops) {
  bool written = contains(program.input, program.inputs, tensor);
  for (int32_t i = 0; i < ops; ++i) written |= program.op[i].out == tensor;
  return written;
}

// Whether a tensor without time says something of one with time.
bool follows_time(const atrous_stream_program &program, int32_t tensor) {
  for (int32_t i = program.ops; i-- > 0;) {
    const atrous_stream_op &op = program.op[i];
    if (op.out != tensor) continue;
    for (int32_t s = 0; s < op.sources; ++s) {
      const int32_t read = op.source[s].tensor;
      if (program.tensor[read].steps || follows_time(program, read)) return true;
    }
    if (op.add >= 0 && op.add != tensor && follows_time(program, op.add)) return true;
  }
  return false;
}

int32_t when_of(const atrous_stream_program &program, const atrous_stream_op &op) {
  if (program.tensor[op.out].steps) return 1;
  return follows_time(program, op.out) ? 2 : 0;
}

// ---- checks ----------------------------------------------------------------------------------------------------------------

const char *fault_of_source(const atrous_stream_program &program, const atrous_stream_op &op, int32_t index, int32_t at) {
  const atrous_stream_source &source = op.source[at];
  if (source.tensor < 0 || source.tensor >= program.tensors) return "a source is no tensor of the program";
  if (!is_written(program, source.tensor, index)) return "a source is written by no operation before";
  if (source.tensor == op.out) return "a source is written by the same operation";
  if (source.taps < 1 || source.stride < 1 || source.groups < 1) return "taps, stride and groups of a source must be positive";
  if (!source.offsets) return "a source has no offsets";
  if (!may_move(op) && (source.taps != 1 || source.stride != 1 || source.offsets[0] != 0)) return "this operation reads steps as they come";
  const atrous_stream_tensor &from = program.tensor[source.tensor], &to = program.tensor[op.out];
  for (int32_t t = 0; t < source.taps; ++t) {
    if (source.offsets[t] >= source.stride) return "a tap reads a step that isn't there yet";
    if (source.offsets[t] < -kMost) return "a tap is too far away";
    if (!from.steps && source.offsets[t]) return "a tensor without time has no past";
  }
  if (op.code == ATROUS_STREAM_LAST) {
    if (!from.steps || to.steps) return "the last step is that of a tensor with time, and has none";
  } else if (from.steps) {
    if (from.steps * op.stretch != to.steps * source.stride) return "the steps of a source and of what is made of it don't fit each other";
  } else if (is_product(op) && to.steps) {
    return "a product with time can't have a source without; make that a product of its own, and add it";
  }
  if (is_product(op)) {
    if (from.channels % source.groups || columns_of(program, op) % source.groups) return "groups must divide channels and columns";
    if (source.groups != op.source[0].groups) return "all sources must have as many groups";
    if (!source.weights) return "a product needs weights";
  } else if (is_pair(op)) {
    if (from.channels != to.channels && from.channels != 1) return "the channels of two tensors don't fit each other";
  } else if (op.code == ATROUS_STREAM_COPY) {
    if (op.from_channel < 0 || op.to_channel < 0 || op.channels < 1 || op.from_channel + op.channels > from.channels ||
        op.to_channel + op.channels > to.channels)
      return "the channels copied aren't there";
  } else if (op.code == ATROUS_STREAM_EMBED) {
    if (from.channels != 1 || op.rows < 1 || !op.weights) return "an embedding takes one channel of codes, and needs a table";
  } else if (from.channels != to.channels) {
    return "this operation leaves the number of channels as it is";
  }
  if (op.code == ATROUS_STREAM_DEPTHWISE && !source.weights) return "a depthwise convolution needs weights";
  return nullptr;
}

const char *fault_of_op(const atrous_stream_program &program, const atrous_stream_op &op, int32_t index) {
  if (op.code < 0 || op.code > ATROUS_STREAM_LAST) return "the code is none of atrous_stream_code";
  if (op.out < 0 || op.out >= program.tensors) return "what is written is no tensor of the program";
  if (contains(program.input, program.inputs, op.out)) return "an input is written";
  for (int32_t f : {op.first, op.last})
    if (f < 0 || f >= ATROUS_STREAM_FUNCTIONS) return "a function is none of atrous_stream_function";
  if (op.sources < 1 || !op.source || (!is_product(op) && op.sources != (is_pair(op) ? 2 : 1))) return "the number of sources is wrong";
  if (op.stretch < 1 || op.phase < 0 || op.phase >= op.stretch) return "stretch must be positive, and phase below it";
  if (op.stretch > 1 && !may_move(op)) return "this operation writes steps as they come";
  if (op.gate && !is_product(op)) return "only a product has a gate";
  if ((op.first || op.last) && op.code == ATROUS_STREAM_COPY) return "a copy has no function";
  if (op.first && (op.code == ATROUS_STREAM_LAYER_NORM || op.code == ATROUS_STREAM_SOFTMAX)) return "a normalisation has no first function";
  for (int32_t s = 0; s < op.sources; ++s)
    if (const char *fault = fault_of_source(program, op, index, s)) return fault;
  if (op.add >= 0) {
    if (!is_product(op) || op.add >= program.tensors) return "only a product adds a tensor, and it must be one of the program";
    if (!is_written(program, op.add, index)) return "what is added is written by no operation before";
    const atrous_stream_tensor &add = program.tensor[op.add];
    if (add.channels != columns_of(program, op)) return "what is added must have as many channels as there are columns";
    if (add.steps && add.steps != program.tensor[op.out].steps) return "what is added must have as many steps as what is made";
  }
  if (gathers(op) && (op.gate || op.add >= 0)) return "with strides, groups or phases, a product has no gate and adds nothing";
  return nullptr;
}

const char *fault_of(const atrous_stream_program &program, int64_t batch, int32_t *op) {
  *op = -1;
  if (batch < 1 || batch >= kMost) return "batch must be positive";
  if (program.tensors < 1 || program.ops < 0 || program.inputs < 0 || program.outputs < 0) return "a number of tensors, operations, inputs or outputs is negative, or none";
  if (!program.tensor || (program.ops && !program.op) || (program.inputs && !program.input) || (program.outputs && !program.output))
    return "a list of the program is NULL";
  for (int32_t i = 0; i < program.tensors; ++i) {
    const atrous_stream_tensor &tensor = program.tensor[i];
    if (tensor.channels < 1 || tensor.steps < 0 || tensor.channels >= kMost || tensor.steps >= kMost) return "a tensor has no channels, or too many";
  }
  for (int32_t i = 0; i < program.inputs; ++i)
    if (program.input[i] < 0 || program.input[i] >= program.tensors) return "an input is no tensor of the program";
  for (int32_t i = 0; i < program.ops; ++i)
    if (const char *fault = fault_of_op(program, program.op[i], i)) {
      *op = i;
      return fault;
    }
  for (int32_t i = 0; i < program.outputs; ++i)
    if (program.output[i] < 0 || program.output[i] >= program.tensors || !is_written(program, program.output[i], program.ops))
      return "an output is no tensor of the program, or never written";
  return nullptr;
}

// ---- layout ----------------------------------------------------------------------------------------------------------------

// Units that a block is cut into: as many as let its tensors stay in a cache.
int64_t piece_units(const atrous_stream_program &program, int64_t batch) {
  int64_t bytes = 1, rows = 1;
  for (int32_t i = 0; i < program.tensors; ++i) {
    const int64_t each = program.tensor[i].steps * batch;
    const bool ring = kept_steps(program, i) > 0;
    bytes += each * stream_pitch(program.tensor[i].channels) * static_cast<int64_t>(sizeof(float)) / (ring ? 1 : 4);  // others share memory
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
    const int64_t most = is_product(op) ? kStreamSum : kMost;  // channels of a tap
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
    for (int32_t s = 0; s < op.sources; ++s) terms += op.source[s].taps * (program_.tensor[op.source[s].tensor].channels / groups);
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
      made.unit_rows = tensor.steps ? tensor.steps * batch_ : batch_;
      made.kept = kept_steps(program_, i);
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
    return program_.tensor[tensor].steps && !kept_steps(program_, tensor) && !contains(program_.input, program_.inputs, tensor) &&
           !contains(program_.output, program_.outputs, tensor) && !is_read_last(tensor);
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

// ---- steps -----------------------------------------------------------------------------------------------------------------

void give_out(const atrous_stream &stream, const StreamTensor &tensor, float *y, int64_t from, int64_t steps, int64_t total) {
  const int64_t channels = tensor.channels, batch = stream.batch;
  for (int64_t t = 0; t < steps; ++t)
    for (int64_t b = 0; b < batch; ++b)
      std::memcpy(y + (b * total + from + t) * channels, tensor.at(t * batch + b), channels * sizeof(float));
}

}  // namespace

void stream_take_in(const atrous_stream &stream, const StreamTensor &tensor, const void *x, int64_t from, int64_t steps, int64_t total) {
  const int64_t channels = tensor.channels, batch = stream.batch;
  for (int64_t t = 0; t < steps; ++t)
    for (int64_t b = 0; b < batch; ++b) {
      const int64_t row = t * batch + b;
      std::memcpy(tensor.at(row), static_cast<const float *>(x) + (b * total + from + t) * channels, channels * sizeof(float));
      tensor.written(row, 1);
    }
}

void stream_set_untimed(const atrous_stream &stream, const void *const *inputs) {
  bool news = false;
  for (int32_t i = 0; i < stream.inputs; ++i) {
    const StreamTensor &tensor = stream.tensor[stream.input[i]];
    if (tensor.timed() || !inputs[i]) continue;
    for (int64_t b = 0; b < stream.batch; ++b)
      std::memcpy(tensor.data + b * tensor.pitch, static_cast<const float *>(inputs[i]) + b * tensor.channels, tensor.channels * sizeof(float));
    tensor.repeat();
    news = true;
  }
  if (!news) return;
  stream_run(stream, 0, 1);
}

void stream_advance(atrous_stream *stream, int64_t units) {
  for (int32_t i = 0; i < stream->tensors; ++i) {
    StreamTensor &tensor = stream->tensor[i];
    if (!tensor.kept) continue;
    tensor.head += units * tensor.unit_rows;
    if (tensor.head >= tensor.rows) tensor.head -= tensor.rows;
  }
  stream->units += units;
}

}  // namespace atrous

using namespace atrous;

const char *atrous_stream_fault(const atrous_stream_program *program, int64_t batch, int32_t *op) {
  int32_t unused;
  if (!program) return "the program is NULL";
  return fault_of(*program, batch, op ? op : &unused);
}

atrous_status atrous_stream_measure(const atrous_stream_program *program, int64_t batch, size_t *bytes) {
  if (!program || !bytes) return ATROUS_BAD_POINTER;
  if (atrous_stream_fault(program, batch, nullptr)) return ATROUS_BAD_PROGRAM;
  Arena arena;
  Layout(*program, batch, *kKernels[atrous_isa()], &arena, false).run();
  *bytes = arena_bytes(arena.used(), 1);
  return ATROUS_OK;
}

atrous_status atrous_stream_make(const atrous_stream_program *program, int64_t batch, void *memory, size_t bytes, atrous_stream **stream) {
  size_t needed;
  const atrous_status status = atrous_stream_measure(program, batch, &needed);
  if (status != ATROUS_OK) return status;
  if (!memory || !stream || bytes < needed) return ATROUS_BAD_POINTER;
  Arena arena(static_cast<char *>(memory));
  *stream = Layout(*program, batch, *kKernels[atrous_isa()], &arena, true).run();
  const FlushToZero flush;
  stream_run(**stream, 0, 1);
  return ATROUS_OK;
}

void atrous_stream_reset(atrous_stream *stream) {
  for (int32_t i = 0; i < stream->tensors; ++i) {
    StreamTensor &tensor = stream->tensor[i];
    tensor.head = 0;
    if (tensor.kept) std::fill(tensor.data, tensor.data + (tensor.rows + kStreamRows) * tensor.pitch, 0.0f);
  }
  for (int32_t i = 0; i < stream->ops; ++i) {
    const StreamTensor &out = stream->tensor[stream->op[i].out];
    if (stream->op[i].when == 2) std::fill(out.data, out.data + (out.rows + kStreamRows) * out.pitch, 0.0f);
  }
  stream->units = 0;
}

atrous_status atrous_stream_step(atrous_stream *stream, int64_t units, const void *const *inputs, void *const *outputs) {
  if (!stream || (stream->inputs && !inputs) || (stream->outputs && !outputs)) return ATROUS_BAD_POINTER;
  if (units < 0) return ATROUS_BAD_SIZE;
  for (int32_t i = 0; i < stream->inputs; ++i)
    if (!inputs[i] && units && stream->tensor[stream->input[i]].timed()) return ATROUS_BAD_POINTER;
  const FlushToZero flush;
  stream_set_untimed(*stream, inputs);
  for (int64_t done = 0; done < units;) {
    const int64_t now = std::min(stream->piece, units - done);
    for (int32_t i = 0; i < stream->inputs; ++i) {
      const StreamTensor &tensor = stream->tensor[stream->input[i]];
      if (tensor.timed())
        stream_take_in(*stream, tensor, inputs[i], done * tensor.steps, now * tensor.steps, units * tensor.steps);
    }
    stream_run(*stream, 1, now);
    for (int32_t i = 0; i < stream->outputs; ++i) {
      const StreamTensor &tensor = stream->tensor[stream->output[i]];
      if (tensor.timed() && outputs[i])
        give_out(*stream, tensor, static_cast<float *>(outputs[i]), done * tensor.steps, now * tensor.steps, units * tensor.steps);
    }
    done += now;
    if (done == units) stream_run(*stream, 2, now);
    stream_advance(stream, now);
  }
  for (int32_t i = 0; i < stream->outputs; ++i) {
    const StreamTensor &tensor = stream->tensor[stream->output[i]];
    for (int64_t b = 0; b < stream->batch && !tensor.timed() && outputs[i]; ++b)
      std::memcpy(static_cast<float *>(outputs[i]) + b * tensor.channels, tensor.data + b * tensor.pitch, tensor.channels * sizeof(float));
  }
  return ATROUS_OK;
}

// ---- state -----------------------------------------------------------------------------------------------------------------

namespace {

// Calls back with every row of the past, oldest step first, sequence by sequence.
template <class Visit>
void each_row(const atrous_stream *stream, const Visit &visit) {
  for (int32_t i = 0; i < stream->tensors; ++i) {
    const StreamTensor &tensor = stream->tensor[i];
    for (int64_t b = 0; b < stream->batch; ++b)
      for (int64_t t = -tensor.kept; t < 0; ++t) visit(tensor, t * stream->batch + b);
  }
}

}  // namespace

int64_t atrous_stream_state_size(const atrous_stream *stream) {
  int64_t floats = 0;
  for (int32_t i = 0; i < stream->tensors; ++i) floats += stream->batch * stream->tensor[i].kept * stream->tensor[i].channels;
  return floats;
}

int64_t atrous_stream_kept(const atrous_stream *stream, int32_t tensor) { return stream->tensor[tensor].kept; }

void atrous_stream_get_state(const atrous_stream *stream, float *state) {
  each_row(stream, [&](const StreamTensor &tensor, int64_t row) {
    std::memcpy(state, tensor.at(row), tensor.channels * sizeof(float));
    state += tensor.channels;
  });
}

void atrous_stream_set_state(atrous_stream *stream, const float *state) {
  each_row(stream, [&](const StreamTensor &tensor, int64_t row) {
    std::memcpy(tensor.at(row), state, tensor.channels * sizeof(float));
    tensor.written(row, 1);
    state += tensor.channels;
  });
}

int64_t atrous_stream_units(const atrous_stream *stream) { return stream->units; }
void atrous_stream_set_units(atrous_stream *stream, int64_t units) { stream->units = units; }
