/*
 * client.c - Eddy's client asking a server as fast as it is answered, for the
 * `client` benchmark.
 *
 *     client [-c CONCURRENCY] [-t SECONDS] [-w WARM-UP SECONDS] URL
 *
 * So many fibers, each with one request after the other. Prints one JSON
 * object: how many answers, and the processor time of this process.
 */
#include "clients.h"
#include <eddy/client.h>
#include <eddy/fiber.h>

static struct client_run run;

static int ask(void *arg)
{
    (void)arg;
    while (!run_ended(&run)) {
        ed_arena *arena = ed_fiber_arena();
        struct ed_arena_mark mark = ed_arena_mark(arena);
        ed_res *res;
        int err = ed_get(&res, run.url);

        if (err || ed_res_status(res) != 200 || !ed_res_body(res).len) {
            errno = 0;
            die("%s", err ? ed_error() : "not 200");
        }
        run_answered(&run);
        ed_arena_rewind(arena, mark);
    }
    return 0;
}

/* Each has an arena of its own, as a request has. */
static int ask_in_arena(void *arg)
{
    ed_arena *arena = ed_arena_new(0);

    ed_fiber_use_arena(arena);
    int err = ask(arg);
    ed_fiber_use_arena(NULL);
    ed_arena_free(arena);
    return err;
}

static int ask_all(void *arg)
{
    (void)arg;
    ed_scope(s);
    for (int i = 0; i < run.concurrency; i++)
        ed_go(s, ask_in_arena, NULL);
    return ed_wait(s);
}

int main(int argc, char **argv)
{
    run_options(&run, argc, argv);
    if (ed_run(ask_all, NULL))
        return 1;
    run_report(&run);
    return 0;
}
