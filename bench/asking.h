/*
 * asking.h - the clients that are Eddy's own: many fibers, each with one
 * question after the other until the time is over.
 */
#ifndef EDDY_BENCH_ASKING_H
#define EDDY_BENCH_ASKING_H

#include "clients.h"
#include <eddy/fiber.h>

/* Asks once and looks at the answer; an error, with ed_error(), or what is
 * wrong with it, dies. */
typedef void ask_fn(void);

struct asking {
    struct client_run *run;
    ask_fn *ask;
};

/* Each has an arena of its own, as a request has. */
static inline int asking_fiber(void *arg)
{
    const struct asking *asking = arg;
    ed_arena *arena = ed_arena_new(0);

    ed_fiber_use_arena(arena);
    while (!run_ended(asking->run)) {
        struct ed_arena_mark mark = ed_arena_mark(arena);
        asking->ask();
        run_answered(asking->run);
        ed_arena_rewind(arena, mark);
    }
    ed_fiber_use_arena(NULL);
    ed_arena_free(arena);
    return 0;
}

static inline int asking_all(void *arg)
{
    const struct asking *asking = arg;

    ed_scope(s);
    for (int i = 0; i < asking->run->concurrency; i++)
        ed_go(s, asking_fiber, arg);
    return ed_wait(s);
}

/* Runs the fibers and reports; the program's exit status. */
static inline int ask_and_report(struct client_run *run, ask_fn *ask)
{
    struct asking asking = {run, ask};

    if (ed_run(asking_all, &asking))
        return 1;
    run_report(run);
    return 0;
}

/* An answer is not what it should be. */
static inline void check_answer(int err, bool right, const char *otherwise)
{
    if (!err && right)
        return;
    errno = 0;
    die("%s", err ? ed_error() : otherwise);
}

#endif
