// fence: buffers that notice what is done around them. One end lies at a page that can't be touched, so that a single float
// read or written past it is a crash; beyond the other end a pattern is kept and compared.
#pragma once

#include <cstddef>
#include <cstdint>

class Fence {
 public:
  explicit Fence(size_t capacity);  // bytes
  ~Fence();
  Fence(const Fence &) = delete;
  Fence &operator=(const Fence &) = delete;

  // A buffer of so many bytes, filled with the pattern, which is a NaN as float. `at_end`: it ends at the forbidden page,
  // aligned as its size happens to be; else it begins `shift` floats after one.
  float *place(size_t bytes, bool at_end, size_t shift);

  // Writes to the buffer, too, are a crash from now on, until the next `place`.
  void seal();

  // Whether the pattern around the buffer is as it was.
  bool intact() const;

 private:
  char *base_;  // one forbidden page, the capacity, one forbidden page
  size_t capacity_;
  char *begin_ = nullptr, *end_ = nullptr;     // the buffer
  char *before_ = nullptr, *after_ = nullptr;  // where the pattern begins and ends
};
