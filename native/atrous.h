/* atrous.h: dilated convolution and its two gradients on a CPU, in float32, for one to three spatial axes.
 *
 * This header is the manual. It is plain C, knows no framework and nothing of who calls it.
 *
 * The definition, along one axis with kernel size k, stride s, dilation rate r and p zeros in front (p may be negative: then it
 * crops), is
 *
 *     y[i] = sum over m = 0 … k-1 of x[i*s + r*m - p] * w[m]
 *
 * with one sum over axes and input channels. A tap whose x lies outside the data contributes nothing, whatever its weight:
 * Inf and NaN included. The zeros behind the data have no place in it: any output size may be asked for.
 *
 * Buffers are dense, row-major, channels last; pointers need only the alignment of a float.
 *
 *     x, dx    (batch, input[0], …, input[rank-1], channels)
 *     w, dw    (kernel[0], …, kernel[rank-1], channels / groups, filters)
 *     y, dy    (batch, output[0], …, output[rank-1], filters)
 *     bias     (filters) in the forward direction, (channels) in that of the input gradient
 *
 * Filters are split into `groups` runs; run g sees channels g*channels/groups and following. Depthwise convolution is
 * groups == channels, with filters / channels its depth multiplier. Transposed convolution is the input gradient, as an
 * operation of its own.
 *
 * Use: fill an `atrous_conv`, make a plan, bring a workspace of the size that the plan names, run.
 *
 *     atrous_conv conv = {.rank = 2, .batch = 1, .channels = 64, .filters = 64, .groups = 1, …};
 *     atrous_plan plan;
 *     atrous_status status = atrous_plan_make(&conv, ATROUS_FORWARD, &plan);
 *     if (status == ATROUS_OK) status = atrous_run(&plan, x, w, bias, y, malloc(plan.workspace));
 *
 * Nothing here allocates memory that the caller pays for, throws, prints or aborts. Every function may be called from any
 * thread at any time. The result of a run does not depend on the number of threads, bit for bit.
 */
#ifndef ATROUS_H
#define ATROUS_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define ATROUS_API __attribute__((visibility("default")))
#else
#define ATROUS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum { ATROUS_MAX_RANK = 3 };

typedef enum atrous_status {
  ATROUS_OK = 0,
  ATROUS_BAD_RANK,      /* rank is not 1, 2 or 3 */
  ATROUS_BAD_SIZE,      /* a size, stride, rate, kernel size or group count is below its least value */
  ATROUS_BAD_GROUPS,    /* groups doesn't divide channels and filters */
  ATROUS_TOO_LARGE,     /* a number is 2^31 or more, or a buffer would have 2^60 elements or more, were its zero sizes one */
  ATROUS_BAD_POINTER,   /* a buffer that has elements is NULL, or the workspace is */
  ATROUS_OVERLAP,       /* result, workspace and operands share memory; only operands may, with each other */
  ATROUS_BAD_DIRECTION, /* the direction is none of `atrous_direction` */
  ATROUS_BAD_PLAN,      /* `atrous_run` got a plan that `atrous_plan_make` didn't make */
  ATROUS_BAD_PROGRAM,   /* of stream.h: `atrous_stream_fault` says what is wrong with it */
  ATROUS_BAD_CODE       /* of stream.h: a code has no row in its table */
} atrous_status;

/* One sentence, static. */
ATROUS_API const char *atrous_status_message(atrous_status status);

/* Geometry. Entries of axes past the rank are not read. */
typedef struct atrous_conv {
  int32_t rank;
  int64_t batch, channels, filters, groups; /* batch >= 0; the others >= 1 */
  int64_t input[ATROUS_MAX_RANK];           /* >= 0 */
  int64_t output[ATROUS_MAX_RANK];          /* >= 0 */
  int64_t kernel[ATROUS_MAX_RANK];          /* >= 1 */
  int64_t strides[ATROUS_MAX_RANK];         /* >= 1 */
  int64_t rates[ATROUS_MAX_RANK];           /* >= 1 */
  int64_t before[ATROUS_MAX_RANK];          /* zeros in front; negative: positions cut off */
} atrous_conv;

typedef enum atrous_direction {
  ATROUS_FORWARD = 0,         /* (x, w) -> y */
  ATROUS_INPUT_GRADIENT = 1,  /* (dy, w) -> dx; transposed convolution */
  ATROUS_KERNEL_GRADIENT = 2  /* (x, dy) -> dw */
} atrous_direction;

/* The algorithms, one source file each. */
typedef enum atrous_algorithm {
  ATROUS_REFERENCE = 0, /* by the definition, one element after the other, summed in double */
  ATROUS_DIRECT = 1,    /* register tiles of output positions × channels over the table of taps */
  ATROUS_OUTER = 2,     /* kernel gradient: an outer product a position, one matrix product a tap */
  ATROUS_PLANAR = 3,    /* few channels: vectors over positions */
  ATROUS_DEPTHWISE = 4  /* each channel by itself: vectors over channels */
} atrous_algorithm;

ATROUS_API const char *atrous_algorithm_name(int32_t algorithm);

/* What will be done, and how. A value: copy it, keep it, compare it; it owns nothing. Made for one instruction set and any number
 * of threads up to `threads`. */
typedef struct atrous_plan {
  atrous_conv conv;
  int32_t direction; /* atrous_direction */
  int32_t algorithm; /* atrous_algorithm */
  int32_t threads;   /* threads it will ask the pool for, the caller's included */
  int32_t isa;       /* index of the instruction set, as `atrous_isa_name` counts */
  size_t workspace;  /* bytes `atrous_run` needs beyond operands and result; never 0 */
  double dense_macs; /* multiply-adds, padding included */
  double valid_macs; /* multiply-adds that meet data: what is computed */
  double seconds;    /* what the cost model expects on one thread; for comparison between plans, not a promise */
} atrous_plan;

/* Checks the geometry and plans. On any status but ATROUS_OK the plan is left untouched. Takes about a microsecond. */
ATROUS_API atrous_status atrous_plan_make(const atrous_conv *conv, atrous_direction direction, atrous_plan *plan);

/* The same with a given algorithm: for tests and measurements. Falls back to ATROUS_REFERENCE where the algorithm doesn't know the
 * case; `plan->algorithm` says which it is. */
ATROUS_API atrous_status atrous_plan_with(const atrous_conv *conv, atrous_direction direction, int32_t algorithm,
                                          atrous_plan *plan);

/* Runs. `first` and `second` are the operands in the order given at `atrous_direction`; `bias` may be NULL, and is ignored in the
 * direction of the kernel gradient. Every element of the result is written. Operands may share memory with each other, the result
 * with none of them. The workspace needs no initialisation and holds nothing afterwards. */
ATROUS_API atrous_status atrous_run(const atrous_plan *plan, const float *first, const float *second, const float *bias,
                                    float *result, void *workspace);

/* Threads. One pool serves the whole process. Its size is, in this order: what `atrous_set_threads` said last; the variable
 * ATROUS_NUM_THREADS; the processors that the process may use (affinity and cgroup quota). A run that finds the pool busy, or is
 * called by one of its workers, computes on the caller's thread alone. Workers take over the caller's floating-point mode
 * (flush-to-zero, rounding). After fork() the child builds a pool of its own. */
ATROUS_API int32_t atrous_threads(void);
ATROUS_API void atrous_set_threads(int32_t threads); /* below 1: back to the default */

/* Instruction sets. The best that the processor has is chosen at load; the variable ATROUS_ISA (baseline, avx2, avx512) forces
 * one, if the processor has it. */
ATROUS_API int32_t atrous_isa(void);                     /* the one in use */
ATROUS_API int32_t atrous_isa_count(void);               /* those compiled in */
ATROUS_API const char *atrous_isa_name(int32_t isa);     /* NULL past the last */
ATROUS_API int32_t atrous_isa_supported(int32_t isa);    /* whether this processor has it */
ATROUS_API atrous_status atrous_set_isa(int32_t isa);    /* for tests; plans made before keep theirs.
                                                            ATROUS_BAD_PLAN: this processor hasn't got it */

/* Multiply-adds a second that one core of this processor can do with the instruction set in use, measured now by a loop of
 * independent fused multiply-adds; takes some milliseconds. */
ATROUS_API double atrous_peak(void);

#ifdef __cplusplus
}
#endif

#endif
