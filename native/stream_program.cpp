// stream_program: what a program says, and what is wrong with it.
#include "stream_program.h"

#include <algorithm>

namespace atrous {

bool gathers(const atrous_stream_op &op) {
  if (!is_product(op)) return false;
  bool gather = op.stretch > 1;
  for (int32_t s = 0; s < op.sources; ++s) gather |= op.source[s].stride > 1 || op.source[s].groups > 1;
  return gather;
}

int64_t columns_of(const atrous_stream_program &program, const atrous_stream_op &op) {
  return program.tensor[op.out].channels * (op.gate ? 2 : 1);
}

int64_t kept_steps(const atrous_stream_program &program, int32_t tensor) {
  int64_t kept = 0;
  for (int32_t i = 0; i < program.ops; ++i)
    for (int32_t s = 0; s < program.op[i].sources; ++s) {
      const atrous_stream_source &source = program.op[i].source[s];
      for (int32_t t = 0; t < source.taps && source.tensor == tensor; ++t) kept = std::max(kept, -source.offsets[t]);
    }
  return program.tensor[tensor].steps ? kept : 0;
}

bool contains(const int32_t *list, int32_t count, int32_t tensor) {
  return std::find(list, list + count, tensor) != list + count;
}

namespace {

constexpr double kMostFloats = 1e15;

// Whether a tensor is an input, or written by one of the first `ops` operations.
bool is_written(const atrous_stream_program &program, int32_t tensor, int32_t ops) {
  bool written = contains(program.input, program.inputs, tensor);
  for (int32_t i = 0; i < ops; ++i) written |= program.op[i].out == tensor;
  return written;
}

// Whether a tensor without time says something of one with time, by what the first `ops` operations make of it.
bool follows_time(const atrous_stream_program &program, int32_t tensor, int32_t ops) {
  for (int32_t i = ops; i-- > 0;) {
    const atrous_stream_op &op = program.op[i];
    if (op.out != tensor) continue;
    for (int32_t s = 0; s < op.sources; ++s) {
      const int32_t read = op.source[s].tensor;
      if (program.tensor[read].steps || follows_time(program, read, i)) return true;
    }
    if (op.add >= 0 && follows_time(program, op.add, i)) return true;
  }
  return false;
}

const char *fault_of_source(const atrous_stream_program &program, const atrous_stream_op &op, int32_t index, int32_t at) {
  const atrous_stream_source &source = op.source[at];
  if (source.tensor < 0 || source.tensor >= program.tensors) return "a source is no tensor of the program";
  if (!is_written(program, source.tensor, index)) return "a source is written by no operation before";
  if (source.tensor == op.out) return "a source is written by the same operation";
  if (source.taps < 1 || source.stride < 1 || source.groups < 1) return "taps, stride and groups of a source must be positive";
  if (!source.offsets) return "a source has no offsets";
  if (!may_move(op) && (source.taps != 1 || source.stride != 1 || source.offsets[0] != 0))
    return "this operation reads steps as they come";
  const atrous_stream_tensor &from = program.tensor[source.tensor], &to = program.tensor[op.out];
  for (int32_t t = 0; t < source.taps; ++t) {
    if (source.offsets[t] >= source.stride) return "a tap reads a step that isn't there yet";
    if (source.offsets[t] < -kMostOfAll) return "a tap is too far away";
    if (!from.steps && source.offsets[t]) return "a tensor without time has no past";
  }
  if (op.code == ATROUS_STREAM_LAST) {
    if (!from.steps || to.steps) return "the last step is that of a tensor with time, and has none";
  } else if (from.steps) {
    if (from.steps * op.stretch != to.steps * source.stride)
      return "the steps of a source and of what is made of it don't fit each other";
  } else if (is_product(op) && to.steps) {
    return "a product with time can't have a source without; make that a product of its own, and add it";
  }
  if (is_product(op)) {
    if (from.channels % source.groups || columns_of(program, op) % source.groups)
      return "groups must divide channels and columns";
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
    if (!contains(program.input, program.inputs, source.tensor)) return "an embedding takes an input of the program";
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
  if (op.sources < 1 || !op.source || (!is_product(op) && op.sources != (is_pair(op) ? 2 : 1)))
    return "the number of sources is wrong";
  if (op.stretch < 1 || op.phase < 0 || op.phase >= op.stretch) return "stretch must be positive, and phase below it";
  if (op.stretch > 1 && !may_move(op)) return "this operation writes steps as they come";
  if (op.gate && !is_product(op)) return "only a product has a gate";
  if ((op.first || op.last) && op.code == ATROUS_STREAM_COPY) return "a copy has no function";
  if (op.first && (op.code == ATROUS_STREAM_LAYER_NORM || op.code == ATROUS_STREAM_SOFTMAX))
    return "a normalisation has no first function";
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

}  // namespace

int32_t when_of(const atrous_stream_program &program, const atrous_stream_op &op) {
  if (program.tensor[op.out].steps) return 1;
  return follows_time(program, op.out, program.ops) ? 2 : 0;
}

const char *fault_of(const atrous_stream_program &program, int64_t batch, int32_t *op) {
  *op = -1;
  if (batch < 1 || batch >= kMostOfAll) return "batch must be positive";
  if (program.tensors < 1 || program.ops < 0 || program.inputs < 0 || program.outputs < 0)
    return "a number of tensors, operations, inputs or outputs is negative, or none";
  if (!program.tensor || (program.ops && !program.op) || (program.inputs && !program.input) ||
      (program.outputs && !program.output))
    return "a list of the program is NULL";
  for (int32_t i = 0; i < program.tensors; ++i) {
    const atrous_stream_tensor &tensor = program.tensor[i];
    if (tensor.channels < 1 || tensor.steps < 0 || tensor.channels >= kMostOfAll || tensor.steps >= kMostOfAll || tensor.first < 0 ||
        tensor.first + tensor.extra < 0)
      return "a tensor has no channels, or too many";
  }
  for (int32_t i = 0; i < program.inputs; ++i)
    if (program.input[i] < 0 || program.input[i] >= program.tensors) return "an input is no tensor of the program";
  for (int32_t i = 0; i < program.ops; ++i)
    if (const char *fault = fault_of_op(program, program.op[i], i)) {
      *op = i;
      return fault;
    }
  for (int32_t i = 0; i < program.tensors; ++i) {
    const double steps = static_cast<double>(kept_steps(program, i)) + 1024.0 * program.tensor[i].steps;
    if (steps * batch * program.tensor[i].channels > kMostFloats) return "a tensor and its past are too large";
  }
  for (int32_t i = 0; i < program.outputs; ++i)
    if (program.output[i] < 0 || program.output[i] >= program.tensors || !is_written(program, program.output[i], program.ops))
      return "an output is no tensor of the program, or never written";
  return nullptr;
}

}  // namespace atrous
