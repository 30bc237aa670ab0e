/*
 * admin_world.h - an admin process, and about it a master, a board and workers,
 * all played by the test.
 *
 *     ADMIN_TEST(a_test)
 *     {
 *         world_worker(w, 0, 4101, app);        // told by `app`
 *         ed_res *res = world_get(w, "/v1/ps");
 *     }
 *
 * The admin process is a real one; the test talks with it over its two ways in.
 */
#ifndef EDDY_TESTS_SERVE_ADMIN_WORLD_H
#define EDDY_TESTS_SERVE_ADMIN_WORLD_H

#include "../../fiber_test.h"
#include <eddy/app.h>
#include <eddy/client.h>
#include <eddy/stream.h>
#include <jansson.h>
#include "net/bind.h"
#include "serve/admin.h"
#include "serve/board.h"

#define WORLD_WORKERS 4

struct world {
    struct ed_settings settings;
    char directory[64];
    struct ed_board *board;
    int board_fd;
    int addresses;
    pid_t process;
    int status; /* of the process, once it has ended */
    bool ended;

    struct ed_bound ways_in[2]; /* that of eddy ctl, and the admin address */
    ed_stream *line;            /* the master's end */
    char heard[8][64];          /* what it was told, in order */
    int heard_count;
    const char *answer; /* NULL: it says "ok" */
    bool silent;

    ed_client *client;
    ed_scope *scope;
    ed_server *workers[WORLD_WORKERS];
    ed_app *apps[WORLD_WORKERS];
    char open_url[64]; /* of the admin address */
};

typedef void world_fn(struct world *w);

/* Runs a test; `prepare` may fill in settings before the process starts. */
void world_run(world_fn *prepare, world_fn *test);

/* An app of one route. */
ed_app *world_app(const char *pattern, ed_handler *handler);

/* A worker on the board that answers questions by an app, which is freed; with
 * NULL it has no socket. */
void world_worker(struct world *w, unsigned slot, int pid, ed_app *app);

/* Through the socket of eddy ctl. */
ed_res *world_get(struct world *w, const char *path);
ed_res *world_post(struct world *w, const char *path, const char *body);

/* At the admin address. The token may be NULL. */
ed_res *world_open(struct world *w, const char *method, const char *path,
                   const char *token);

/* The body as text with what changes put away; "" without a response. */
const char *world_text(const ed_res *res);
int world_status(const ed_res *res);

/* A number or a text of the body: "workers.1.slot". */
double world_number(const ed_res *res, const char *path);
const char *world_string(const ed_res *res, const char *path);

/* Waits until the process has ended. */
void world_wait(struct world *w);

/* Where it listens for eddy ctl, as a URL of that path. */
const char *world_url(struct world *w, const char *path);

#define ADMIN_TEST_WITH(name, prepare)        \
    static void name##_body(struct world *w); \
    static void name(void **state)            \
    {                                         \
        (void)state;                          \
        world_run(prepare, name##_body);      \
    }                                         \
    static void name##_body(struct world *w)

#define ADMIN_TEST(name) ADMIN_TEST_WITH(name, NULL)

#endif
