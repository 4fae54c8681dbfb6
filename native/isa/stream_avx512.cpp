// Streams: AVX-512.
#define NAME kStreamAvx512
#define LANES 16
#define ROWS 14
#include "stream.inc"
