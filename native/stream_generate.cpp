// stream_generate: a stream fed with what is drawn from its own output.
#include <algorithm>
#include <cmath>

#include "stream_plan.h"

using namespace atrous;

namespace {

uint64_t rotated(uint64_t x, int by) { return x << by | x >> (64 - by); }

// xoshiro256++ of Blackman and Vigna.
uint64_t draw_bits(uint64_t *s) {
  const uint64_t result = rotated(s[0] + s[3], 23) + s[0], shifted = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= shifted;
  s[3] = rotated(s[3], 45);
  return result;
}

// In (0, 1), never an end of it.
double draw_uniform(uint64_t *random) { return (static_cast<double>(draw_bits(random) >> 12) + 0.5) * 0x1p-52; }

// splitmix64, as its authors advise for seeding.
uint64_t split(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

class Generator {
 public:
  Generator(const atrous_stream &stream, const atrous_stream_sampler &sampler, int32_t fed)
      : stream_(stream),
        sampler_(sampler),
        in_(stream.tensor[stream.input[fed]]),
        out_(stream.tensor[stream.output[stream.outputs - 1]]) {}

  // Of sequence b: writes what was drawn for it, and what to feed next.
  void draw(int64_t b, void *drawn, void *feed) const {
    const float *output = out_.at(b);
    uint64_t *random = sampler_.random + 4 * b;
    if (sampler_.draw == ATROUS_STREAM_CATEGORICAL) {
      const int32_t code = pick(output, out_.channels, sampler_.temperature, random);
      std::memcpy(drawn, &code, sizeof code);
      if (sampler_.table)
        std::memcpy(feed, sampler_.table + code * in_.channels, in_.channels * sizeof(float));
      else
        std::memcpy(feed, &code, sizeof code);
      return;
    }
    if (sampler_.draw == ATROUS_STREAM_LOGISTICS) {
      const float value = logistic(output, random);
      std::memcpy(drawn, &value, sizeof value);
    } else {
      std::memcpy(drawn, output, out_.channels * sizeof(float));
    }
    std::memcpy(feed, drawn, in_.channels * sizeof(float));
  }

 private:
  // Index i with probability softmax(logits / temperature)[i]; without temperature the largest. NaN gives the last.
  int32_t pick(const float *logits, int64_t count, float temperature, uint64_t *random) const {
    const double u = draw_uniform(random);  // always: what follows doesn't depend on the temperature
    if (!(temperature > 0)) return static_cast<int32_t>(std::max_element(logits, logits + count) - logits);
    float *chances = stream_.result;
    stream_.kernels->softmax(1.0f / temperature, logits, 0, chances, 0, 1, count);
    double below = 0;
    for (int64_t i = 0; i < count; ++i)
      if ((below += chances[i]) > u) return static_cast<int32_t>(i);
    return static_cast<int32_t>(count - 1);
  }

  float logistic(const float *output, uint64_t *random) const {
    const int64_t mixtures = out_.channels / 3;
    const int32_t chosen = pick(output, mixtures, sampler_.temperature > 0 ? 1.0f : 0.0f, random);
    const double u = draw_uniform(random), spread = std::log(u) - std::log1p(-u);
    const double scale = std::exp(std::max(output[2 * mixtures + chosen], sampler_.least_log_scale));
    const double value = output[mixtures + chosen] + sampler_.temperature * scale * spread;
    return static_cast<float>(std::min(std::max(value, -1.0), 1.0));
  }

  const atrous_stream &stream_;
  const atrous_stream_sampler &sampler_;
  const StreamTensor &in_, &out_;
};

// Whether steps can be drawn from the last output for input `fed`.
bool fits(const atrous_stream &stream, const atrous_stream_sampler &sampler, int32_t fed) {
  if (fed < 0 || fed >= stream.inputs || !stream.outputs) return false;
  for (int32_t i = 0; i < stream.inputs; ++i)
    if (stream.tensor[stream.input[i]].steps > 1) return false;
  const StreamTensor &in = stream.tensor[stream.input[fed]], &out = stream.tensor[stream.output[stream.outputs - 1]];
  if (in.steps != 1 || out.steps != 1) return false;
  switch (sampler.draw) {
    case ATROUS_STREAM_CATEGORICAL: return sampler.table || (in.channels == 1 && (!in.codes || out.channels <= in.codes));
    case ATROUS_STREAM_LOGISTICS: return out.channels % 3 == 0 && in.channels == 1;
    case ATROUS_STREAM_VALUE: return in.channels == out.channels;
    default: return false;
  }
}

}  // namespace

void atrous_stream_seed(uint64_t seed, int64_t batch, uint64_t *random) {
  for (int64_t b = 0; b < batch; ++b) {
    uint64_t state = seed;
    state = split(&state) + static_cast<uint64_t>(b);
    for (int i = 0; i < 4; ++i) random[4 * b + i] = split(&state);
  }
}

atrous_status atrous_stream_generate(atrous_stream *stream, const atrous_stream_sampler *sampler, int64_t steps, int32_t fed,
                                     void *feed, const void *const *inputs, void *drawn) {
  if (!stream || !sampler || !sampler->random || !feed || (steps && !drawn) || !inputs) return ATROUS_BAD_POINTER;
  if (steps < 0) return ATROUS_BAD_SIZE;
  if (!fits(*stream, *sampler, fed)) return ATROUS_BAD_PROGRAM;
  for (int32_t i = 0; i < stream->inputs; ++i)
    if (i != fed && !inputs[i] && stream->tensor[stream->input[i]].timed()) return ATROUS_BAD_POINTER;
  for (int32_t i = 0; i < stream->inputs; ++i) {
    const StreamTensor &tensor = stream->tensor[stream->input[i]];
    const void *x = i == fed ? feed : inputs[i];
    if (x && !stream_codes_known(tensor, x, stream->batch * (tensor.timed() && i != fed ? steps : 1))) return ATROUS_BAD_CODE;
  }
  const FlushToZero flush;
  const Generator generator(*stream, *sampler, fed);
  const StreamTensor &fed_tensor = stream->tensor[stream->input[fed]];
  const int64_t batch = stream->batch, channels = fed_tensor.channels;
  const int64_t each = sampler->draw == ATROUS_STREAM_VALUE ? channels : 1;
  stream_set_untimed(*stream, inputs);
  for (int64_t t = 0; t < steps; ++t) {
    for (int32_t i = 0; i < stream->inputs; ++i) {
      const StreamTensor &tensor = stream->tensor[stream->input[i]];
      if (!tensor.timed()) continue;
      if (i == fed)
        stream_take_in(*stream, tensor, feed, 0, 1, 1);
      else
        stream_take_in(*stream, tensor, inputs[i], t, 1, steps);
    }
    stream_run(*stream, 1, 1);
    for (int64_t b = 0; b < batch; ++b)
      generator.draw(b, static_cast<char *>(drawn) + (b * steps + t) * each * 4, static_cast<char *>(feed) + b * channels * 4);
    stream_advance(stream, 1);
  }
  return ATROUS_OK;
}
