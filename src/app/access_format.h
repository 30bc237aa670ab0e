/*
 * access_format.h - the lines of an access log: what they say, and how.
 */
#ifndef EDDY_APP_ACCESS_FORMAT_H
#define EDDY_APP_ACCESS_FORMAT_H

#include "app/mw.h"

/* How a request ended. */
struct ed_access {
    ed_req *req;
    int64_t came;  /* nanoseconds since 1970 */
    int64_t took;  /* nanoseconds */
    int status;    /* 0: there was none */
    int64_t bytes; /* of the body, as sent */
    bool cut;
};

struct ed_access_format;

/* Reads a format, or the name of one. NULL, logged, when it is none. */
ED_CHECK struct ed_access_format *ed_access_format_new(struct ed_where where,
                                                       const char *text);

/* Appends a line, with its end. 0 or ED_ENOMEM; then nothing is appended. */
ED_CHECK int ed_access_format_add(const struct ed_access_format *format,
                                  const struct ed_access *access,
                                  struct ed_buf *out);

#endif
