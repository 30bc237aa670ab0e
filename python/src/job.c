/*
 * job.c - calls that are made of Python's values, and what lives on the loop.
 */
#include "eddy_python.h"

/* ---- jobs ---- */

void *job_new(size_t size)
{
    ed_arena *arena = ed_arena_new(0);
    struct job *job = arena ? ed_arena_zalloc(arena, size) : NULL;

    if (!job) {
        ed_arena_free(arena);
        return PyErr_NoMemory();
    }
    job->arena = arena;
    atomic_init(&job->refs, 1);
    return job;
}

/* On any thread, without the interpreter's lock. */
void job_unref(void *job)
{
    struct job *j = job;

    if (!j || atomic_fetch_sub(&j->refs, 1) != 1)
        return;
    ed_ticket_free(j->pool);
    ed_arena_free(j->arena);
}

PyObject *job_start(struct job *job, ed_offload_fn *run, const char *name,
                    value_fn *value, PyObject *about)
{
    atomic_fetch_add(&job->refs, 1);
    ed_ticket *ticket = ed_offload(run, job, .free_arg = job_unref,
                                   .name = name, .place = "Python");
    return eventual_new(ticket, value, job, about);
}

/* ---- what lives on the loop ---- */

/* Why it could not be made is told by the calls that needed it. */
void home_leave(struct home *home)
{
    (void)ed_ticket_result(home->ticket, NULL);
    ed_ticket_free(home->ticket);
    home->ticket = NULL;
}

/* Whether it is of no use any more: it could not be made, its loop was stopped,
 * or it stayed behind in the parent process. */
static bool is_gone(ed_ticket *ticket)
{
    int err = ed_ticket_result(ticket, NULL);

    return err != ED_EWOULDBLOCK && (err < 0 || !ed_ticket_value(ticket));
}

ed_ticket *home_of(struct home *home)
{
    if (home->ticket && is_gone(home->ticket))
        home_leave(home);
    if (!home->ticket) {
        atomic_fetch_add(&home->plan->refs, 1);
        home->ticket = ed_offload(
            home->make, home->plan, .at_home = true, .free_arg = job_unref,
            .free_value = home->close, .remade = !home->keeps,
            .name = home->name, .place = "Python");
    }
    return ed_ticket_ref(home->ticket);
}

int home_value(ed_ticket *ticket, void **value)
{
    int err = 0;

    /* It began before us, but its end may not be known yet. */
    while (!ed_ticket_done(ticket) && !err)
        err = ed_yield();
    if (!err)
        err = ed_ticket_result(ticket, NULL);
    if (err < 0)
        return ed_fail(err, "%s", ed_ticket_detail(ticket));
    *value = ed_ticket_value(ticket);
    return *value ? 0 : ED_ESTOPPED;
}

void home_close(struct home *home)
{
    home_leave(home);
    job_unref(home->plan);
    home->plan = NULL;
}
