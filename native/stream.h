/* stream.h: causal networks one block of steps at a time, in float32, on one core.
 *
 * This header is the manual. It is plain C, and goes with atrous.h.
 *
 * A *program* is a list of operations over numbered *tensors*. A tensor is a sequence of steps, each a vector of channels for
 * every sequence of the batch; or it has no time, and then is one such vector. A *stream* is a program with packed weights, the
 * past that it needs of every tensor, and room for a block. `atrous_stream_step` takes the next steps of the inputs and gives
 * those of the outputs, the same as if it had seen the whole signal at once, whatever the sizes of blocks.
 *
 *     atrous_stream_program program = {…};
 *     size_t bytes;
 *     atrous_stream *stream;
 *     atrous_status status = atrous_stream_measure(&program, batch, &bytes);
 *     if (status == ATROUS_OK) status = atrous_stream_make(&program, batch, malloc(bytes), bytes, &stream);
 *     // program and weights are not needed any more
 *     const void *inputs[] = {x};
 *     void *outputs[] = {y};
 *     while (more) status = atrous_stream_step(stream, n, inputs, outputs);
 *
 * The caller brings all memory, and frees it when done; a stream owns nothing else, and must stay where it was made. Nothing
 * here allocates, locks, throws, prints or starts a thread. A stream is used by one thread at a time; different streams don't
 * know of each other. While a step runs, denormal numbers count as zero; the caller's floating-point mode comes back afterwards.
 *
 * Before the first step, and after `atrous_stream_reset`, the past of every tensor is zeros, as padding puts them there; to
 * pooling it is nothing.
 */
#ifndef ATROUS_STREAM_H
#define ATROUS_STREAM_H

#include "atrous.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- programs ------------------------------------------------------------------------------------------------------------ */

/* A *unit* is the least number of steps that a block may have: where a program strides by 4, its input has 4 steps a unit and
 * its output 1. Every tensor with time says how many it has. */
typedef struct atrous_stream_tensor {
  int64_t channels; /* >= 1; of codes 1 */
  int64_t steps;    /* in a unit, >= 1; 0: without time */
  int64_t first;    /* >= 0: the first step of the signal, so late it is; what is before becomes zero, or to pooling nothing */
  int64_t extra;    /* >= -first: steps beyond units·steps + first when the signal has ended; what is behind becomes the same */
} atrous_stream_tensor;

typedef enum atrous_stream_code {
  /* y[i·stretch + phase] = last(first(bias + Σ over sources s, taps j of x_s[i·stride + offset_j] · w_sj) + add[i]):
     convolution, dense layer, one phase of a transposed convolution. With `gate`, sources have 2·channels(out) columns, a and
     b, and the result is last(first(a + add_a) · σ(b + add_b)); `add` then has 2·channels(out) channels. With strides, groups
     or phases, there is neither. */
  ATROUS_STREAM_PRODUCT = 0,
  /* The same for one source whose every channel is by itself: weights (taps, channels). */
  ATROUS_STREAM_DEPTHWISE,
  /* Over the taps of one source; what lies before the first step is no data. Channels as they are. */
  ATROUS_STREAM_MAX_POOL,
  ATROUS_STREAM_AVERAGE_POOL,
  /* y = last(first(a) ∘ b): two sources, one tap each. One of them may have a single channel, which then meets all. */
  ATROUS_STREAM_ADD,
  ATROUS_STREAM_SUBTRACT,
  ATROUS_STREAM_MULTIPLY,
  ATROUS_STREAM_MAXIMUM,
  ATROUS_STREAM_MINIMUM,
  /* y = last(first(x)·w + bias), channel by channel; w and bias may be NULL: 1 and 0. */
  ATROUS_STREAM_AFFINE,
  /* Over channels: (x − mean) / sqrt(variance + alpha)·w + bias; w and bias may be NULL. */
  ATROUS_STREAM_LAYER_NORM,
  ATROUS_STREAM_SOFTMAX,
  /* `channels` channels, from_channel … of x to to_channel … of y: y[i·stretch + phase] = x[i·stride + offset]. */
  ATROUS_STREAM_COPY,
  /* Row x of a table (rows, channels(out)), which is `weights`; x are codes, int32: an input of the program. */
  ATROUS_STREAM_EMBED,
  /* The last step of x: y has no time. */
  ATROUS_STREAM_LAST
} atrous_stream_code;

typedef enum atrous_stream_function {
  ATROUS_STREAM_LINEAR = 0,
  ATROUS_STREAM_RELU,
  ATROUS_STREAM_LEAKY_RELU, /* alpha below 0 */
  ATROUS_STREAM_CLIPPED_RELU, /* at most alpha: ReLU6 */
  ATROUS_STREAM_ELU,        /* alpha·(e^x − 1) below 0 */
  ATROUS_STREAM_SELU,
  ATROUS_STREAM_GELU,       /* x·Φ(x) */
  ATROUS_STREAM_GELU_TANH,  /* its approximation by tanh */
  ATROUS_STREAM_SILU,
  ATROUS_STREAM_TANH,
  ATROUS_STREAM_SIGMOID,
  ATROUS_STREAM_HARD_SIGMOID, /* clip(x/6 + 1/2, 0, 1) */
  ATROUS_STREAM_HARD_SILU,
  ATROUS_STREAM_SOFTPLUS,
  ATROUS_STREAM_SOFTSIGN,
  ATROUS_STREAM_EXP,
  ATROUS_STREAM_ABS,
  ATROUS_STREAM_SQUARE,
  ATROUS_STREAM_FUNCTIONS /* how many there are */
} atrous_stream_function;

/* What an operation reads of one tensor. */
typedef struct atrous_stream_source {
  int32_t tensor;
  int32_t taps;           /* >= 1 */
  const int64_t *offsets; /* one a tap, in steps of the tensor; at most stride − 1: nothing is read that isn't there yet */
  int64_t stride;         /* >= 1 */
  int64_t groups;         /* of ATROUS_STREAM_PRODUCT, >= 1; divides channels and columns */
  const float *weights;   /* (taps, channels / groups, columns) */
} atrous_stream_source;

typedef struct atrous_stream_op {
  int32_t code;       /* atrous_stream_code */
  int32_t out;        /* tensor that is written; only `add` may be the same, to sum up in place */
  int32_t first, last; /* atrous_stream_function */
  float alpha, last_alpha;
  int32_t gate;       /* 0 or 1 */
  int32_t add;        /* tensor that is added, or −1. May be without time */
  int64_t stretch, phase; /* >= 1; 0 <= phase < stretch. An `out` with stretch is written by one operation for each phase */
  int64_t from_channel, to_channel, channels; /* of ATROUS_STREAM_COPY */
  int32_t rows;       /* of the table of ATROUS_STREAM_EMBED */
  int32_t sources;
  const atrous_stream_source *source;
  const float *weights, *bias; /* where the code says so. bias: (columns), or NULL */
} atrous_stream_op;

/* Operations come behind those that write what they read. A tensor without time is computed when its inputs are set, if none of
 * them has time, else at the end of every block. */
typedef struct atrous_stream_program {
  int32_t tensors, ops, inputs, outputs;
  const atrous_stream_tensor *tensor;
  const atrous_stream_op *op;
  const int32_t *input, *output; /* numbers of tensors */
} atrous_stream_program;

/* ---- streams ------------------------------------------------------------------------------------------------------------- */

typedef struct atrous_stream atrous_stream;

/* Bytes that a stream of this program takes, with the instruction set in use. ATROUS_BAD_PROGRAM: see `atrous_stream_fault`. */
ATROUS_API atrous_status atrous_stream_measure(const atrous_stream_program *program, int64_t batch, size_t *bytes);

/* Why a program is refused: the first operation at fault, or −1 if none is, and one static sentence; NULL for a good one. */
ATROUS_API const char *atrous_stream_fault(const atrous_stream_program *program, int64_t batch, int32_t *op);

/* Packs the weights and lays the stream out in `memory`, of any alignment. The stream begins as after a reset, inputs without
 * time as zeros. */
ATROUS_API atrous_status atrous_stream_make(const atrous_stream_program *program, int64_t batch, void *memory,
                                            size_t bytes, atrous_stream **stream);

/* Says that the signal is over: what is given from now on, zeros, only serves to get the rest of what is late. */
ATROUS_API void atrous_stream_end(atrous_stream *stream);

/* Forgets the past. Inputs without time stay. */
ATROUS_API void atrous_stream_reset(atrous_stream *stream);

/* The next `units` units. inputs[i]: (batch, units·steps, channels) dense, float or, of codes, int32; of an input without time
 * (batch, channels), or NULL: as before. outputs[i]: the same of outputs; NULL: not wanted. Overlap of buffers isn't checked.
 * ATROUS_BAD_POINTER: a NULL input; ATROUS_BAD_SIZE: units below 0; ATROUS_BAD_CODE. The state is then as it was. */
ATROUS_API atrous_status atrous_stream_step(atrous_stream *stream, int64_t units, const void *const *inputs,
                                            void *const *outputs);

/* ---- the past as data ---------------------------------------------------------------------------------------------------- */

/* Floats of the whole state: for every tensor of which some past is kept, in order, (batch, steps kept, channels), oldest
 * first. Codes are there as their bits. Not part of it: inputs without time, and the number of units, which pooling needs. */
ATROUS_API int64_t atrous_stream_state_size(const atrous_stream *stream);
ATROUS_API int64_t atrous_stream_kept(const atrous_stream *stream, int32_t tensor); /* steps */
ATROUS_API void atrous_stream_get_state(const atrous_stream *stream, float *state);
ATROUS_API void atrous_stream_set_state(atrous_stream *stream, const float *state);
ATROUS_API int64_t atrous_stream_units(const atrous_stream *stream); /* since the reset */
ATROUS_API void atrous_stream_set_units(atrous_stream *stream, int64_t units);

/* ---- generation ---------------------------------------------------------------------------------------------------------- */

typedef enum atrous_stream_draw {
  ATROUS_STREAM_CATEGORICAL = 0, /* a code, with the probabilities softmax(output / temperature) */
  ATROUS_STREAM_LOGISTICS,       /* a value from a mixture of logistics: the output is logits of weights, means, and logarithms
                                    of scales; temperature multiplies the scales; the value is clipped to −1 … 1 */
  ATROUS_STREAM_VALUE            /* the output itself */
} atrous_stream_draw;

/* How the next input comes from an output. */
typedef struct atrous_stream_sampler {
  int32_t draw;         /* atrous_stream_draw */
  float temperature;    /* 0: the likeliest code, the mean of the likeliest logistic */
  float least_log_scale; /* of a logistic: smaller ones count as this */
  const float *table;   /* of codes, where the input isn't one: (classes, channels of the input), what to feed for each */
  uint64_t *random;     /* (batch, 4): the generators' states, from `atrous_stream_seed`; goes on from call to call */
} atrous_stream_sampler;

/* Seeds one generator (xoshiro256++, Blackman & Vigna 2019, arXiv 1805.01407) for each sequence, so that sequence i of a batch
 * draws the same in batches of any size. */
ATROUS_API void atrous_stream_seed(uint64_t seed, int64_t batch, uint64_t *random);

/* `steps` times: step, draw, feed what was drawn to input `fed`. The program has one step a unit. feed: what input `fed` takes
 * first, (batch, channels); what it would take next afterwards. inputs: as for `atrous_stream_step`, for all steps; [fed] isn't
 * read. drawn: (batch, steps) int32 codes, or (batch, steps, channels) floats, channels of a logistic being 1. It is the last
 * of the outputs that is drawn from.
 * ATROUS_BAD_PROGRAM: the program isn't of that kind, or input and output don't fit the sampler. */
ATROUS_API atrous_status atrous_stream_generate(atrous_stream *stream, const atrous_stream_sampler *sampler, int64_t steps,
                                                int32_t fed, void *feed, const void *const *inputs, void *drawn);

#ifdef __cplusplus
}
#endif

#endif
