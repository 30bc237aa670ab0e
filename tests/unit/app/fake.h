/*
 * fake.h - requests without a server: what is replied is kept, to be looked
 * at; and the log, to be read.
 *
 *     struct fake f;
 *     fake_request(&f, app, "GET", "/hello/Ada?x=1");
 *     assert_string_equal(f.body.ptr, "Hello, Ada!\n");
 *     fake_done(&f);
 */
#ifndef EDDY_TESTS_APP_FAKE_H
#define EDDY_TESTS_APP_FAKE_H

#include "app/app_internal.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

struct fake {
    struct ed_req req;
    const char *accept; /* set before the request is run */
    const char *host;
    struct ed_http1_field field;
    char *target; /* as sent; the request's path and query point into it */
    struct ed_buf body;
    int result; /* what the server was told */
};

/* Answers a request; fake_begin() and fake_run() are its two halves. */
void fake_request(struct fake *f, ed_app *app, const char *method,
                  const char *target);
void fake_begin(struct fake *f, ed_app *app, const char *method,
                const char *target);
void fake_run(struct fake *f);
void fake_done(struct fake *f);

/* A field of the reply, or NULL. */
const char *fake_field(const struct fake *f, const char *name);

/* Fails the test unless that request gets that status and body (NULL: any). */
void fake_expect(ed_app *app, const char *method, const char *target,
                 int status, const char *body);

/* From the first of these on, the log is gathered. Gives what came since the
 * last, to be freed. */
char *fake_log(void);

#endif
