// AVX2 and FMA: sixteen registers of eight floats.
#define NAME kAvx2
#define TEXT "avx2"
#define LANES 8
#define ROWS 6
#define OPAQUE "+x"
#include "kernels.inc"
