// stream: streams made and stepped, their past read and set.
#include "stream.h"

#include <algorithm>

#include "stream_plan.h"
#include "stream_program.h"

namespace atrous {
namespace {

#if defined(__x86_64__)
const StreamKernels *const kKernels[] = {&kStreamBaseline, &kStreamAvx2, &kStreamAvx512};
#else
const StreamKernels *const kKernels[] = {&kStreamBaseline};
#endif

void give_out(const atrous_stream &stream, const StreamTensor &tensor, float *y, int64_t from, int64_t steps, int64_t total) {
  const int64_t channels = tensor.channels, batch = stream.batch;
  for (int64_t t = 0; t < steps; ++t)
    for (int64_t b = 0; b < batch; ++b)
      std::memcpy(y + (b * total + from + t) * channels, tensor.at(t * batch + b), channels * sizeof(float));
}

}  // namespace

bool stream_codes_known(const StreamTensor &tensor, const void *x, int64_t count) {
  const int32_t *codes = static_cast<const int32_t *>(x);
  for (int64_t i = 0; tensor.codes && i < count; ++i)
    if (codes[i] < 0 || codes[i] >= tensor.codes) return false;
  return true;
}

void stream_take_in(const atrous_stream &stream, const StreamTensor &tensor, const void *x, int64_t from, int64_t steps,
                    int64_t total) {
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
      std::memcpy(tensor.data + b * tensor.pitch, static_cast<const float *>(inputs[i]) + b * tensor.channels,
                  tensor.channels * sizeof(float));
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
  stream_layout(*program, batch, *kKernels[atrous_isa()], &arena, false);
  *bytes = arena_bytes(arena.used(), 1);
  return ATROUS_OK;
}

atrous_status atrous_stream_make(const atrous_stream_program *program, int64_t batch, void *memory, size_t bytes,
                                 atrous_stream **stream) {
  size_t needed;
  const atrous_status status = atrous_stream_measure(program, batch, &needed);
  if (status != ATROUS_OK) return status;
  if (!memory || !stream || bytes < needed) return ATROUS_BAD_POINTER;
  Arena arena(static_cast<char *>(memory));
  *stream = stream_layout(*program, batch, *kKernels[atrous_isa()], &arena, true);
  const FlushToZero flush;
  stream_run(**stream, 0, 1);
  return ATROUS_OK;
}

void atrous_stream_end(atrous_stream *stream) {
  for (int32_t i = 0; i < stream->tensors; ++i) {
    StreamTensor &tensor = stream->tensor[i];
    if (tensor.timed()) tensor.last = stream->units * tensor.steps + tensor.first + tensor.extra;
  }
}

void atrous_stream_reset(atrous_stream *stream) {
  for (int32_t i = 0; i < stream->tensors; ++i) {
    StreamTensor &tensor = stream->tensor[i];
    tensor.head = 0;
    tensor.last = INT64_MAX;
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
  for (int32_t i = 0; i < stream->inputs; ++i) {
    const StreamTensor &tensor = stream->tensor[stream->input[i]];
    if (inputs[i] && !stream_codes_known(tensor, inputs[i], stream->batch * (tensor.timed() ? units * tensor.steps : 1)))
      return ATROUS_BAD_CODE;
  }
  const FlushToZero flush;
  stream_set_untimed(*stream, inputs);
  for (int64_t done = 0; done < units;) {
    const int64_t left = units - done, pieces = (left + stream->piece - 1) / stream->piece;
    const int64_t now = (left + pieces - 1) / pieces;  // pieces of one size: a small one would take as many weights
    for (int32_t i = 0; i < stream->inputs; ++i) {
      const StreamTensor &tensor = stream->tensor[stream->input[i]];
      if (tensor.timed())
        stream_take_in(*stream, tensor, inputs[i], done * tensor.steps, now * tensor.steps, units * tensor.steps);
    }
    stream_run(*stream, 1, now);
    for (int32_t i = 0; i < stream->outputs; ++i) {
      const StreamTensor &tensor = stream->tensor[stream->output[i]];
      if (tensor.timed() && outputs[i])
        give_out(*stream, tensor, static_cast<float *>(outputs[i]), done * tensor.steps, now * tensor.steps,
                 units * tensor.steps);
    }
    done += now;
    if (done == units) stream_run(*stream, 2, now);
    stream_advance(stream, now);
  }
  for (int32_t i = 0; i < stream->outputs; ++i) {
    const StreamTensor &tensor = stream->tensor[stream->output[i]];
    for (int64_t b = 0; b < stream->batch && !tensor.timed() && outputs[i]; ++b)
      std::memcpy(static_cast<float *>(outputs[i]) + b * tensor.channels, tensor.data + b * tensor.pitch,
                  tensor.channels * sizeof(float));
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
