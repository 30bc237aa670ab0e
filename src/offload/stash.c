/*
 * stash.c - tickets that are kept by number, for those who come back later.
 *
 * Owns a reference to each. The list is in the order in which they expire, and
 * is looked after whenever somebody comes. The store
 * has a limit besides. Everything but the freeing of tickets is under the lock.
 */
#include "offload/ticket.h"

#include <stdlib.h>
#include <sys/random.h>
#include <eddy/clock.h>
#include <eddy/map.h>

/* What a double holds exactly, as numbers in JSON are often read. */
#define NUMBER_MASK (((uint64_t)1 << 53) - 1)

struct kept {
    struct ed_list link; /* in order of `until` */
    uint64_t number;
    int64_t until;
    ed_ticket *ticket;
};

static struct {
    ed_map *numbers; /* of struct kept, by their numbers' bytes */
    struct ed_list all;
    unsigned max;
    int64_t time;
} stash = {
    .all = {&stash.all, &stash.all},
    .max = ED_OFFLOAD_STASHED,
    .time = ED_OFFLOAD_STASH_TIME,
};

static struct ed_bytes key_of(const uint64_t *number)
{
    return (struct ed_bytes){(const char *)number, sizeof *number};
}

size_t ed_stash_count(void)
{
    return stash.numbers ? ed_map_count(stash.numbers) : 0;
}

void ed_stash_limit(unsigned count, int64_t time)
{
    if (count)
        stash.max = count;
    if (time > 0)
        stash.time = time;
}

/* Mostly to the end; the time may have been made shorter. */
static void line_up(struct kept *kept)
{
    struct ed_list *before = stash.all.prev;

    while (before != &stash.all &&
           ED_CONTAINER(before, struct kept, link)->until > kept->until)
        before = before->prev;
    ed_list_insert(before, &kept->link);
}

/* Takes it out, and off the caller's hands: gives the ticket. */
static ed_ticket *take_out(struct kept *kept)
{
    ed_ticket *t = kept->ticket;

    ed_map_remove(stash.numbers, key_of(&kept->number));
    ed_list_remove(&kept->link);
    free(kept);
    return t;
}

/* The first that has been here for too long, or any; NULL: none. */
static ed_ticket *take_expired(bool any)
{
    struct ed_list *link = ed_list_first(&stash.all);

    if (!link)
        return NULL;
    struct kept *kept = ED_CONTAINER(link, struct kept, link);
    if (!any && kept->until > ed_clock_monotonic())
        return NULL;
    return take_out(kept);
}

/* Without the lock: freeing a ticket may call foreign code. */
static void drop_expired(bool all)
{
    ed_ticket *t;

    do {
        ed_offload_lock();
        t = take_expired(all);
        ed_offload_unlock();
        ed_ticket_free(t);
    } while (t);
}

void ed_stash_clear(void)
{
    drop_expired(true);
}

static int new_number(uint64_t *number)
{
    do {
        if (getrandom(number, sizeof *number, 0) != sizeof *number)
            return ED_ENOMEM; /* before the system has any, at boot */
        *number &= NUMBER_MASK;
    } while (!*number || ed_map_get(stash.numbers, key_of(number)));
    return 0;
}

static int put_in(struct kept *kept)
{
    if (!stash.numbers)
        stash.numbers = ed_map_new();
    if (!stash.numbers)
        return ED_ENOMEM;
    if (ed_map_count(stash.numbers) >= stash.max)
        return ED_ELIMIT;
    int err = new_number(&kept->number);
    if (!err)
        err = ed_map_set(stash.numbers, key_of(&kept->number), kept, NULL);
    if (err)
        return err;
    kept->until = ed_clock_monotonic() + stash.time;
    line_up(kept);
    return 0;
}

int64_t ed_ticket_stash(ed_ticket *t)
{
    struct kept *kept = t ? calloc(1, sizeof *kept) : NULL;

    if (!kept)
        return ED_ENOMEM;
    drop_expired(false);
    kept->ticket = t;
    ed_offload_lock();
    int err = put_in(kept);
    int64_t number = (int64_t)kept->number;
    if (!err)
        ed_ticket_ref(t);
    ed_offload_unlock();
    if (!err)
        return number;
    free(kept);
    return err;
}

ed_ticket *ed_ticket_retrieve(int64_t number)
{
    uint64_t bits = (uint64_t)number;

    drop_expired(false);
    ed_offload_lock();
    struct kept *kept =
        stash.numbers ? ed_map_get(stash.numbers, key_of(&bits)) : NULL;
    ed_ticket *t = kept ? take_out(kept) : NULL;
    ed_offload_unlock();
    return t;
}
