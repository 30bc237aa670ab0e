/*
 * prepared.c - which plans a connection has prepared.
 *
 * Owns one session's names. A plan is found by its address; that costs a few
 * nanoseconds, and every statement sent asks for it.
 */
#include "pg/prepared.h"

#include <eddy/error.h>
#include <stdlib.h>
#include <string.h>

/* Slots beyond that gain nothing: chains stay short. */
enum { SLOTS_MIN = 16, SLOTS_MAX = 1024 };

int pg_prepared_init(struct pg_prepared_set *set, int expected)
{
    size_t slots = SLOTS_MIN;
    while (slots < SLOTS_MAX && (int)slots < expected)
        slots *= 2;
    *set = (struct pg_prepared_set){.mask = slots - 1};
    ed_list_init(&set->recent);
    set->slots = calloc(slots, sizeof(struct pg_prepared *));
    return set->slots ? 0 : ED_ENOMEM;
}

static struct pg_prepared **slot_of(const struct pg_prepared_set *set,
                                    const struct pg_plan *plan)
{
    /* Fibonacci hashing; the low bits of an address are all alike. */
    uint64_t hash = (uint64_t)(uintptr_t)plan * 0x9e3779b97f4a7c15u;
    return &set->slots[(hash >> 40) & set->mask];
}

struct pg_prepared *pg_prepared_find(struct pg_prepared_set *set,
                                     const struct pg_plan *plan)
{
    struct pg_prepared *p = *slot_of(set, plan);
    while (p && p->plan != plan)
        p = p->next;
    if (p && set->recent.next != &p->node) {
        ed_list_remove(&p->node);
        ed_list_add_front(&set->recent, &p->node);
    }
    return p;
}

/* Without memory for the note the server keeps the plan until the session's
 * end, which does no harm: its name still means the same. */
static void note_closing(struct pg_prepared_set *set,
                         const struct pg_plan *plan)
{
    (void)!ed_buf_add(&set->closing, plan->name, PG_PLAN_NAME);
}

void pg_prepared_drop(struct pg_prepared_set *set, const struct pg_plan *plan,
                      bool close)
{
    struct pg_prepared **at = slot_of(set, plan);
    while (*at && (*at)->plan != plan)
        at = &(*at)->next;
    struct pg_prepared *p = *at;
    if (!p)
        return;
    *at = p->next;
    ed_list_remove(&p->node);
    set->count--;
    if (close)
        note_closing(set, plan);
    pg_statement_release(p->plan->statement);
    free(p);
}

static struct pg_plan *oldest(const struct pg_prepared_set *set)
{
    return ED_CONTAINER(set->recent.prev, struct pg_prepared, node)->plan;
}

struct pg_prepared *pg_prepared_add(struct pg_prepared_set *set,
                                    struct pg_plan *plan, int64_t now, int most)
{
    struct pg_prepared *p = malloc(sizeof *p);
    if (!p)
        return NULL;
    while (set->count && set->count >= (unsigned)most)
        pg_prepared_drop(set, oldest(set), true);
    struct pg_prepared **slot = slot_of(set, plan);
    *p = (struct pg_prepared){.plan = plan, .next = *slot, .at = now};
    *slot = p;
    ed_list_add_front(&set->recent, &p->node);
    set->count++;
    plan->statement->references++;
    return p;
}

bool pg_prepared_reopen(struct pg_prepared_set *set, const struct pg_plan *plan)
{
    struct ed_buf *names = &set->closing;
    for (size_t i = 0; i < names->len; i += PG_PLAN_NAME) {
        if (strcmp(names->ptr + i, plan->name))
            continue;
        names->len -= PG_PLAN_NAME;
        memmove(names->ptr + i, names->ptr + i + PG_PLAN_NAME, names->len - i);
        return true;
    }
    return false;
}

void pg_prepared_clear(struct pg_prepared_set *set)
{
    while (set->count)
        pg_prepared_drop(set, oldest(set), false);
    set->closing.len = 0;
}

void pg_prepared_free(struct pg_prepared_set *set)
{
    pg_prepared_clear(set);
    ed_buf_free(&set->closing);
    free(set->slots);
}
