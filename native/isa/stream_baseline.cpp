// Streams: what every processor of the target has.
#define NAME kStreamBaseline
#define LANES 4
#define ROWS 6
#include "stream.inc"
