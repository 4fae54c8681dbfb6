// AVX-512: thirty-two registers of sixteen floats.
#define NAME kAvx512
#define TEXT "avx512"
#define LANES 16
#define ROWS 14
#define OPAQUE "+v"
#include "kernels.inc"
