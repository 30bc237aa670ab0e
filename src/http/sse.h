/*
 * sse.h - the inside of a stream of events, for those who feed it.
 */
#ifndef EDDY_HTTP_SSE_H
#define EDDY_HTTP_SSE_H

#include <eddy/sse.h>

/* Sends events that are text already (wire/sse.h). Suspends; as
 * ed_sse_send(). */
ED_CHECK int ed_sse_put(ed_sse *sse, struct ed_bytes text);

#endif
