// What every processor of the target has: SSE2 on x86-64, NEON on arm64.
#define NAME kBaseline
#define TEXT "baseline"
#define LANES 4
#define ROWS 6
#if defined(__x86_64__)
#define OPAQUE "+x"
#else
#define OPAQUE "+w"
#endif
#define CHANNEL_ROWS 3
#define CHANNEL_VECTORS 4
#include "kernels.inc"
