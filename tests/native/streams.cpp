#include "streams.h"

#include <algorithm>
#include <cmath>
#include <utility>

int32_t Streamed::tensor(int64_t channels, int64_t steps) {
  tensors.push_back({channels, steps, 0, 0});
  return static_cast<int32_t>(tensors.size()) - 1;
}

const float *Streamed::weights(Random &random, int64_t rows, int64_t columns, int64_t terms) {
  numbers.emplace_back(rows * columns);
  for (float &w : numbers.back()) w = random.value() / std::sqrt(static_cast<float>(terms));
  return numbers.back().data();
}

atrous_stream_source Streamed::source(int32_t tensor, std::vector<int64_t> taps, int64_t stride, int64_t groups,
                                      const float *w) {
  offsets.push_back(std::move(taps));
  return {tensor, static_cast<int32_t>(offsets.back().size()), offsets.back().data(), stride, groups, w};
}

atrous_stream_op &Streamed::op(int32_t code, int32_t out, std::vector<atrous_stream_source> from) {
  sources.push_back(std::move(from));
  atrous_stream_op made = {};
  made.code = code;
  made.out = out;
  made.add = -1;
  made.stretch = 1;
  made.sources = static_cast<int32_t>(sources.back().size());
  made.source = sources.back().data();
  ops.push_back(made);
  return ops.back();
}

atrous_stream_program Streamed::program() const {
  return {static_cast<int32_t>(tensors.size()),
          static_cast<int32_t>(ops.size()),
          static_cast<int32_t>(inputs.size()),
          static_cast<int32_t>(outputs.size()),
          tensors.data(),
          ops.data(),
          inputs.data(),
          outputs.data()};
}

// ---- random programs -------------------------------------------------------------------------------------------------------

namespace {

class Author {
 public:
  explicit Author(Random &random) : random_(random) {}

  Streamed write() {
    const int64_t steps = random_.one_of({1, 1, 2, 4});
    s_.inputs.push_back(s_.tensor(channels(), steps));
    if (random_.chance(40)) {
      const int32_t codes = s_.tensor(1, steps);
      s_.inputs.push_back(codes);
      embed(codes);
    }
    if (random_.chance(40)) s_.inputs.push_back(s_.tensor(channels(), 0));
    timed_.push_back(s_.inputs[0]);
    if (s_.inputs.size() > 1 && !s_.tensors[s_.inputs.back()].steps) untimed_.push_back(s_.inputs.back());
    const int64_t count = random_.between(1, 8);
    for (int64_t i = 0; i < count; ++i) add_op();
    const bool all = random_.chance(30);  // what isn't given out may share memory with others
    if (random_.chance(40)) delay();
    for (const atrous_stream_op &op : s_.ops)
      if ((all || random_.chance(20)) && !given(op.out)) s_.outputs.push_back(op.out);
    if (!given(s_.ops.back().out)) s_.outputs.push_back(s_.ops.back().out);
    return std::move(s_);  // what it points to stays where it is
  }

 private:
  int64_t channels() {
    return random_.chance(10) ? random_.between(33, 80) : random_.one_of({1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 24, 32});
  }
  // Tensors that come late, and end earlier or later than the signal.
  void delay() {
    for (const atrous_stream_op &op : s_.ops) {
      atrous_stream_tensor &tensor = s_.tensors[op.out];
      if (!tensor.steps || random_.chance(40)) continue;
      tensor.first = random_.between(0, 5);
      tensor.extra = random_.between(-tensor.first, 3);
    }
  }

  bool given(int32_t tensor) const { return std::find(s_.outputs.begin(), s_.outputs.end(), tensor) != s_.outputs.end(); }
  int32_t timed() { return timed_[random_.between(0, timed_.size() - 1)]; }
  int64_t width(int32_t tensor) const { return s_.tensors[tensor].channels; }
  int64_t steps(int32_t tensor) const { return s_.tensors[tensor].steps; }

  std::vector<int64_t> taps(int64_t stride) {
    const int64_t count = random_.chance(5) ? random_.between(8, 40) : random_.between(1, 4),
                  rate = random_.one_of({1, 1, 2, 3, 8, 40});
    const int64_t last = random_.between(-2, stride - 1);
    std::vector<int64_t> made;
    for (int64_t t = 0; t < count; ++t) made.push_back(last - rate * (count - 1 - t));
    return made;
  }

  void functions(atrous_stream_op &op, bool first = true) {
    if (first && random_.chance(60)) op.first = static_cast<int32_t>(random_.between(0, ATROUS_STREAM_FUNCTIONS - 1));
    if (random_.chance(20)) op.last = static_cast<int32_t>(random_.between(0, ATROUS_STREAM_FUNCTIONS - 1));
    op.alpha = 0.3f;
    op.last_alpha = 0.5f;
  }

  void add_op() {
    switch (random_.between(1, 12)) {
      case 1:
      case 2:
      case 3: return product(false);
      case 4: return product(true);
      case 5: return grouped();
      case 6: return transposed();
      case 7: return by_channel();
      case 8: return pair();
      case 9: return normalise();
      case 10: return copy();
      case 11: return untimed();
      default: return affine();
    }
  }

  // Of the tensors with as many steps as `like`.
  int32_t beside(int32_t like) {
    for (int tries = 0; tries < 8; ++tries) {
      const int32_t found = timed();
      if (steps(found) == steps(like)) return found;
    }
    return like;
  }

  void product(bool gate) {
    const int32_t x = timed(), out_of = beside(x);
    const int64_t filters = channels(), columns = gate ? 2 * filters : filters;
    std::vector<atrous_stream_source> from;
    for (const int32_t read : {x, out_of}) {
      const std::vector<int64_t> at = taps(1);
      const int64_t rows = at.size() * width(read);
      from.push_back(s_.source(read, at, 1, 1, s_.weights(random_, rows, columns, rows)));
      if (random_.chance(60)) break;
    }
    const int32_t out = s_.tensor(filters, steps(x));
    int32_t add = -1;
    for (const int32_t candidate : timed_)
      if (width(candidate) == columns && steps(candidate) == steps(x) && random_.chance(70)) add = candidate;
    for (const int32_t candidate : untimed_)
      if (width(candidate) == columns && random_.chance(70)) add = candidate;
    atrous_stream_op &op = s_.op(ATROUS_STREAM_PRODUCT, out, from);
    functions(op);
    op.gate = gate;
    op.add = add;
    if (random_.chance(70)) op.bias = s_.weights(random_, 1, columns, 1);
    timed_.push_back(out);
    if (!gate && random_.chance(30)) {  // summed up in place
      const std::vector<atrous_stream_source> same = {
          s_.source(x, {0}, 1, 1, s_.weights(random_, width(x), columns, width(x)))};
      s_.op(ATROUS_STREAM_PRODUCT, out, same).add = out;
    }
  }

  void grouped() {
    const int32_t x = timed();
    const int64_t stride = steps(x) % 2 == 0 && random_.chance(60) ? 2 : 1;
    int64_t groups = 1;
    for (const int64_t g : {2, 3, 4, 8})
      if (width(x) % g == 0 && random_.chance(50)) groups = g;
    const int64_t filters = groups * random_.between(1, 9);
    const std::vector<int64_t> at = taps(stride);
    const int64_t rows = at.size() * (width(x) / groups);
    const int32_t out = s_.tensor(filters, steps(x) / stride);
    atrous_stream_op &op =
        s_.op(ATROUS_STREAM_PRODUCT, out, {s_.source(x, at, stride, groups, s_.weights(random_, rows, filters, rows))});
    functions(op);
    op.bias = s_.weights(random_, 1, filters, 1);
    timed_.push_back(out);
  }

  void transposed() {
    const int32_t x = timed();
    const int64_t stretch = random_.between(2, 3), filters = channels();
    if (steps(x) > 8) return;
    const int32_t out = s_.tensor(filters, steps(x) * stretch);
    for (int64_t phase = 0; phase < stretch; ++phase) {
      const std::vector<int64_t> at = taps(1);
      const int64_t rows = at.size() * width(x);
      atrous_stream_op &op =
          s_.op(ATROUS_STREAM_PRODUCT, out, {s_.source(x, at, 1, 1, s_.weights(random_, rows, filters, rows))});
      op.stretch = stretch;
      op.phase = phase;
      op.first = ATROUS_STREAM_TANH;
    }
    timed_.push_back(out);
  }

  void by_channel() {
    const int32_t x = timed();
    const int64_t stride = steps(x) % 2 == 0 && random_.chance(40) ? 2 : 1;
    const std::vector<int64_t> at = taps(stride);
    const int32_t codes[] = {ATROUS_STREAM_DEPTHWISE, ATROUS_STREAM_MAX_POOL, ATROUS_STREAM_AVERAGE_POOL};
    const int32_t code = codes[random_.between(0, 2)], out = s_.tensor(width(x), steps(x) / stride);
    std::vector<int64_t> known = at;
    if (code == ATROUS_STREAM_MAX_POOL) known.back() = std::max<int64_t>(known.back(), 0);  // the maximum of something
    const float *w = s_.weights(random_, at.size(), width(x), at.size());
    atrous_stream_op &op = s_.op(code, out, {s_.source(x, known, stride, 1, w)});
    functions(op);
    if (code == ATROUS_STREAM_DEPTHWISE && random_.chance(70)) op.bias = s_.weights(random_, 1, width(x), 1);
    timed_.push_back(out);
  }

  void pair() {
    const int32_t x = timed();
    int32_t y = beside(x);
    if (!untimed_.empty() && random_.chance(30)) y = untimed_.back();
    if (width(y) != width(x) && width(y) != 1) y = x;
    const int32_t out = s_.tensor(width(x), steps(x));
    const bool swap = random_.chance(30);
    functions(s_.op(static_cast<int32_t>(random_.between(ATROUS_STREAM_ADD, ATROUS_STREAM_MINIMUM)), out,
                    {s_.source(swap ? y : x), s_.source(swap ? x : y)}));
    timed_.push_back(out);
  }

  void normalise() {
    const int32_t x = timed(), out = s_.tensor(width(x), steps(x));
    const bool layer = random_.chance(50);
    const float *w = s_.weights(random_, 1, width(x), 1), *bias = s_.weights(random_, 1, width(x), 1);
    atrous_stream_op &op = s_.op(layer ? ATROUS_STREAM_LAYER_NORM : ATROUS_STREAM_SOFTMAX, out, {s_.source(x)});
    functions(op, false);
    op.alpha = 0.1f;
    if (layer && random_.chance(70)) {
      op.weights = w;
      op.bias = bias;
    }
    timed_.push_back(out);
  }

  void copy() {
    const int32_t x = timed(), y = beside(x), out = s_.tensor(width(x) + width(y), steps(x));
    const int64_t late = random_.between(0, 3);
    int64_t to = 0;
    for (const int32_t read : {x, y}) {
      atrous_stream_op &op = s_.op(ATROUS_STREAM_COPY, out, {s_.source(read, {-late})});
      op.to_channel = to;
      op.channels = width(read);
      to += width(read);
    }
    timed_.push_back(out);
    if (width(x) < 3 || steps(x) > 8) return;
    const int32_t part = s_.tensor(width(x) - 2, steps(x) * 2);  // some channels, every step twice
    for (int64_t phase = 0; phase < 2; ++phase) {
      atrous_stream_op &op = s_.op(ATROUS_STREAM_COPY, part, {s_.source(x)});
      op.from_channel = 1;
      op.channels = width(x) - 2;
      op.stretch = 2;
      op.phase = phase;
    }
    timed_.push_back(part);
  }

  void untimed() {
    if (!untimed_.empty() && random_.chance(60)) {
      const int32_t h = untimed_.back(), out = s_.tensor(random_.chance(50) ? width(timed_.back()) : channels(), 0);
      functions(
          s_.op(ATROUS_STREAM_PRODUCT, out, {s_.source(h, {0}, 1, 1, s_.weights(random_, width(h), width(out), width(h)))}));
      untimed_.push_back(out);
      return;
    }
    const int32_t x = timed(), out = s_.tensor(width(x), 0), more = s_.tensor(channels(), 0);
    s_.op(ATROUS_STREAM_LAST, out, {s_.source(x)});
    s_.op(ATROUS_STREAM_PRODUCT, more, {s_.source(out, {0}, 1, 1, s_.weights(random_, width(out), width(more), width(out)))});
  }

  void affine() {
    const int32_t x = timed(), out = s_.tensor(width(x), steps(x));
    const float *w = s_.weights(random_, 1, width(x), 1), *bias = s_.weights(random_, 1, width(x), 1);
    atrous_stream_op &op = s_.op(ATROUS_STREAM_AFFINE, out, {s_.source(x)});
    functions(op);
    if (random_.chance(70)) op.weights = w;
    if (random_.chance(70)) op.bias = bias;
    timed_.push_back(out);
  }

  void embed(int32_t codes) {
    const int32_t out = s_.tensor(channels(), steps(codes));
    const float *table = s_.weights(random_, 10, width(out), 1);
    atrous_stream_op &op = s_.op(ATROUS_STREAM_EMBED, out, {s_.source(codes)});
    op.weights = table;
    op.rows = 10;
    functions(op);
    timed_.push_back(out);
  }

  Random &random_;
  Streamed s_;
  std::vector<int32_t> timed_, untimed_;
};

// ---- what they should give -------------------------------------------------------------------------------------------------

constexpr double kEpsilon = 1.0 / (1 << 23), kAllowed = 8 * kEpsilon;  // as tests/oracle.py

double of(int32_t function, double alpha, double x) {
  const double hard = std::min(std::max(x / 6 + 0.5, 0.0), 1.0);
  switch (function) {
    case ATROUS_STREAM_RELU: return std::max(x, 0.0);
    case ATROUS_STREAM_LEAKY_RELU: return x < 0 ? alpha * x : x;
    case ATROUS_STREAM_CLIPPED_RELU: return std::min(std::max(x, 0.0), alpha);
    case ATROUS_STREAM_ELU: return x < 0 ? alpha * std::expm1(x) : x;
    case ATROUS_STREAM_SELU: return 1.0507009873554805 * (x < 0 ? 1.6732632423543772 * std::expm1(x) : x);
    case ATROUS_STREAM_GELU: return x * std::erfc(-x * std::sqrt(0.5)) / 2;
    case ATROUS_STREAM_GELU_TANH: return x / 2 * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
    case ATROUS_STREAM_SILU: return x / (1 + std::exp(-x));
    case ATROUS_STREAM_TANH: return std::tanh(x);
    case ATROUS_STREAM_SIGMOID: return 1 / (1 + std::exp(-x));
    case ATROUS_STREAM_HARD_SIGMOID: return hard;
    case ATROUS_STREAM_HARD_SILU: return x * hard;
    case ATROUS_STREAM_SOFTPLUS: return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
    case ATROUS_STREAM_SOFTSIGN: return x / (1 + std::abs(x));
    case ATROUS_STREAM_EXP: return std::exp(x);
    case ATROUS_STREAM_ABS: return std::abs(x);
    case ATROUS_STREAM_SQUARE: return x * x;
    default: return x;
  }
}

// The function of a value known up to an error: what it may change, and its own rounding.
void apply(int32_t function, double alpha, double *value, double *error) {
  if (function == ATROUS_STREAM_LINEAR) return;
  const double x = *value, y = of(function, alpha, x);
  const double change = std::max(std::abs(of(function, alpha, x + *error) - y), std::abs(of(function, alpha, x - *error) - y));
  const bool of_the_argument =
      function == ATROUS_STREAM_GELU || function == ATROUS_STREAM_GELU_TANH || function == ATROUS_STREAM_HARD_SILU;
  *error = change +
           kAllowed * (std::abs(y) + (of_the_argument ? std::abs(x) : 0) + (function == ATROUS_STREAM_HARD_SIGMOID ? 1 : 0));
  *value = y;
}

class Computer {
 public:
  Computer(const Streamed &s, int64_t batch, int64_t units, int64_t end, std::vector<Values> *all)
      : s_(s), batch_(batch), units_(units), end_(end), all_(*all) {}

  void run(const atrous_stream_op &op) {
    const atrous_stream_tensor &to = s_.tensors[op.out];
    Values &out = all_[op.out];
    const int64_t positions = to.steps ? units_ * to.steps : 1;
    out.value.resize(batch_ * positions * to.channels);
    out.error.resize(out.value.size());
    for (int64_t b = 0; b < batch_; ++b)
      for (int64_t i = 0; i < positions; ++i)
        if (i % op.stretch == op.phase) {
          row(op, b, i / op.stretch, (b * positions + i) * to.channels);
          if (is_step(op.out, i)) continue;
          std::fill_n(&out.value[(b * positions + i) * to.channels], to.channels, 0.0);
          std::fill_n(&out.error[(b * positions + i) * to.channels], to.channels, 0.0);
        }
  }

 private:
  // Whether the signal has a step there, or padding.
  bool is_step(int32_t tensor, int64_t i) const {
    const atrous_stream_tensor &t = s_.tensors[tensor];
    return !t.steps || (i >= t.first && (end_ == units_ || i < end_ * t.steps + t.first + t.extra));
  }

  // Where the row of a source for output i lies; −1 before the beginning.
  int64_t at(const atrous_stream_source &source, int64_t tap, int64_t b, int64_t i) const {
    const atrous_stream_tensor &from = s_.tensors[source.tensor];
    const int64_t positions = from.steps ? units_ * from.steps : 1;
    const int64_t read = from.steps ? i * source.stride + source.offsets[tap] : 0;
    return read < 0 ? -1 : (b * positions + read) * from.channels;
  }

  void row(const atrous_stream_op &op, int64_t b, int64_t i, int64_t begin) {
    const int64_t channels = s_.tensors[op.out].channels;
    Values &out = all_[op.out];
    double *value = &out.value[begin], *error = &out.error[begin];
    const atrous_stream_source &source = op.source[0];
    const Values &x = all_[source.tensor];
    if (op.code == ATROUS_STREAM_LAST) {
      const int64_t last =
          (b * units_ * s_.tensors[source.tensor].steps + units_ * s_.tensors[source.tensor].steps - 1) * channels;
      std::copy(&x.value[last], &x.value[last] + channels, value);
      std::copy(&x.error[last], &x.error[last] + channels, error);
    } else if (op.code == ATROUS_STREAM_COPY) {
      const int64_t from = at(source, 0, b, i);
      for (int64_t c = 0; c < op.channels; ++c) {
        value[op.to_channel + c] = from < 0 ? 0 : x.value[from + op.from_channel + c];
        error[op.to_channel + c] = from < 0 ? 0 : x.error[from + op.from_channel + c];
      }
      return;
    } else if (op.code == ATROUS_STREAM_PRODUCT) {
      product(op, b, i, value, error);
    } else if (op.code == ATROUS_STREAM_LAYER_NORM || op.code == ATROUS_STREAM_SOFTMAX) {
      normalise(op, &x.value[at(source, 0, b, i)], &x.error[at(source, 0, b, i)], channels, value, error);
    } else {
      for (int64_t c = 0; c < channels; ++c) channel(op, b, i, c, value + c, error + c);
    }
    for (int64_t c = 0; c < channels; ++c) {
      const bool done = op.code == ATROUS_STREAM_PRODUCT || (op.code >= ATROUS_STREAM_ADD && op.code <= ATROUS_STREAM_AFFINE);
      if (!done) apply(op.first, op.alpha, value + c, error + c);
      apply(op.last, op.last_alpha, value + c, error + c);
    }
  }

  void product(const atrous_stream_op &op, int64_t b, int64_t i, double *value, double *error) {
    const int64_t channels = s_.tensors[op.out].channels, columns = channels * (op.gate ? 2 : 1);
    std::vector<double> sum(columns), off(columns), added(columns), added_off(columns);
    for (int64_t c = 0; c < columns; ++c) {
      double scale = op.bias ? std::abs(op.bias[c]) : 0;
      sum[c] = op.bias ? op.bias[c] : 0;
      for (int32_t s = 0; s < op.sources; ++s) {
        const atrous_stream_source &source = op.source[s];
        const int64_t inner = s_.tensors[source.tensor].channels / source.groups, group = c / (columns / source.groups);
        for (int64_t t = 0; t < source.taps; ++t) {
          const int64_t from = at(source, t, b, i);
          for (int64_t k = 0; k < inner && from >= 0; ++k) {
            const double x = all_[source.tensor].value[from + group * inner + k],
                         w = source.weights[(t * inner + k) * columns + c];
            sum[c] += x * w;
            scale += std::abs(x * w);
            off[c] += std::abs(w) * all_[source.tensor].error[from + group * inner + k];
          }
        }
      }
      if (op.add >= 0) {
        const atrous_stream_tensor &add = s_.tensors[op.add];
        const int64_t from = (add.steps ? b * units_ * add.steps + i : b) * columns;
        added[c] = all_[op.add].value[from + c];
        added_off[c] = all_[op.add].error[from + c];
      }
      off[c] += kAllowed * (scale + std::abs(added[c]));
    }
    for (int64_t c = 0; c < channels; ++c) {
      if (op.gate) {
        double a = sum[c] + added[c], a_off = off[c] + added_off[c];
        double g = sum[channels + c] + added[channels + c], g_off = off[channels + c] + added_off[channels + c];
        apply(op.first, op.alpha, &a, &a_off);
        apply(ATROUS_STREAM_SIGMOID, 0, &g, &g_off);
        value[c] = a * g;
        error[c] = std::abs(a) * g_off + std::abs(g) * a_off + a_off * g_off + kEpsilon * std::abs(a * g);
      } else {
        apply(op.first, op.alpha, &sum[c], &off[c]);
        value[c] = sum[c] + added[c];
        error[c] = off[c] + added_off[c] + kEpsilon * std::abs(value[c]);
      }
    }
  }

  void channel(const atrous_stream_op &op, int64_t b, int64_t i, int64_t c, double *value, double *error) {
    const atrous_stream_source &source = op.source[0];
    const Values &x = all_[source.tensor];
    if (op.code == ATROUS_STREAM_EMBED) {
      const int64_t code =
          std::min<int64_t>(std::max<int64_t>(static_cast<int64_t>(x.value[at(source, 0, b, i)]), 0), op.rows - 1);
      *value = op.weights[code * s_.tensors[op.out].channels + c];
      *error = 0;
      return;
    }
    if (op.code >= ATROUS_STREAM_ADD && op.code <= ATROUS_STREAM_AFFINE) return pointwise(op, b, i, c, value, error);
    double sum = 0, off = 0, scale = 0, most = -INFINITY;
    int64_t taps = 0;
    for (int64_t t = 0; t < source.taps; ++t) {
      const int64_t from = at(source, t, b, i);
      if (from < 0 || (op.code != ATROUS_STREAM_DEPTHWISE && !is_step(source.tensor, i * source.stride + source.offsets[t])))
        continue;
      ++taps;
      const bool depthwise = op.code == ATROUS_STREAM_DEPTHWISE;
      const double w = depthwise ? source.weights[t * s_.tensors[op.out].channels + c] : 1, v = x.value[from + c],
                   e = x.error[from + c];
      sum += v * w;
      scale += std::abs(v * w);
      most = std::max(most, v);
      off = op.code == ATROUS_STREAM_MAX_POOL ? std::max(off, e) : off + std::abs(w) * e;
    }
    if (op.code == ATROUS_STREAM_MAX_POOL) {
      *value = most;
      *error = off;
      return;
    }
    if (op.code == ATROUS_STREAM_AVERAGE_POOL && taps) {
      sum /= taps;
      off /= taps;
      scale /= taps;
    }
    if (op.code == ATROUS_STREAM_DEPTHWISE && op.bias) {
      sum += op.bias[c];
      scale += std::abs(op.bias[c]);
    }
    *value = sum;
    *error = off + kAllowed * scale;
  }

  void pointwise(const atrous_stream_op &op, int64_t b, int64_t i, int64_t c, double *value, double *error) {
    double v[2] = {0, 0}, e[2] = {0, 0};
    for (int32_t s = 0; s < op.sources; ++s) {
      const int64_t from = at(op.source[s], 0, b, i) + (s_.tensors[op.source[s].tensor].channels == 1 ? 0 : c);
      v[s] = all_[op.source[s].tensor].value[from];
      e[s] = all_[op.source[s].tensor].error[from];
    }
    apply(op.first, op.alpha, &v[0], &e[0]);
    switch (op.code) {
      case ATROUS_STREAM_ADD: *value = v[0] + v[1]; break;
      case ATROUS_STREAM_SUBTRACT: *value = v[0] - v[1]; break;
      case ATROUS_STREAM_MULTIPLY: *value = v[0] * v[1]; break;
      case ATROUS_STREAM_MAXIMUM: *value = std::max(v[0], v[1]); break;
      case ATROUS_STREAM_MINIMUM: *value = std::min(v[0], v[1]); break;
      default:
        const double w = op.weights ? op.weights[c] : 1, bias = op.bias ? op.bias[c] : 0;
        *value = v[0] * w + bias;
        *error = std::abs(w) * e[0] + kAllowed * (std::abs(v[0] * w) + std::abs(bias));
        return;
    }
    *error = e[0] + e[1] + kAllowed * (std::abs(v[0]) + std::abs(v[1]));
    if (op.code == ATROUS_STREAM_MULTIPLY)
      *error = std::abs(v[0]) * e[1] + std::abs(v[1]) * e[0] + e[0] * e[1] + kAllowed * std::abs(*value);
  }

  void normalise(const atrous_stream_op &op, const double *x, const double *e, int64_t channels, double *value, double *error) {
    double mean = 0, variance = 0, most = x[0], sum = 0, off = 0, size = 0;
    for (int64_t c = 0; c < channels; ++c) {
      mean += x[c] / channels;
      most = std::max(most, x[c]);
      off = std::max(off, e[c]);
      size = std::max(size, std::abs(x[c]));
    }
    for (int64_t c = 0; c < channels; ++c) {
      variance += (x[c] - mean) * (x[c] - mean) / channels;
      sum += std::exp(x[c] - most);
    }
    off += kAllowed * size;  // of the differences from the mean, or from the largest
    const double inverse = 1 / std::sqrt(variance + op.alpha);
    for (int64_t c = 0; c < channels; ++c) {
      if (op.code == ATROUS_STREAM_SOFTMAX) {
        value[c] = std::exp(x[c] - most) / sum;
        error[c] = value[c] * (std::expm1(2 * off) + 2 * kAllowed);
        continue;
      }
      const double w = op.weights ? op.weights[c] : 1, bias = op.bias ? op.bias[c] : 0, n = (x[c] - mean) * inverse;
      value[c] = n * w + bias;
      error[c] = std::abs(w) * (2 * off * inverse * (1 + std::abs(n) * std::sqrt(variance) * inverse)) +
                 kAllowed * (std::abs(n * w) + std::abs(bias));
    }
  }

  const Streamed &s_;
  const int64_t batch_, units_, end_;
  std::vector<Values> &all_;
};

}  // namespace

Streamed random_program(Random &random) { return Author(random).write(); }

std::vector<Values> expected_stream(const Streamed &streamed, int64_t batch, int64_t units, int64_t end,
                                    const std::vector<Values> &inputs) {
  std::vector<Values> all(streamed.tensors.size());
  for (size_t i = 0; i < inputs.size(); ++i) all[streamed.inputs[i]] = inputs[i];
  Computer computer(streamed, batch, units, end, &all);
  for (const atrous_stream_op &op : streamed.ops) computer.run(op);
  return all;
}
