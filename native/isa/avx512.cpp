// AVX-512: thirty-two registers of sixteen floats.
#define NAME kAvx512
#define TEXT "avx512"
#define LANES 16
#define ROWS 14
#define OPAQUE "+v"
#define CHANNEL_ROWS 6
#define CHANNEL_VECTORS 4
#include "kernels.inc"
