// stream_program: what a program says, asked by its checks and its layout.
#pragma once

#include "stream.h"

namespace atrous {

constexpr int64_t kMostOfAll = int64_t{1} << 31;  // of any number

inline bool is_product(const atrous_stream_op &op) { return op.code == ATROUS_STREAM_PRODUCT; }
inline bool is_pair(const atrous_stream_op &op) { return op.code >= ATROUS_STREAM_ADD && op.code <= ATROUS_STREAM_MINIMUM; }
inline bool is_pool(const atrous_stream_op &op) {
  return op.code == ATROUS_STREAM_MAX_POOL || op.code == ATROUS_STREAM_AVERAGE_POOL;
}
inline bool may_move(const atrous_stream_op &op) {  // taps, strides, phases
  return is_product(op) || is_pool(op) || op.code == ATROUS_STREAM_DEPTHWISE || op.code == ATROUS_STREAM_COPY;
}

// Whether it is a product whose rows have to be copied together first.
bool gathers(const atrous_stream_op &op);

int64_t columns_of(const atrous_stream_program &program, const atrous_stream_op &op);

// Steps of the past of a tensor that are read.
int64_t kept_steps(const atrous_stream_program &program, int32_t tensor);

bool contains(const int32_t *list, int32_t count, int32_t tensor);

// When an operation runs: see StreamOp::when.
int32_t when_of(const atrous_stream_program &program, const atrous_stream_op &op);

// What is wrong with a program, and with which operation; NULL if nothing is.
const char *fault_of(const atrous_stream_program &program, int64_t batch, int32_t *op);

}  // namespace atrous
