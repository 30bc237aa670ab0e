/*
 * http1_sse42.c - reading heads sixteen bytes at a time with SSE4.2.
 */
#if defined(__x86_64__)

#define SCAN_SSE42
#define HTTP1_UNIT      ed_http1_sse42
#define HTTP1_UNIT_NAME "sse4.2"
#define HTTP1_NARROWER  (&ed_http1_plain)

#include "wire/http1_lines.h"

#endif
