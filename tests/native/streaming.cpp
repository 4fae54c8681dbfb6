// Streams: random programs in random blocks, the past read and set, generation, bad programs; nothing allocated by a step.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>

#include "check.h"
#include "fence.h"
#include "streams.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

// Allocations of the whole process are counted, those of the library among them. Sanitizers have a malloc of their own.
static std::atomic<long> allocations{0};
#if defined(__GLIBC__) && !defined(ATROUS_SANITIZED)
#define COUNTS_ALLOCATIONS
extern "C" void *__libc_malloc(size_t);
extern "C" void *__libc_calloc(size_t, size_t);
extern "C" void *__libc_realloc(void *, size_t);
extern "C" void *__libc_memalign(size_t, size_t);
extern "C" void *malloc(size_t n) { return ++allocations, __libc_malloc(n); }
extern "C" void *calloc(size_t n, size_t m) { return ++allocations, __libc_calloc(n, m); }
extern "C" void *realloc(void *p, size_t n) { return ++allocations, __libc_realloc(p, n); }
extern "C" void *aligned_alloc(size_t a, size_t n) { return ++allocations, __libc_memalign(a, n); }
#endif

namespace {

// A stream in memory that ends where nothing may be touched.
class Stream {
 public:
  Stream(const Streamed &streamed, int64_t batch)
      : program_(streamed.program()), fence_(measure(batch)), streamed_(streamed), batch_(batch) {
    const size_t bytes = measure(batch);
    memory_ = fence_.place(bytes, true, 0);
    CHECK(atrous_stream_make(&program_, batch, memory_, bytes, &stream_) == ATROUS_OK);
    CHECK(atrous_stream_make(&program_, batch, memory_, bytes - 1, &stream_) == ATROUS_BAD_POINTER);
  }
  ~Stream() { CHECK(fence_.intact()); }

  atrous_stream *get() { return stream_; }

  // Units [from, to) of whole signals, of which outputs get their part.
  void step(const std::vector<std::vector<float>> &inputs, int64_t from, int64_t to, int64_t units,
            std::vector<std::vector<float>> *outputs) {
    std::vector<std::vector<float>> in, out;
    std::vector<const void *> read;
    std::vector<void *> written;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const atrous_stream_tensor &tensor = streamed_.tensors[streamed_.inputs[i]];
      in.push_back(tensor.steps ? part(inputs[i], tensor, from, to, units) : inputs[i]);
    }
    for (const int32_t output : streamed_.outputs) {
      const atrous_stream_tensor &tensor = streamed_.tensors[output];
      out.emplace_back(batch_ * (tensor.steps ? (to - from) * tensor.steps : 1) * tensor.channels, std::nanf(""));
    }
    for (const auto &values : in) read.push_back(values.data());
    for (auto &values : out) written.push_back(values.data());
    const long before = allocations;
    const atrous_status status = atrous_stream_step(stream_, to - from, read.data(), written.data());
    const long made = allocations - before;  // before the checks, which allocate their texts
    CHECK(status == ATROUS_OK);
    CHECK_THAT(!made, "a step allocates");
    for (size_t i = 0; i < out.size(); ++i) {
      const atrous_stream_tensor &tensor = streamed_.tensors[streamed_.outputs[i]];
      const int64_t now = (to - from) * tensor.steps * tensor.channels, whole = units * tensor.steps * tensor.channels;
      if (!tensor.steps) (*outputs)[i] = out[i];
      for (int64_t b = 0; b < batch_ && now; ++b)
        std::copy(&out[i][b * now], &out[i][b * now] + now, &(*outputs)[i][b * whole + from * tensor.steps * tensor.channels]);
    }
  }

 private:
  size_t measure(int64_t batch) const {
    int32_t op;
    const char *fault = atrous_stream_fault(&program_, batch, &op);
    CHECK_THAT(!fault, std::string("operation ") + std::to_string(op) + ": " + (fault ? fault : ""));
    size_t bytes = 0;
    CHECK(atrous_stream_measure(&program_, batch, &bytes) == ATROUS_OK);
    return bytes;
  }

  std::vector<float> part(const std::vector<float> &x, const atrous_stream_tensor &tensor, int64_t from, int64_t to,
                          int64_t units) const {
    const int64_t each = tensor.steps * tensor.channels;
    std::vector<float> made;
    for (int64_t b = 0; b < batch_; ++b)
      made.insert(made.end(), x.begin() + (b * units + from) * each, x.begin() + (b * units + to) * each);
    return made;
  }

  const atrous_stream_program program_;
  Fence fence_;
  const Streamed &streamed_;
  const int64_t batch_;
  float *memory_;
  atrous_stream *stream_ = nullptr;
};

struct Signals {
  std::vector<std::vector<float>> numbers;  // codes as their bits
  std::vector<Values> values;
};

bool is_codes(const Streamed &s, int32_t tensor) {
  for (const atrous_stream_op &op : s.ops)
    if (op.code == ATROUS_STREAM_EMBED && op.source[0].tensor == tensor) return true;
  return false;
}

Signals random_signals(Random &random, const Streamed &s, int64_t batch, int64_t units) {
  Signals made;
  for (const int32_t input : s.inputs) {
    const int64_t count = batch * s.tensors[input].channels * (s.tensors[input].steps ? units * s.tensors[input].steps : 1);
    made.numbers.emplace_back(count);
    made.values.push_back({std::vector<double>(count), std::vector<double>(count)});
    for (int64_t i = 0; i < count; ++i) {
      float number = random.value();
      double value = number;
      if (is_codes(s, input)) {
        const int32_t code = static_cast<int32_t>(random.between(0, 9));
        std::memcpy(&number, &code, sizeof number);
        value = code;
      }
      made.numbers.back()[i] = number;
      made.values.back().value[i] = value;
    }
  }
  return made;
}

void compare(const Streamed &s, const std::vector<Values> &expected, const std::vector<std::vector<float>> &outputs,
             const std::string &what) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Values &values = expected[s.outputs[i]];
    CHECK_THAT(values.value.size() == outputs[i].size(), what + ": size of output " + std::to_string(i));
    for (size_t j = 0; j < outputs[i].size(); ++j) {
      const double value = values.value[j], allowed = values.error[j];
      if (!std::isfinite(value) || !(allowed < 1e30)) continue;  // beyond float32
      if (std::abs(outputs[i][j] - value) <= allowed + 1.2e-38) continue;
      CHECK_THAT(false, what + ", output " + std::to_string(i) + " at " + std::to_string(j) + ": " +
                            std::to_string(outputs[i][j]) + ", expected " + std::to_string(value) + " ± " +
                            std::to_string(allowed));
      return;
    }
  }
}

void test_random(int64_t seed) {
  Random random(seed);
  const Streamed s = random_program(random);
  const int64_t batch = random.one_of({1, 1, 2, 3, 8, 15}), units = random.between(1, random.chance(10) ? 600 : 60);
  const Signals signals = random_signals(random, s, batch, units);
  const int64_t end = random.chance(50) ? random.between(0, units) : units;  // what comes behind it is padding
  const std::vector<Values> expected = expected_stream(s, batch, units, end, signals.values);
  std::vector<std::vector<float>> outputs;
  for (const int32_t output : s.outputs) outputs.emplace_back(expected[output].value.size(), std::nanf(""));
  Stream stream(s, batch);
  const int64_t most = random.one_of({1, 7, 40, 600});
  const int64_t stop = random.between(0, end);  // where another stream goes on, or the same one
  const std::string what = std::string("program ") + std::to_string(seed) + ", " + atrous_isa_name(atrous_isa());
  const auto run = [&](Stream &some, int64_t from, int64_t to) {
    while (from < to) {
      const int64_t next = std::min(from + random.between(1, most), to);
      some.step(signals.numbers, from, next, units, &outputs);
      from = next;
    }
  };
  Stream other(s, batch), &last = random.chance(50) ? other : stream;
  if (random.chance(20)) {
    run(stream, 0, end);
    atrous_stream_end(stream.get());
    run(stream, 0, 1);
    atrous_stream_reset(stream.get());
  }
  run(stream, 0, stop);
  if (&last == &other) {
    std::vector<float> state(atrous_stream_state_size(stream.get()));
    atrous_stream_get_state(stream.get(), state.data());
    CHECK(atrous_stream_state_size(other.get()) == static_cast<int64_t>(state.size()));
    atrous_stream_set_state(other.get(), state.data());
    atrous_stream_set_units(other.get(), atrous_stream_units(stream.get()));
    CHECK(atrous_stream_units(other.get()) == stop);
  }
  run(last, stop, end);
  if (end < units) atrous_stream_end(last.get());
  run(last, end, units);
  compare(s, expected, outputs, what);
}

// A network of codes with one dilated gate, whose own output is fed back.
Streamed generator(Random &random, int64_t outputs) {
  Streamed s;
  const int32_t in = s.tensor(1, 1), x = s.tensor(16, 1), z = s.tensor(16, 1), y = s.tensor(outputs, 1);
  s.inputs = {in};
  atrous_stream_op &embed = s.op(ATROUS_STREAM_EMBED, x, {s.source(in)});
  embed.weights = s.weights(random, outputs, 16, 1);
  embed.rows = static_cast<int32_t>(outputs);
  atrous_stream_op &gate = s.op(ATROUS_STREAM_PRODUCT, z, {s.source(x, {-4, 0}, 1, 1, s.weights(random, 32, 32, 8))});
  gate.gate = 1;
  gate.first = ATROUS_STREAM_TANH;
  s.op(ATROUS_STREAM_PRODUCT, y, {s.source(z, {0}, 1, 1, s.weights(random, 16, outputs, 1))});
  s.outputs = {y};
  return s;
}

std::vector<int32_t> generate(const Streamed &s, int64_t batch, int64_t steps, int64_t at_once, float temperature,
                              uint64_t seed) {
  Stream stream(s, batch);
  std::vector<uint64_t> state(4 * batch);
  atrous_stream_seed(seed, batch, state.data());
  const atrous_stream_sampler sampler = {ATROUS_STREAM_CATEGORICAL, temperature, -14, nullptr, state.data()};
  std::vector<int32_t> feed(batch), all(batch * steps), some(batch * at_once);
  const void *inputs[] = {nullptr};
  for (int64_t at = 0; at < steps; at += at_once) {
    const long before = allocations;
    const atrous_status status = atrous_stream_generate(stream.get(), &sampler, at_once, 0, feed.data(), inputs, some.data());
    const long made = allocations - before;
    CHECK(status == ATROUS_OK);
    CHECK_THAT(!made, "generation allocates");
    for (int64_t b = 0; b < batch; ++b) std::copy(&some[b * at_once], &some[b * at_once] + at_once, &all[b * steps + at]);
  }
  return all;
}

void test_generation() {
  Random random(3);
  const Streamed s = generator(random, 20);
  const std::vector<int32_t> once = generate(s, 2, 60, 60, 1.0f, 7);
  CHECK(once == generate(s, 2, 60, 5, 1.0f, 7));
  CHECK(once != generate(s, 2, 60, 60, 1.0f, 8));
  CHECK(!std::equal(once.begin(), once.begin() + 60, once.begin() + 60));

  // What is drawn has the probabilities that the network says: those of step 0, over many sequences.
  constexpr int64_t kMany = 20000;
  const std::vector<int32_t> first = generate(s, kMany, 1, 1, 0.5f, 1);
  const std::vector<Values> all = expected_stream(s, 1, 1, 1, {{{0}, {0}}});
  const std::vector<double> &logits = all[s.outputs[0]].value;
  double sum = 0, chi = 0;
  for (const double l : logits) sum += std::exp(l / 0.5);
  for (size_t i = 0; i < logits.size(); ++i) {
    const double want = kMany * std::exp(logits[i] / 0.5) / sum,
                 had = std::count(first.begin(), first.end(), static_cast<int32_t>(i));
    chi += (had - want) * (had - want) / want;
  }
  CHECK_THAT(chi < 60, "chi² of 19 degrees of freedom is " + std::to_string(chi));
  const std::vector<int32_t> likeliest = generate(s, 3, 1, 1, 0.0f, 1);
  for (const int32_t code : likeliest) CHECK(code == std::max_element(logits.begin(), logits.end()) - logits.begin());
}

// A mixture whose parameters are constants, and a value fed back.
void test_values_fed() {
  Streamed s;
  const int32_t in = s.tensor(1, 1), y = s.tensor(6, 1);
  s.inputs = {in};
  s.outputs = {y};
  s.numbers.push_back(std::vector<float>(6, 0.0f));
  s.numbers.push_back({0.0f, 2.0f, -0.5f, 0.5f, -4.0f, -3.0f});  // weights, means, scales
  s.op(ATROUS_STREAM_PRODUCT, y, {s.source(in, {0}, 1, 1, s.numbers[0].data())}).bias = s.numbers[1].data();
  Stream stream(s, 1);
  uint64_t state[4];
  atrous_stream_seed(5, 1, state);
  atrous_stream_sampler sampler = {ATROUS_STREAM_LOGISTICS, 1.0f, -14, nullptr, state};
  constexpr int64_t kMany = 40000;
  std::vector<float> drawn(kMany);
  float feed = 0;
  const void *inputs[] = {nullptr};
  CHECK(atrous_stream_generate(stream.get(), &sampler, kMany, 0, &feed, inputs, drawn.data()) == ATROUS_OK);
  CHECK(feed == drawn.back());
  double left = 0, below = 0;
  for (const float x : drawn) {
    left += x < 0;
    below += x > 0 && x < 0.5f + std::exp(-3.0f);  // one scale above the mean: σ(1)
  }
  const double chance = 1 / (1 + std::exp(2.0)), wanted = kMany * (1 - chance) / (1 + std::exp(-1.0));
  CHECK(std::abs(left - kMany * chance) < 5 * std::sqrt(kMany * chance));
  CHECK(std::abs(below - wanted) < 5 * std::sqrt(wanted));
  sampler.temperature = 0;
  CHECK(atrous_stream_generate(stream.get(), &sampler, 1, 0, &feed, inputs, drawn.data()) == ATROUS_OK);
  CHECK(drawn[0] == 0.5f);
  sampler.draw = ATROUS_STREAM_VALUE;
  CHECK(atrous_stream_generate(stream.get(), &sampler, 1, 0, &feed, inputs, drawn.data()) == ATROUS_BAD_PROGRAM);
}

// Denormal numbers fade to zero inside and the caller's mode stays.
void test_denormals() {
#if defined(__x86_64__)
  Streamed s;
  const int32_t in = s.tensor(1, 1), y = s.tensor(1, 1);
  s.inputs = {in};
  s.outputs = {y};
  s.numbers.push_back({1.0f});
  s.op(ATROUS_STREAM_AFFINE, y, {s.source(in)}).weights = s.numbers[0].data();
  Stream stream(s, 1);
  const unsigned before = _mm_getcsr();
  std::vector<std::vector<float>> out = {{1.0f}};
  stream.step({{1e-40f}}, 0, 1, 1, &out);
  CHECK(out[0][0] == 0);
  CHECK((_mm_getcsr() & 0xffc0) == (before & 0xffc0));
#endif
}

void test_refusals() {
  Random random(1);
  Streamed s;
  const int32_t in = s.tensor(4, 2), y = s.tensor(4, 2), z = s.tensor(8, 0);
  s.inputs = {in};
  s.outputs = {y};
  s.op(ATROUS_STREAM_PRODUCT, y, {s.source(in, {-1, 0}, 1, 1, s.weights(random, 8, 4, 8))});
  const auto refused = [&](const char *word, int32_t at = 0) {
    const atrous_stream_program program = s.program();
    int32_t op = -7;
    const char *fault = atrous_stream_fault(&program, 1, &op);
    CHECK_THAT(fault && std::strstr(fault, word) && op == at, std::string(fault ? fault : "accepted") + " instead of " + word);
    size_t bytes;
    CHECK(atrous_stream_measure(&program, 1, &bytes) == ATROUS_BAD_PROGRAM);
  };
  const auto changed = [&](const auto &change, const char *word) {
    const std::vector<atrous_stream_op> ops = s.ops;
    const std::vector<atrous_stream_source> source = s.sources[0];
    change(s.ops[0], s.sources[0][0]);
    refused(word);
    s.ops = ops;
    s.sources[0] = source;
    s.ops[0].source = s.sources[0].data();
  };
  changed([](auto &op, auto &) { op.code = 77; }, "code");
  changed([](auto &op, auto &) { op.out = 9; }, "written");
  changed([&](auto &op, auto &) { op.out = in; }, "input is written");
  changed([](auto &op, auto &) { op.first = 99; }, "function");
  changed([](auto &op, auto &) { op.sources = 0; }, "number of sources");
  changed([](auto &op, auto &) { op.phase = 1; }, "phase");
  changed([](auto &op, auto &) { op.add = 9; }, "adds");
  changed([&](auto &op, auto &) { op.add = z; }, "no operation before");
  changed(
      [](auto &op, auto &source) {
        op.stretch = source.stride = 2;
        op.gate = 1;
      },
      "no gate");
  changed([&](auto &, auto &source) { source.tensor = z; }, "no operation before");
  changed([](auto &, auto &source) { source.stride = 2; }, "don't fit");
  changed([](auto &, auto &source) { source.groups = 3; }, "groups");
  changed([](auto &, auto &source) { source.weights = nullptr; }, "weights");
  s.offsets[0] = {0, 1};
  refused("isn't there yet");
  s.offsets[0] = {-1, 0};
  s.outputs = {z};
  refused("output", -1);
  s.outputs = {y};
  s.tensors[z].channels = 0;
  refused("channels", -1);
  s.tensors[z].channels = 8;

  Stream stream(s, 2);
  const void *no_input[] = {nullptr};
  void *no_output[] = {nullptr};
  CHECK(atrous_stream_step(stream.get(), 1, no_input, no_output) == ATROUS_BAD_POINTER);
  CHECK(atrous_stream_step(stream.get(), -1, no_input, no_output) == ATROUS_BAD_SIZE);
  CHECK(atrous_stream_step(stream.get(), 0, no_input, no_output) == ATROUS_OK);
  CHECK(atrous_stream_units(stream.get()) == 0);

  const Streamed codes = generator(random, 5);
  Stream embedding(codes, 1);
  float logits[5];
  void *output[] = {logits};
  for (const int32_t code : {-1, 5}) {
    const void *input[] = {&code};
    CHECK(atrous_stream_step(embedding.get(), 1, input, output) == ATROUS_BAD_CODE);
  }
}

}  // namespace

void test_streams() {
#if defined(COUNTS_ALLOCATIONS)
  const long before = allocations;
  void *volatile memory = std::malloc(1);
  std::free(memory);
  const long made = allocations - before;
  CHECK_THAT(made == 1, "allocations aren't counted");
#endif
#if defined(ATROUS_SANITIZED)
  constexpr int64_t kPrograms = 40;
#else
  constexpr int64_t kPrograms = 250;
#endif
  const int isa_before = atrous_isa();
  for (int32_t isa = 0; isa < atrous_isa_count(); ++isa) {
    if (atrous_set_isa(isa) != ATROUS_OK) continue;
    for (int64_t seed = 1; seed <= kPrograms && failures < 10; ++seed) test_random(seed);
    test_generation();
    test_values_fed();
    test_denormals();
  }
  atrous_set_isa(isa_before);
  test_refusals();
}
