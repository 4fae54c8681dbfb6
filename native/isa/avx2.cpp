// AVX2 and FMA: sixteen registers of eight floats.
#define NAME kAvx2
#define TEXT "avx2"
#define LANES 8
#define ROWS 6
#define OPAQUE "+x"
#define CHANNEL_ROWS 3
#define CHANNEL_VECTORS 4
#include "kernels.inc"
