// tensorflow_geometry: from the shapes of tensors to an `atrous_conv`, and to the shapes that follow. Known to no framework; a
// shape function asks it with sizes that may be unknown, a kernel with sizes that are all known.
//
// The geometry of a convolution travels as the *shape* of an empty tensor, because shape functions of TensorFlow's C API see
// the shapes of all inputs but no attribute except a type:
//
//     [0, groups, strides…, rates…, before…, after…]
//
// A pad p of zero or more is written 2p + 1, a negative one −2p, and 0 in both places of an axis is padding `same`, which
// depends on the size. Groups 0: depthwise, with the kernel as Keras has it, (*size, channels, multiplier).
#pragma once

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "atrous.h"

namespace {

constexpr int64_t kUnknown = -1;
constexpr int64_t kLargest = (int64_t{1} << 31) - 1;
constexpr int kMostAxes = 2 + 4 * ATROUS_MAX_RANK;

// A shape; sizes past `kMostAxes` are not kept.
struct Shape {
  int64_t axes = kUnknown;
  int64_t size[kMostAxes];
};

// The first thing that is wrong, for users to read.
struct Problem {
  char text[512] = "";

  explicit operator bool() const { return text[0]; }

  void say(const char *format, ...) __attribute__((format(printf, 2, 3))) {
    if (text[0]) return;
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
  }
};

// "(1, 28, 28, ?)"
struct Text {
  char text[160] = "?";

  explicit Text(const Shape &shape) {
    if (shape.axes == kUnknown) return;
    size_t used = std::snprintf(text, sizeof text, "(");
    for (int a = 0; a < shape.axes && a < kMostAxes && used < sizeof text - 24; ++a) {
      const char *comma = a ? ", " : "";
      used += shape.size[a] == kUnknown
                  ? std::snprintf(text + used, sizeof text - used, "%s?", comma)
                  : std::snprintf(text + used, sizeof text - used, "%s%lld", comma, static_cast<long long>(shape.size[a]));
    }
    std::snprintf(text + used, sizeof text - used, ")");
  }
};

struct Geometry {
  int rank = 0;  // 0: not known
  bool depthwise;
  int64_t groups;  // not used if depthwise
  int64_t strides[ATROUS_MAX_RANK], rates[ATROUS_MAX_RANK], before[ATROUS_MAX_RANK], after[ATROUS_MAX_RANK];
  bool same[ATROUS_MAX_RANK];

  void read(const Shape &shape, Problem *problem) {
    if (shape.axes == kUnknown) return;
    for (int a = 0; a < shape.axes && a < kMostAxes; ++a) {
      if (shape.size[a] == kUnknown) return;
    }
    const int axes = shape.axes > kMostAxes ? 0 : static_cast<int>(shape.axes);
    const int spatial = (axes - 2) / 4;
    if (spatial < 1 || axes != 2 + 4 * spatial || shape.size[0])
      return problem->say(
          "`geometry` must have the shape (0, groups, strides, rates, before, after) for one to three spatial axes. "
          "Received: shape %s.",
          Text(shape).text);
    for (int a = 1; a < axes; ++a) {
      if (shape.size[a] > 2 * kLargest + 1)
        return problem->say("Strides, rates, pads and groups must be below 2^31. Received: geometry of shape %s.",
                            Text(shape).text);
    }
    rank = spatial;
    depthwise = shape.size[1] == 0;
    groups = shape.size[1];
    for (int a = 0; a < rank; ++a) {
      const int64_t *entry = shape.size + 2 + a;
      strides[a] = entry[0];
      rates[a] = entry[rank];
      before[a] = pad(entry[2 * rank]);
      after[a] = pad(entry[3 * rank]);
      same[a] = !entry[2 * rank] && !entry[3 * rank];
      if (strides[a] < 1 || rates[a] < 1)
        return problem->say("Strides and rates must be positive. Received: geometry of shape %s.", Text(shape).text);
    }
  }

  static int64_t pad(int64_t entry) { return entry % 2 ? entry / 2 : -entry / 2; }

  // Zeros in front of an axis whose length is known.
  int64_t front(int axis, int64_t length, int64_t kernel) const {
    if (!same[axis]) return before[axis];
    const int64_t outputs = (length + strides[axis] - 1) / strides[axis];
    return std::max<int64_t>((outputs - 1) * strides[axis] + (kernel - 1) * rates[axis] + 1 - length, 0) / 2;
  }

  // Outputs along an axis: none where the kernel doesn't fit, unknown where a length is.
  int64_t outputs(int axis, int64_t length, int64_t kernel) const {
    if (length == kUnknown || (kernel == kUnknown && !same[axis])) return kUnknown;
    if (same[axis]) return (length + strides[axis] - 1) / strides[axis];
    const int64_t room = length + before[axis] + after[axis] - (kernel - 1) * rates[axis] - 1;
    return room < 0 ? 0 : room / strides[axis] + 1;
  }
};

// The three arrays of a convolution: what is known of their shapes is completed from each other, and checked.
struct Arrays {
  const Geometry &geometry;
  Problem *problem;
  Shape x, w, y;

  // Sets the number of axes of a shape of which nothing is known, or checks it.
  void expect(Shape *shape, const char *name, const char *meaning) const {
    const int axes = geometry.rank + 2;
    if (shape->axes == kUnknown) {
      shape->axes = axes;
      std::fill_n(shape->size, axes, kUnknown);
    }
    if (shape->axes != axes)
      return problem->say("`%s` must have %d axes, (%s). Received: shape %s.", name, axes, meaning, Text(*shape).text);
    for (int a = 0; a < axes; ++a) {
      if (shape->size[a] > kLargest)
        return problem->say("Sizes must be below 2^31. Received: `%s` of shape %s.", name, Text(*shape).text);
    }
  }

  // Makes two sizes known if one is. Whether they agree.
  static bool unify(int64_t *one, int64_t *other) {
    if (*one == kUnknown) *one = *other;
    if (*other == kUnknown) *other = *one;
    return *one == *other;
  }

  static int64_t times(int64_t one, int64_t other) { return one == kUnknown || other == kUnknown ? kUnknown : one * other; }

  void complete() {
    const int rank = geometry.rank;
    expect(&x, "x", "batch, *space, channels");
    expect(&w, "kernel", geometry.depthwise ? "*size, channels, multiplier" : "*size, channels / groups, filters");
    expect(&y, "y", "batch, *space, filters");
    if (*problem) return;
    const int64_t inner = w.size[rank], last = w.size[rank + 1];
    int64_t channels = geometry.depthwise ? inner : times(inner, geometry.groups);
    int64_t filters = geometry.depthwise ? times(inner, last) : last;
    if (!unify(&x.size[rank + 1], &channels))
      return problem->say(
          "The channels of `x` must be those of `kernel`, times the number of groups. Received: x of shape %s, "
          "kernel of shape %s, %s %lld.",
          Text(x).text, Text(w).text, geometry.depthwise ? "depthwise" : "groups",
          static_cast<long long>(geometry.depthwise ? inner : geometry.groups));
    if (!unify(&x.size[0], &y.size[0]) || !unify(&y.size[rank + 1], &filters)) return disagree();
    for (int a = 0; a < rank; ++a) {
      int64_t outputs = geometry.outputs(a, x.size[a + 1], w.size[a]);
      if (!unify(&y.size[a + 1], &outputs)) return disagree();
    }
  }

  void disagree() const { refuse("The shapes of input, kernel and output must be those of one convolution"); }

  void refuse(const char *rule) const {
    problem->say("%s. Received: x of shape %s, kernel of shape %s, y of shape %s.", rule, Text(x).text, Text(w).text,
                 Text(y).text);
  }

  // All sizes are known here.
  atrous_conv conv() const {
    const int rank = geometry.rank;
    atrous_conv made;
    std::memset(&made, 0, sizeof made);
    made.rank = rank;
    made.batch = x.size[0];
    made.channels = x.size[rank + 1];
    made.filters = y.size[rank + 1];
    made.groups = geometry.depthwise ? made.channels : geometry.groups;
    for (int a = 0; a < rank; ++a) {
      made.input[a] = x.size[a + 1];
      made.output[a] = y.size[a + 1];
      made.kernel[a] = w.size[a];
      made.strides[a] = geometry.strides[a];
      made.rates[a] = geometry.rates[a];
      made.before[a] = geometry.front(a, x.size[a + 1], w.size[a]);
    }
    return made;
  }
};

}  // namespace
