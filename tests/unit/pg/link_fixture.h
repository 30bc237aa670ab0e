/*
 * link_fixture.h - links to a server of the test's own, and calls that are
 * waited for.
 *
 *     LINK_TEST(two_calls_go_out_at_once) { ... }
 *
 * defines a test whose body is the first fiber of a loop with the real clock,
 * under a deadline, with `server` running. Checks are those of fiber_test.h.
 */
#ifndef EDDY_TESTS_LINK_FIXTURE_H
#define EDDY_TESTS_LINK_FIXTURE_H

#include "../../fiber_test.h"
#include "pg/link.h"
#include "pg_server.h"

struct pg_server;
extern struct pg_server *server;
extern struct pg_statements statements;
extern struct pg_target target;

/* For cmocka_run_group_tests(). */
int start_server(void **state);
int stop_server(void **state);

/* A call someone waits for. */
struct wait {
    struct pg_call *call;
    ed_fiber *fiber;
    bool over;
    struct pg_link *link; /* the test's own */
};

/* For calls that are made by hand. */
void on_done(struct pg_call *call);

/* What the owner of the links was told. */
extern unsigned rooms, losses;

/* What a cancelled statement has until its link is lost; 2 s. */
extern int64_t goodbye;

/* A new link; NULL after a failed check. */
struct pg_link *link_open(void);

/* Sends a statement; `w` must stay until await() or a finished call. */
int give(struct pg_link *link, struct wait *w, const char *sql, bool read_only,
         const struct ed_pg_param *params);
#define SEND(link, w, sql, ...) \
    check_int(give((link), (w), (sql), false, ED_PG_LIST_(__VA_ARGS__)), 0)
#define SEND_READ(link, w, sql, ...) \
    check_int(give((link), (w), (sql), true, ED_PG_LIST_(__VA_ARGS__)), 0)

/* Waits for the end of a call and returns its err; the call is released by
 * done(). */
int await(struct wait *w);
void done(struct wait *w);

/* Sends, awaits and returns the first value as text, or the error's name. */
const char *ask(struct pg_link *link, const char *sql);

/* Runs `body`; fails the test when a check of it, or of the fixture, has. */
void link_test_run(void (*body)(void));

#define LINK_TEST(name)             \
    static void name##_body(void);  \
    static void name(void **state)  \
    {                               \
        (void)state;                \
        link_test_run(name##_body); \
    }                               \
    static void name##_body(void)

#endif
