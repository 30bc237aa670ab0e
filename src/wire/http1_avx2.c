/*
 * http1_avx2.c - reading heads thirty-two bytes at a time with AVX2.
 */
#if defined(__x86_64__)

#define SCAN_AVX2
#define HTTP1_UNIT      ed_http1_avx2
#define HTTP1_UNIT_NAME "avx2"
#define HTTP1_NARROWER  (&ed_http1_sse42)

#include "wire/http1_lines.h"

#endif
