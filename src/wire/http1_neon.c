/*
 * http1_neon.c - reading heads sixteen bytes at a time with NEON, which every
 * aarch64 machine has.
 */
#include "wire/http1_head.h"

#if HTTP1_HAS_NEON

#define SCAN_NEON
#define HTTP1_UNIT      ed_http1_neon
#define HTTP1_UNIT_NAME "neon"
#define HTTP1_NARROWER  (&ed_http1_plain)

#include "wire/http1_lines.h"

#endif
