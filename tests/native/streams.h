// streams: random programs of stream.h, and what they should give: in double, whole signals at once, tensor after tensor.
#pragma once

#include <deque>
#include <vector>

#include "cases.h"
#include "stream.h"

// A program that owns what it points to.
struct Streamed {
  std::vector<atrous_stream_tensor> tensors;
  std::vector<atrous_stream_op> ops;
  std::vector<int32_t> inputs, outputs;
  std::deque<std::vector<float>> numbers;
  std::deque<std::vector<int64_t>> offsets;
  std::deque<std::vector<atrous_stream_source>> sources;

  int32_t tensor(int64_t channels, int64_t steps);
  // Weights in [-1, 1) over the square root of the terms, so that sums stay about 1.
  const float *weights(Random &random, int64_t rows, int64_t columns, int64_t terms);
  atrous_stream_source source(int32_t tensor, std::vector<int64_t> offsets = {0}, int64_t stride = 1, int64_t groups = 1,
                              const float *weights = nullptr);
  // An operation with nothing but its code, result and sources; the reference holds until the next one.
  atrous_stream_op &op(int32_t code, int32_t out, std::vector<atrous_stream_source> from);
  atrous_stream_program program() const;
};

// Values of a tensor, (batch, steps, channels) or without time (batch, channels), and how far a float32 result may be off.
struct Values {
  std::vector<double> value, error;
};

Streamed random_program(Random &random);

// What `units` units of a program give for these inputs, tensor by tensor, if the signal ends after `end` of them. Codes are
// numbers.
std::vector<Values> expected_stream(const Streamed &streamed, int64_t batch, int64_t units, int64_t end,
                                    const std::vector<Values> &inputs);
