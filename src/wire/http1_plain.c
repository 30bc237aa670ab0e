/*
 * http1_plain.c - reading heads eight bytes at a time, on any machine and of
 * any length.
 */
#define HTTP1_UNIT      ed_http1_plain
#define HTTP1_UNIT_NAME "plain"
#define HTTP1_NARROWER  NULL

#include "wire/http1_lines.h"
