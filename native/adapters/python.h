// python: what the files of the module for Python share.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <new>
#include <string>
#include <vector>

namespace atrous_python {

using Operand = nanobind::ndarray<nanobind::ro>;
using Shape = std::vector<int64_t>;

constexpr std::align_val_t kAlignment{64};

[[noreturn]] void refuse(const std::string& message);  // a ValueError
std::string text(nanobind::handle object);
std::string written(const Shape& shape);

// The array that `object` is, of float32 or int32, contiguous and of this shape. It must live as long as its data are used.
Operand operand(nanobind::handle object, const char* name, const Shape& shape, bool integers = false);

// A new array.
template <class Number>
nanobind::ndarray<nanobind::numpy, Number> allocate(const Shape& shape) {
  size_t elements = 1;
  std::vector<size_t> sizes;
  for (const int64_t size : shape) {
    elements *= static_cast<size_t>(size);
    sizes.push_back(static_cast<size_t>(size));
  }
  void* data = ::operator new(elements * sizeof(Number), kAlignment);
  try {
    const nanobind::capsule owner(data, [](void* memory) noexcept { ::operator delete(memory, kAlignment); });
    return nanobind::ndarray<nanobind::numpy, Number>(static_cast<Number*>(data), sizes.size(), sizes.data(), owner);
  } catch (...) {
    ::operator delete(data, kAlignment);
    throw;
  }
}

void add_streams(nanobind::module_& module);

}  // namespace atrous_python
