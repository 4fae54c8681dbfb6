// threads: one process-wide pool.
#pragma once

#include <cstdint>

namespace atrous {

// Calls task(context, index) for every index in [0, tasks), on up to `threads` threads, the caller's included. Returns when all are
// done. Indices are handed out in order; a task must not depend on which thread runs it.
void parallel_for(int64_t tasks, int threads, void (*task)(void *context, int64_t index, int thread), void *context);

// The same for a callable with signature (index, thread); `thread` is below `threads` and held by one running task at a time.
template <class Task>
void parallel_for(int64_t tasks, int threads, Task &&task) {
  parallel_for(
      tasks, threads, [](void *context, int64_t index, int thread) { (*static_cast<Task *>(context))(index, thread); },
      const_cast<void *>(static_cast<const void *>(&task)));
}

}  // namespace atrous
