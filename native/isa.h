// isa: the instruction sets compiled in, and the one in use.
#pragma once

#include "kernels.h"

namespace atrous {

extern const Kernels *const kIsas[];  // worst first
extern const int kIsaCount;

}  // namespace atrous
