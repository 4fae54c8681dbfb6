#include "isa.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "atrous.h"

namespace atrous {

double seconds_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

#if defined(__x86_64__)
const Kernels *const kIsas[] = {&kBaseline, &kAvx2, &kAvx512};
const int kIsaCount = 3;
#else
const Kernels *const kIsas[] = {&kBaseline};
const int kIsaCount = 1;
#endif

namespace {

bool supported(int isa) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (isa == 1) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (isa == 2)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma");
#endif
  return isa == 0;
}

int best() {
  const char *forced = std::getenv("ATROUS_ISA");
  int isa = 0;
  for (int i = 0; i < kIsaCount; ++i) {
    if (!supported(i)) continue;
    if (forced && std::strcmp(forced, kIsas[i]->name) == 0) return i;
    isa = i;
  }
  return isa;
}

std::atomic<int> &chosen() {
  static std::atomic<int> isa{best()};
  return isa;
}

}  // namespace
}  // namespace atrous

int32_t atrous_isa(void) { return atrous::chosen().load(std::memory_order_relaxed); }

int32_t atrous_isa_count(void) { return atrous::kIsaCount; }

const char *atrous_isa_name(int32_t isa) { return isa < 0 || isa >= atrous::kIsaCount ? nullptr : atrous::kIsas[isa]->name; }

int32_t atrous_isa_supported(int32_t isa) { return isa >= 0 && isa < atrous::kIsaCount && atrous::supported(isa); }

atrous_status atrous_set_isa(int32_t isa) {
  if (!atrous_isa_supported(isa)) return ATROUS_BAD_PLAN;
  atrous::chosen().store(isa);
  return ATROUS_OK;
}

double atrous_peak(void) { return atrous::kIsas[atrous_isa()]->peak(); }
