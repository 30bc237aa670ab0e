/*
 * access_format.h - the lines of an access log: what they say, and how. For the
 * middleware, and for whoever observes a server.
 */
#ifndef EDDY_APP_ACCESS_FORMAT_H
#define EDDY_APP_ACCESS_FORMAT_H

#include "app/mw.h"

/* How a request ended. */
struct ed_access {
    ed_req *req;      /* NULL: it was none, but was answered all the same */
    const char *peer; /* whose it was then, as ed_req_peer(); or NULL */
    int64_t came;     /* nanoseconds since 1970 */
    int64_t took;     /* nanoseconds */
    int status;       /* 0: there was none */
    int64_t bytes;    /* of the body, as sent */
    bool cut;
};

/* As nginx has it: the client left. It is no status of HTTP. */
enum { ED_STATUS_CLIENT_LEFT = 499 };

/* The status to show of a request that is over: that of its reply, if that
 * began; else 499 if its client left, by the error that ended it, or 0. */
int ed_access_status(const ed_req *req, int err);

/* A client's address, as ed_req_peer() tells it, without its port: "" when it
 * is not known. Within the text, or in `out`. */
struct ed_bytes ed_access_peer(const char *peer, char out[ED_ADDR_TEXT]);

struct ed_access_format;

/* Reads a format, or the name of one (NULL: combined); all of it lies in the
 * arena. 0, ED_ENOMEM, or ED_EUSAGE with *why a text there. */
ED_CHECK int ed_access_format_read(struct ed_access_format **out,
                                   ed_arena *arena, const char *text,
                                   const char **why);

/* Appends a line, with its end. 0 or ED_ENOMEM; then nothing is appended. */
ED_CHECK int ed_access_format_add(const struct ed_access_format *format,
                                  const struct ed_access *access,
                                  struct ed_buf *out);

#endif
