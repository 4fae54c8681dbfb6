// fuzz: random convolutions, every algorithm that knows them, every instruction set of this processor, one thread and two.
//
//     fuzz [cases [seed]]
//
// Case i has seed + i as its own seed, so `fuzz 1 <seed>` repeats any of them. New algorithms and instruction sets take part by
// themselves: they are asked for by name through the API.
//
// The tests of the core are C++, in a folder of their own: what they look for (a float written past a buffer, a race, undefined
// behaviour) needs the sanitizers and guard pages, which a process that runs Python and TensorFlow can't have; and the core is
// tested without anything that is built upon it.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "cases.h"
#include "fence.h"
#include "oracle.h"

#if defined(ATROUS_SANITIZED)
extern "C" void __sanitizer_set_death_callback(void (*)());
#endif

namespace {

constexpr int64_t kMostMacs = 200000;
constexpr size_t kCapacity = 200000 * sizeof(float);
constexpr size_t kMostWorkspace = size_t{256} << 20;
constexpr int kMostFailures = 10;

char current[1024];  // the run under way, for a crash
const char *program;
int failures = 0;
std::map<std::string, int64_t> runs;  // how many, by direction, algorithm and instruction set

void print_current() {
  const ssize_t ignored = write(STDERR_FILENO, current, std::strlen(current));
  (void)ignored;
}

#if defined(ATROUS_SANITIZED)
void report_crashes() { __sanitizer_set_death_callback(print_current); }
#else
void on_signal(int signal) {
  print_current();
  std::signal(signal, SIG_DFL);  // it comes again when the handler is left
}

void report_crashes() {
  for (int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) std::signal(signal, on_signal);
}
#endif

// Operands, result and workspace of one case in one direction.
class Trial {
 public:
  Trial(uint64_t seed, const atrous_conv &conv, atrous_direction direction, Random &random)
      : seed_(seed), conv_(conv), direction_(direction), sizes_(sizes_of(conv, direction)), random_(random) {
    static Fence fences[5] = {Fence(kCapacity), Fence(kCapacity), Fence(kCapacity), Fence(kCapacity), Fence(kMostWorkspace)};
    for (int i = 0; i < 5; ++i) fence_[i] = &fences[i];
    fill_operands();
    expected_ = expected(conv, direction, first_, second_, bias_);
  }

  void run() {
    std::vector<atrous_plan> done;
    for (int isa = 0; isa < atrous_isa_count(); ++isa) {
      if (!atrous_isa_supported(isa)) continue;
      atrous_set_isa(isa);
      for (int algorithm = 0; atrous_algorithm_name(algorithm); ++algorithm)
        if (algorithm != ATROUS_REFERENCE || isa == 0) run_algorithm(algorithm, &done);  // it knows nothing of instruction sets
      run_algorithm(-1, &done);
    }
    check_overlap();
  }

 private:
  // Operands may share memory: in some cases all of them lie in the first.
  void fill_operands() {
    const int64_t all = std::max({sizes_.first, sizes_.second, sizes_.bias});
    const bool shared = random_.chance(10), biased = direction_ != ATROUS_KERNEL_GRADIENT && random_.chance(50);
    const float scale = 1 << random_.between(0, 6);
    first_ = operand(0, shared ? all : sizes_.first, scale);
    second_ = shared ? first_ + random_.between(0, all - sizes_.second) : operand(1, sizes_.second, 1 / scale);
    bias_ = !biased ? nullptr : shared ? first_ + random_.between(0, all - sizes_.bias) : operand(2, sizes_.bias, 1);
  }

  float *operand(int index, int64_t size, float scale) {
    float *values = place(index, size * sizeof(float));
    for (int64_t i = 0; i < size; ++i) values[i] = random_.value() * scale;
    fence_[index]->seal();
    return values;
  }

  float *place(int index, size_t bytes) { return fence_[index]->place(bytes, random_.chance(50), random_.between(0, 17)); }

  atrous_status plan(int algorithm, int threads, atrous_plan *plan) {
    atrous_set_threads(threads);
    return algorithm < 0 ? atrous_plan_make(&conv_, direction_, plan) : atrous_plan_with(&conv_, direction_, algorithm, plan);
  }

  // An algorithm, or with -1 the library's own choice. `done` are the plans that were run.
  void run_algorithm(int algorithm, std::vector<atrous_plan> *done) {
    atrous_plan plans[2];
    for (int i = 0; i < 2; ++i) {
      std::memset(&plans[i], 0, sizeof plans[i]);
      const atrous_status status = plan(algorithm, i + 1, &plans[i]);
      if (status != ATROUS_OK) return fail(algorithm, i + 1, atrous_status_message(status));
      if (algorithm >= 0 && plans[i].algorithm != algorithm) return;  // it doesn't know the case
      if (const char *wrong = wrong_plan(plans[i], i + 1)) return fail(plans[i].algorithm, i + 1, wrong);
      if (plans[i].algorithm == ATROUS_REFERENCE) plans[i].isa = 0;  // so that it is run once
    }
    for (const atrous_plan &other : *done)
      if (!std::memcmp(&other, &plans[1], sizeof other)) return;
    done->insert(done->end(), plans, plans + 2);
    run_plans(plans);
  }

  const char *wrong_plan(const atrous_plan &plan, int threads) const {
    double dense = static_cast<double>(conv_.batch) * (conv_.channels / conv_.groups) * conv_.filters;
    for (int a = 0; a < conv_.rank; ++a) dense *= static_cast<double>(conv_.output[a]) * conv_.kernel[a];
    if (plan.valid_macs != expected_.macs) return "plan: wrong valid_macs";
    if (plan.dense_macs != dense) return "plan: wrong dense_macs";
    if (!plan.workspace) return "plan: workspace is 0";
    if (plan.threads < 1 || plan.threads > threads) return "plan: wrong threads";
    if (!(plan.seconds >= 0)) return "plan: seconds is below 0 or NaN";
    return nullptr;
  }

  void run_plans(const atrous_plan *plans) {
    std::vector<float> before;
    for (int i = 0; i < 2; ++i) {
      const int algorithm = plans[i].algorithm, threads = i + 1;
      std::snprintf(current, sizeof current, "crash in %s", failure(plans[i].algorithm, plans[i].isa, threads, "").c_str());
      float *result = place(3, sizes_.result * sizeof(float));
      void *workspace = place(4, plans[i].workspace);
      const atrous_status status = atrous_run(&plans[i], first_, second_, bias_, result, workspace);
      ++runs[std::string(direction_name(direction_)) + ", " + atrous_algorithm_name(algorithm) + ", " +
             (algorithm == ATROUS_REFERENCE ? "any" : atrous_isa_name(plans[i].isa))];
      if (status != ATROUS_OK) return fail(algorithm, threads, atrous_status_message(status));
      const char *const names[] = {"first operand", "second operand", "bias", "result", "workspace"};
      for (int f = 3; f < 5; ++f)
        if (!fence_[f]->intact()) return fail(algorithm, threads, std::string("wrote outside the ") + names[f]);
      const std::string wrong = difference(expected_, result);
      if (!wrong.empty()) return fail(algorithm, threads, wrong);
      if (i && sizes_.result && std::memcmp(before.data(), result, sizes_.result * sizeof(float)))
        return fail(algorithm, threads, "two threads give other bits than one");
      before.assign(result, result + sizes_.result);
    }
  }

  // A result that begins in the last element of an operand is refused, and nothing is written: the operands are sealed.
  void check_overlap() {
    atrous_plan plan;
    if (!sizes_.result || atrous_plan_make(&conv_, direction_, &plan) != ATROUS_OK) return;
    void *workspace = place(4, plan.workspace);
    const int64_t sizes[] = {sizes_.first, sizes_.second, bias_ ? sizes_.bias : 0};
    const float *operands[] = {first_, second_, bias_};
    for (int i = 0; i < 3; ++i) {
      if (!sizes[i]) continue;
      float *result = const_cast<float *>(operands[i]) + sizes[i] - 1;
      if (atrous_run(&plan, first_, second_, bias_, result, workspace) != ATROUS_OVERLAP)
        fail(plan.algorithm, plan.threads, "a result that shares memory with an operand is not refused");
    }
  }

  std::string failure(int algorithm, int isa, int threads, const std::string &what) const {
    const char *name = algorithm < 0 ? "own choice" : atrous_algorithm_name(algorithm);
    return std::string(direction_name(direction_)) + ", " + name + ", " + atrous_isa_name(isa) + ", threads " +
           std::to_string(threads) + (bias_ ? ", bias" : "") + ": " + what + "\n  " + describe(conv_) +
           "\n  repeat: " + program + " 1 " + std::to_string(seed_) + "\n";
  }

  void fail(int algorithm, int threads, const std::string &what) {
    std::fputs(failure(algorithm, atrous_isa(), threads, what).c_str(), stderr);
    if (++failures >= kMostFailures) std::exit(1);
  }

  const uint64_t seed_;
  const atrous_conv conv_;
  const atrous_direction direction_;
  const Sizes sizes_;
  Random &random_;
  Fence *fence_[5];  // first, second, bias, result, workspace
  const float *first_, *second_, *bias_;
  Expected expected_;
};

void run_case(uint64_t seed) {
  Random random(seed);
  const int64_t most_macs = 2000 << random.between(0, 6);  // most are small: the errors are at the edges
  const atrous_conv conv = random_conv(random, std::min(most_macs, kMostMacs));
  for (int direction = 0; direction < 3; ++direction) Trial(seed, conv, static_cast<atrous_direction>(direction), random).run();
}

}  // namespace

int main(int count, char **arguments) {
  program = arguments[0];
  const int64_t cases = count > 1 ? std::atoll(arguments[1]) : 1000;
  const uint64_t seed = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 1;
  report_crashes();
  for (int64_t i = 0; i < cases; ++i) run_case(seed + i);
  for (const auto &[what, times] : runs) std::printf("%10lld runs: %s\n", static_cast<long long>(times), what.c_str());
  std::printf("%lld cases from seed %llu, %d failures\n", static_cast<long long>(cases), static_cast<unsigned long long>(seed),
              failures);
  return failures ? 1 : 0;
}
