#include "fence.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr uint32_t kPattern = 0x7fc0dead;  // a NaN
constexpr size_t kGuard = 256;             // bytes of pattern on the open side

size_t page() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

// Writes the pattern over [begin, end); the last word may be cut.
void fill(char *begin, char *end) {
  for (; begin + sizeof kPattern <= end; begin += sizeof kPattern) std::memcpy(begin, &kPattern, sizeof kPattern);
  std::memcpy(begin, &kPattern, end - begin);
}

bool holds(const char *begin, const char *end) {
  for (; begin + sizeof kPattern <= end; begin += sizeof kPattern)
    if (std::memcmp(begin, &kPattern, sizeof kPattern)) return false;
  return !std::memcmp(begin, &kPattern, end - begin);
}

}  // namespace

Fence::Fence(size_t capacity) : capacity_(round_up(capacity + kGuard, page())) {
  void *memory = mmap(nullptr, capacity_ + 2 * page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(static_cast<char *>(memory) + page(), capacity_, PROT_READ | PROT_WRITE)) {
    std::perror("fence");
    std::exit(1);
  }
  base_ = static_cast<char *>(memory) + page();
}

Fence::~Fence() { munmap(base_ - page(), capacity_ + 2 * page()); }

float *Fence::place(size_t bytes, bool at_end, size_t shift) {
  const size_t whole = round_up(bytes, sizeof(float));
  if (whole + shift * sizeof(float) + kGuard > capacity_) {
    std::fprintf(stderr, "fence: %zu bytes were asked for, %zu is the capacity\n", bytes, capacity_ - kGuard);
    std::exit(1);
  }
  mprotect(base_, capacity_, PROT_READ | PROT_WRITE);
  begin_ = at_end ? base_ + capacity_ - whole : base_ + shift * sizeof(float);
  end_ = begin_ + bytes;
  before_ = at_end ? begin_ - kGuard : base_;
  after_ = at_end ? base_ + capacity_ : end_ + kGuard;
  fill(before_, begin_);
  fill(begin_, end_);
  fill(end_, after_);
  return reinterpret_cast<float *>(begin_);
}

void Fence::seal() { mprotect(base_, capacity_, PROT_READ); }

bool Fence::intact() const { return holds(before_, begin_) && holds(end_, after_); }
