#include "threads.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>
#include <thread>

#include "atrous.h"

namespace atrous {
namespace {

constexpr int kMaxThreads = 256;
constexpr int kSpins = 2000;  // some microseconds: as long as the gap between two layers

// Processors that a control group's quota leaves, rounded up; 0 where there is none.
int quota() {
  long long limit = -1, period = 0;
  if (std::FILE *file = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    if (std::fscanf(file, "%lld %lld", &limit, &period) != 2) limit = -1;
    std::fclose(file);
  } else if (std::FILE *first = std::fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r")) {
    if (std::fscanf(first, "%lld", &limit) != 1) limit = -1;
    std::fclose(first);
    if (std::FILE *second = std::fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r")) {
      if (std::fscanf(second, "%lld", &period) != 1) period = 0;
      std::fclose(second);
    }
  }
  return limit > 0 && period > 0 ? static_cast<int>((limit + period - 1) / period) : 0;
}

int default_threads() {
  if (const char *text = std::getenv("ATROUS_NUM_THREADS")) {
    const long number = std::strtol(text, nullptr, 10);
    if (number > 0) return static_cast<int>(std::min<long>(number, kMaxThreads));
  }
  int count = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
#endif
  if (const int limit = quota()) count = std::min(count, limit);
  return std::clamp(count, 1, kMaxThreads);
}

// A moment's wait; after some microseconds of them the processor goes to another thread, which may be the one waited for.
void wait_a_moment(int spin) {
  if (spin >= kSpins) sched_yield();
#if defined(__x86_64__)
  else
    __builtin_ia32_pause();
#endif
}

// A loop that is being worked on. Lives on the caller's stack.
struct Loop {
  void (*task)(void *, int64_t, int);
  void *context;
  int64_t tasks;
  int workers;  // that may help
  std::fenv_t mode;
  std::atomic<int64_t> next{0};

  void work(int thread) {
    for (int64_t index; (index = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) task(context, index, thread);
  }
};

struct Pool {
  std::mutex busy;  // held by the caller whose loop runs
  std::mutex mutex;
  std::condition_variable wake;
  Loop *loop = nullptr;
  int wanted = 0;                  // workers that may still join the loop
  std::atomic<uint64_t> round{0};  // changes when a loop is offered
  std::atomic<int> inside{0};      // workers in the loop
  int size = 0;                    // workers started

  void grow(int workers) {
    for (; size < workers; ++size) {
      try {
        std::thread(&Pool::serve, this).detach();
      } catch (...) {
        return;  // the system has no more threads: fewer do the same work
      }
    }
  }

  void serve();
};

thread_local bool is_inside = false;  // a worker, or a caller whose loop runs
Pool *pool = nullptr;
std::once_flag once;
std::atomic<int> requested{0};

void Pool::serve() {
  is_inside = true;
  uint64_t seen = 0;
  for (;;) {
    for (int spin = 0; spin < kSpins && round.load(std::memory_order_acquire) == seen; ++spin) wait_a_moment(spin);
    Loop *mine = nullptr;
    int slot = 0;
    {
      std::unique_lock<std::mutex> lock(mutex);
      wake.wait(lock, [&] { return round.load(std::memory_order_relaxed) != seen; });
      seen = round.load(std::memory_order_relaxed);
      if (loop && wanted > 0) {
        mine = loop;
        slot = loop->workers - --wanted;
        inside.fetch_add(1, std::memory_order_relaxed);
      }
    }
    if (!mine) continue;
    std::fesetenv(&mine->mode);
    mine->work(slot);
    inside.fetch_sub(1, std::memory_order_release);
  }
}

// In the child of a fork no worker is left and a lock may be held for ever: it starts with a new pool. The old one is not freed:
// the parent's workers refer to nothing in the child, and its locks can't be destroyed while held.
void make_pool() {
  pool = new (std::nothrow) Pool;
  pthread_atfork(nullptr, nullptr, [] { pool = new (std::nothrow) Pool; });
}

}  // namespace

void parallel_for(int64_t tasks, int threads, void (*task)(void *, int64_t, int), void *context) {
  const int workers = static_cast<int>(std::min<int64_t>(std::min(threads, kMaxThreads), tasks)) - 1;
  if (workers > 0 && !is_inside) {
    std::call_once(once, make_pool);
    if (pool && pool->busy.try_lock()) {
      std::lock_guard<std::mutex> hold(pool->busy, std::adopt_lock);
      pool->grow(workers);
      Loop loop{task, context, tasks, workers, {}, {0}};
      std::fegetenv(&loop.mode);
      {
        std::lock_guard<std::mutex> lock(pool->mutex);
        pool->loop = &loop;
        pool->wanted = workers;
        pool->round.fetch_add(1, std::memory_order_release);
      }
      pool->wake.notify_all();
      is_inside = true;
      loop.work(0);
      is_inside = false;
      {
        std::lock_guard<std::mutex> lock(pool->mutex);  // from here on nobody joins
        pool->loop = nullptr;
        pool->wanted = 0;
      }
      for (int spin = 0; pool->inside.load(std::memory_order_acquire); spin = std::min(spin + 1, kSpins)) wait_a_moment(spin);
      return;
    }
  }
  for (int64_t index = 0; index < tasks; ++index) task(context, index, 0);
}

}  // namespace atrous

int32_t atrous_threads(void) {
  const int set = atrous::requested.load();
  if (set > 0) return set;
  static std::atomic<int> usual{0};  // found twice by two first callers, rather than a lock that a fork could leave held
  if (!usual.load()) usual.store(atrous::default_threads());
  return usual.load();
}

void atrous_set_threads(int32_t threads) {
  atrous::requested.store(threads > 0 ? std::min(threads, atrous::kMaxThreads) : 0);
}
