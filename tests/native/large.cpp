// large: results that don't fit into the caches, which algorithms may treat in a way of their own (write past the caches, say).
#include <algorithm>
#include <cstdint>

#include "check.h"

namespace {

#if defined(__SANITIZE_THREAD__)
constexpr int kLeastThreads = 2, kCases = 1;
#elif defined(ATROUS_SANITIZED)
constexpr int kLeastThreads = 2, kCases = 3;
#else
constexpr int kLeastThreads = 1, kCases = 8;
#endif
constexpr int64_t kElements = 1700000;  // of a result: almost 7 MB
constexpr int64_t kLine = 16;           // floats in a cache line

// A result that begins `shift` floats after a cache line.
class Shifted {
 public:
  Shifted(int64_t elements, int64_t shift) : memory_(elements + 2 * kLine, 1e30f) {
    const int64_t at = reinterpret_cast<uintptr_t>(memory_.data()) / sizeof(float) % kLine;
    begin_ = memory_.data() + (2 * kLine + shift - at) % kLine;
  }
  float *data() { return begin_; }

 private:
  std::vector<float> memory_;
  float *begin_;
};

void check_large(const atrous_conv &conv, atrous_direction direction) {
  const Problem problem(conv, direction);
  const Expected expected = problem.oracle();
  for (int threads = kLeastThreads; threads <= 2; ++threads) {
    for (const atrous_plan &plan : plans_of(conv, direction, threads)) {
      if (plan.algorithm == ATROUS_REFERENCE) continue;  // knows nothing of sizes
      for (int64_t shift : {0, 1}) {
        Shifted result(expected.value.size(), shift);
        std::vector<char> workspace(plan.workspace);
        CHECK(atrous_run(&plan, problem.first.data(), problem.second.data(), problem.bias.data(), result.data(),
                         workspace.data()) == ATROUS_OK);
        const std::string wrong = difference(expected, result.data());
        CHECK_THAT(wrong.empty(), wrong + "\n  " + describe(plan));
      }
    }
  }
}

atrous_conv grouped(atrous_conv conv, int64_t groups) {
  conv.groups = groups;
  return conv;
}

atrous_conv strided(atrous_conv conv, int64_t stride) {
  conv.strides[0] = stride;
  conv.output[0] /= stride;
  return conv;
}

}  // namespace

void test_large() {
  const struct {
    atrous_conv conv;
    atrous_direction direction;
  } cases[] = {{conv1d(2, kElements / 64, 4, 32, 2, 300), ATROUS_FORWARD},
               {conv1d(7, kElements / 7 / 64, 2, 64, 3, 1), ATROUS_FORWARD},
               {grouped(conv1d(2, kElements / 96, 48, 48, 3, 40), 48), ATROUS_FORWARD},
               {conv1d(1, kElements / 272, 3, 272, 2, 5), ATROUS_FORWARD},
               {conv1d(1, kElements / 20, 4, 20, 2, 5), ATROUS_FORWARD},
               {strided(conv1d(2, kElements / 96, 48, 3, 3, 7), 2), ATROUS_INPUT_GRADIENT},
               {grouped(conv1d(1, kElements / 80, 80, 80, 3, 4), 80), ATROUS_INPUT_GRADIENT},
               {grouped(conv1d(1, kElements / 96, 48, 96, 2, 4), 48), ATROUS_FORWARD}};
  int left = kCases;
  for (const auto &c : cases)
    if (left-- > 0) check_large(c.conv, c.direction);
}
