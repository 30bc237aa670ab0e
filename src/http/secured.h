/*
 * secured.h - what TLS agreed on and whom it found, without the stream.
 */
#ifndef EDDY_HTTP_SECURED_H
#define EDDY_HTTP_SECURED_H

#include <eddy/arena.h>
#include <eddy/tls.h>

struct ed_secured {
    struct ed_tls_info info; /* its texts lie behind */
    bool has_peer;
    struct ed_tls_peer peer;
    size_t texts_len;
    char texts[];
};

/* What is known of a stream over TLS, to be freed; NULL without memory. */
struct ed_secured *ed_secured_of(ed_stream *s);

/* A copy in an arena; NULL without memory. */
struct ed_secured *ed_secured_copy(ed_arena *arena,
                                   const struct ed_secured *from);

#endif
