/*
 * scenarios_offload.c - work handed over to this very loop, by tickets.
 */
#include "scenarios_run.h"

#include <eddy/offload.h>
#include <eddy/sync.h>
#include <string.h>

/* No variable of a fiber: that may be gone when the callback comes. */
static ed_event told;

static void tell(ed_ticket *ticket, void *arg)
{
    (void)ticket, (void)arg;
    ed_event_set(&told);
}

static int greet(void *arg, ed_arena *arena, void **value)
{
    int err = ed_sleep(ED_S);

    if (err)
        return err;
    *value = ed_arena_printf(arena, "hello, %s", (const char *)arg);
    return *value ? 0 : ED_ENOMEM;
}

/* Fibers of the loop itself may not wait for tickets, but can be told. */
static int await(ed_ticket *ticket)
{
    ed_event_clear(&told);
    int err = ed_ticket_on_done(ticket, tell, NULL);

    if (!err)
        err = ed_event_wait(&told);
    return err ? err : ed_ticket_result(ticket, NULL);
}

static int hand_over_and_keep(void)
{
    ed_ticket *ticket = ed_offload(greet, "world", .within = ED_MIN);
    int err = await(ticket);
    int64_t number = err ? 0 : ed_ticket_stash(ticket);

    ed_ticket_free(ticket);
    if (err || number < 0)
        return err ? err : (int)number;
    ticket = ed_ticket_retrieve(number);
    err = expect(!strcmp(ed_ticket_value(ticket), "hello, world"));
    ed_ticket_free(ticket);
    return err;
}

static int hand_over_in_vain(void)
{
    ed_ticket *ticket = ed_offload(greet, "nobody");

    ed_ticket_cancel(ticket);
    int err = await(ticket);
    ed_ticket_free(ticket);
    return err == ED_ECANCELED && !ed_cancelled() ? 0 : err;
}

int run_offload(void *arg)
{
    (void)arg;
    int err = ed_offload_adopt();
    if (!err)
        err = hand_over_and_keep();
    if (!err)
        err = hand_over_in_vain();
    return err;
}
