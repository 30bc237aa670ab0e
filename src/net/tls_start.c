/*
 * tls_start.c - TLS on a stream of a fiber, which waits for the handshake.
 */
#include "base/options.h"
#include "net/tls.h"
#include "net/tls_stream.h"
#include <stdio.h>

/* A fiber that waits for a handshake. */
struct starter {
    ed_fiber *fiber;
    bool done;
    int err;
    char why[ED_TLS_WHY];
};

static void started(ed_stream *s, int err, const char *why, void *arg)
{
    struct starter *starter = arg;

    (void)s;
    starter->done = true;
    starter->err = err;
    snprintf(starter->why, sizeof(starter->why), "%s", why);
    if (starter->fiber)
        ed_wake(starter->fiber, 0);
}

static bool starter_abort(void *arg)
{
    struct starter *starter = arg;

    starter->fiber = NULL;
    return true;
}

/* Does the handshake of a stream that has begun. Suspends. */
static int await_handshake(struct starter *starter)
{
    if (!starter->done) {
        starter->fiber = ed_fiber_self();
        int err = ed_park("a TLS handshake", starter_abort, starter);
        starter->fiber = NULL;
        if (err)
            return err;
    }
    if (starter->err && *starter->why)
        return ed_fail(starter->err, "%s", starter->why);
    return starter->err;
}

static int start_over(ed_stream **stream, ed_stream *lower, ed_tls *tls,
                      const struct ed_start_tls_options *options)
{
    struct starter starter = {0};
    struct ssl_st *ssl;
    int err = ed_checkpoint();

    if (!err && (lower->reading || lower->writing || ed_stream_ahead(lower)))
        err = ED_EUSAGE;
    if (!err && !tls)
        tls = ed_tls_default();
    if (!err && !tls)
        err = ED_ETLSCONFIG;
    if (!err)
        err = ed_tls_connection(tls, options->server_name, options->alpn, &ssl);
    if (!err)
        err = ed_tls_begin(stream, lower, ssl, started, &starter);
    if (err)
        return err;
    err = await_handshake(&starter);
    if (err)
        ed_stream_close(*stream);
    return err;
}

int ed_start_tls_with(ed_stream **stream, ed_tls *tls,
                      const struct ed_start_tls_options *given)
{
    ED_OPTIONS_TAKE(struct ed_start_tls_options, options, given);
    ed_stream *lower = *stream;
    int err = start_over(stream, lower, tls, &options);

    if (!err)
        return 0;
    if (*stream == lower)
        ed_stream_close(lower);
    *stream = NULL;
    return err;
}
