// Streams: AVX2 and FMA.
#define NAME kStreamAvx2
#define LANES 8
#define ROWS 6
#include "stream.inc"
