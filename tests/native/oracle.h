// oracle: the definition in atrous.h, in double, and the one tolerance rule. Shares no code with native/: an error in the table
// of taps or in the reference can't hide in both.
#pragma once

#include <string>
#include <vector>

#include "atrous.h"

struct Expected {
  std::vector<double> value;
  std::vector<double> scale;  // Σ|x||w|, and |bias|
  double macs = 0;            // multiply-adds that meet data
};

// Elements of a buffer, named as in atrous.h.
int64_t x_elements(const atrous_conv &conv);
int64_t w_elements(const atrous_conv &conv);
int64_t y_elements(const atrous_conv &conv);

// Elements of the first operand, the second, the bias and the result of a direction.
struct Sizes {
  int64_t first, second, bias, result;
};
Sizes sizes_of(const atrous_conv &conv, atrous_direction direction);

// What `atrous_run` must compute. `bias` may be NULL.
Expected expected(const atrous_conv &conv, atrous_direction direction, const float *first, const float *second,
                  const float *bias);

// Empty where every element is within 8·eps·Σ|x||w|, and NaN or infinite where the definition is; else what is wrong.
std::string difference(const Expected &expected, const float *actual);

const char *direction_name(int direction);

// The geometry in one line.
std::string describe(const atrous_conv &conv);
