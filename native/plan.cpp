#include "plan.h"

#include <algorithm>
#include <cstring>

#include "taps.h"

namespace atrous {

const Algorithm *const kAlgorithms[] = {&kReference, &kDirect, &kOuter, &kPlanar, &kDepthwise};
const int kAlgorithmCount = sizeof kAlgorithms / sizeof *kAlgorithms;

namespace {

constexpr int64_t kLargestNumber = (int64_t{1} << 31) - 1;
constexpr int64_t kLargestBuffer = int64_t{1} << 60;
constexpr size_t kLeastWorkspace = 64;
constexpr double kWorthSharing = 20e-6;  // below, waking a worker and waiting for it costs more than it saves

int64_t elements(int64_t first, int64_t last, const int64_t *sizes, int rank) {
  int64_t product = first * last;
  for (int a = 0; a < rank; ++a) product *= sizes[a];
  return product;
}

// Whether no product of some of the sizes can overflow: a size of zero counts as one.
bool fits(int64_t first, int64_t last, const int64_t *sizes, int rank) {
  int64_t product = std::max<int64_t>(first, 1);
  for (int a = 0; a <= rank; ++a) {
    const int64_t size = std::max<int64_t>(a < rank ? sizes[a] : last, 1);
    if (__builtin_mul_overflow(product, size, &product) || product >= kLargestBuffer) return false;
  }
  return true;
}

atrous_status check(const atrous_conv &c) {
  if (c.rank < 1 || c.rank > ATROUS_MAX_RANK) return ATROUS_BAD_RANK;
  bool small = c.batch < 0 || c.channels < 1 || c.filters < 1 || c.groups < 1;
  int64_t largest = std::max({c.batch, c.channels, c.filters, c.groups});
  for (int a = 0; a < c.rank; ++a) {
    small |= c.input[a] < 0 || c.output[a] < 0 || c.kernel[a] < 1 || c.strides[a] < 1 || c.rates[a] < 1;
    largest = std::max({largest, c.input[a], c.output[a], c.kernel[a], c.strides[a], c.rates[a], c.before[a], ~c.before[a]});
  }
  if (small) return ATROUS_BAD_SIZE;
  if (largest > kLargestNumber) return ATROUS_TOO_LARGE;
  if (c.channels % c.groups || c.filters % c.groups) return ATROUS_BAD_GROUPS;
  const bool all = fits(c.batch, c.channels, c.input, c.rank) && fits(c.batch, c.filters, c.output, c.rank) &&
                   fits(c.channels / c.groups, c.filters, c.kernel, c.rank);
  return all ? ATROUS_OK : ATROUS_TOO_LARGE;
}

double macs(const atrous_conv &conv, bool dense) {
  double product = static_cast<double>(conv.batch) * (conv.channels / conv.groups) * conv.filters;
  for (int a = 0; a < conv.rank; ++a) product *= axis_macs(conv, a, dense);
  return product;
}

// A geometry without entries past its rank, so that equal ones have equal bytes.
atrous_conv tidy(const atrous_conv &conv) {
  atrous_conv copy;
  std::memset(&copy, 0, sizeof copy);
  copy.rank = conv.rank;
  copy.batch = conv.batch;
  copy.channels = conv.channels;
  copy.filters = conv.filters;
  copy.groups = conv.groups;
  for (int a = 0; a < conv.rank; ++a) {
    copy.input[a] = conv.input[a];
    copy.output[a] = conv.output[a];
    copy.kernel[a] = conv.kernel[a];
    copy.strides[a] = conv.strides[a];
    copy.rates[a] = conv.rates[a];
    copy.before[a] = conv.before[a];
  }
  return copy;
}

atrous_status make(const atrous_conv *conv, int direction, int algorithm, atrous_plan *plan) {
  if (!conv || !plan) return ATROUS_BAD_POINTER;
  if (direction < ATROUS_FORWARD || direction > ATROUS_KERNEL_GRADIENT) return ATROUS_BAD_DIRECTION;
  if (const atrous_status status = check(*conv)) return status;
  atrous_plan made;
  std::memset(&made, 0, sizeof made);
  made.conv = folded(tidy(*conv));
  made.direction = direction;
  made.threads = atrous_threads();
  made.isa = atrous_isa();
  made.dense_macs = macs(made.conv, true);
  made.valid_macs = macs(made.conv, false);
  int best = algorithm >= 0 && algorithm < kAlgorithmCount && kAlgorithms[algorithm]->knows(made) ? algorithm : ATROUS_REFERENCE;
  if (algorithm < 0) {
    for (int i = 0; i < kAlgorithmCount; ++i)
      if (kAlgorithms[i]->knows(made) && kAlgorithms[i]->seconds(made) < kAlgorithms[best]->seconds(made)) best = i;
  }
  made.algorithm = best;
  made.seconds = kAlgorithms[best]->seconds(made);
  if (algorithm < 0 && made.seconds < kWorthSharing) made.threads = 1;
  made.workspace = std::max(kAlgorithms[best]->workspace(made), kLeastWorkspace);
  *plan = made;
  return ATROUS_OK;
}

bool overlap(const void *a, size_t a_bytes, const void *b, size_t b_bytes) {
  const uintptr_t x = reinterpret_cast<uintptr_t>(a), y = reinterpret_cast<uintptr_t>(b);
  return a_bytes && b_bytes && x < y + b_bytes && y < x + a_bytes;
}

}  // namespace

int64_t taps_of(const atrous_conv &c) { return elements(1, 1, c.kernel, c.rank); }
int64_t input_elements(const atrous_conv &c) { return elements(c.batch, c.channels, c.input, c.rank); }
int64_t output_elements(const atrous_conv &c) { return elements(c.batch, c.filters, c.output, c.rank); }
int64_t kernel_elements(const atrous_conv &c) { return elements(c.channels / c.groups, c.filters, c.kernel, c.rank); }

}  // namespace atrous

using namespace atrous;

atrous_status atrous_plan_make(const atrous_conv *conv, atrous_direction direction, atrous_plan *plan) {
  return make(conv, direction, -1, plan);
}

atrous_status atrous_plan_with(const atrous_conv *conv, atrous_direction direction, int32_t algorithm, atrous_plan *plan) {
  return make(conv, direction, algorithm < 0 ? kAlgorithmCount : algorithm, plan);
}

atrous_status atrous_run(const atrous_plan *plan, const float *first, const float *second, const float *bias, float *result,
                         void *workspace) {
  if (!plan) return ATROUS_BAD_POINTER;
  const int direction = plan->direction, algorithm = plan->algorithm;
  if (direction < 0 || direction > ATROUS_KERNEL_GRADIENT || algorithm < 0 || algorithm >= kAlgorithmCount || !plan->workspace ||
      plan->conv.rank < 1 || plan->conv.rank > ATROUS_MAX_RANK || plan->threads < 1 || !atrous_isa_supported(plan->isa))
    return ATROUS_BAD_PLAN;
  const atrous_conv &conv = plan->conv;
  const int64_t x = input_elements(conv), w = kernel_elements(conv), y = output_elements(conv);
  const int64_t sizes[3][3] = {{x, w, y}, {y, w, x}, {x, y, w}};
  const int64_t *size = sizes[direction];
  if ((!first && size[0]) || (!second && size[1]) || (!result && size[2]) || !workspace) return ATROUS_BAD_POINTER;
  const size_t bytes = size[2] * sizeof(float);
  const int64_t biases = direction == ATROUS_FORWARD ? conv.filters : conv.channels;
  if (overlap(result, bytes, workspace, plan->workspace)) return ATROUS_OVERLAP;
  const struct {
    const float *data;
    int64_t elements;
  } operands[] = {{first, size[0]}, {second, size[1]}, {bias, bias ? biases : 0}};
  for (const auto &operand : operands) {
    const size_t read = operand.elements * sizeof(float);
    if (overlap(result, bytes, operand.data, read) || overlap(workspace, plan->workspace, operand.data, read)) return ATROUS_OVERLAP;
  }
  if (!size[2]) return ATROUS_OK;
  if (direction == ATROUS_KERNEL_GRADIENT) bias = nullptr;
  kAlgorithms[algorithm]->run(*plan, {first, second, bias, result, static_cast<char *>(workspace)});
  return ATROUS_OK;
}

const char *atrous_algorithm_name(int32_t algorithm) {
  return algorithm < 0 || algorithm >= kAlgorithmCount ? nullptr : kAlgorithms[algorithm]->name;
}

const char *atrous_status_message(atrous_status status) {
  switch (status) {
    case ATROUS_OK: return "no error";
    case ATROUS_BAD_RANK: return "rank must be 1, 2 or 3";
    case ATROUS_BAD_SIZE: return "batch and space must not be negative; channels, filters, groups, kernel, strides and rates must be positive";
    case ATROUS_BAD_GROUPS: return "groups must divide channels and filters";
    case ATROUS_TOO_LARGE: return "every number must be below 2^31 and every buffer below 2^60 elements";
    case ATROUS_BAD_POINTER: return "a buffer that has elements, the workspace, the plan or the geometry is NULL";
    case ATROUS_OVERLAP: return "result, workspace and operands must not share memory; only operands may, with each other";
    case ATROUS_BAD_DIRECTION: return "direction must be forward, input gradient or kernel gradient";
    case ATROUS_BAD_PLAN: return "the plan was not made by atrous_plan_make, or for an instruction set this processor hasn't";
    case ATROUS_BAD_PROGRAM: return "the program is not possible, or not of the kind that is needed";
    case ATROUS_BAD_CODE: return "a code is below 0, or not below the number of rows of its table";
  }
  return "unknown status";
}
