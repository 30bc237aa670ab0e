/*
 * happy.c - Happy Eyeballs (RFC 8305): a race of connections to the addresses
 * of one name.
 *
 * The race is run in the loop; the fiber waits in one place for its end. What
 * it is not told of at first does not take part: resolve.h says how long an
 * answer is awaited.
 */
#include "net/happy.h"
#include "net/socket.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct racer {
    struct race *race;
    ed_stream *stream; /* NULL: not begun, or failed */
    struct ed_op op;
    bool pending;
};

struct race {
    const struct ed_addrs *addrs;
    const struct ed_addr *from;
    char *reasons;
    ed_loop *loop;
    ed_fiber *fiber;      /* that waits for the end */
    unsigned next;        /* address to try */
    unsigned pending;     /* connections */
    struct racer *winner; /* NULL: none so far */
    int fatal;            /* what every further address would meet as well */
    struct ed_timer timer;
    struct racer racers[ED_ADDRS_MAX];
};

/* ---- the order ---- */

/* The next address from `at` on that is, or is not, of a family. */
static unsigned find(const struct ed_addrs *addrs, unsigned at, int family,
                     bool same)
{
    while (at < addrs->count &&
           (addrs->list[at].any.sa_family == family) != same)
        at++;
    return at;
}

void ed_happy_order(struct ed_addrs *addrs)
{
    struct ed_addrs sorted = *addrs;
    int family = sorted.count ? sorted.list[0].any.sa_family : AF_UNSPEC;
    unsigned first = find(&sorted, 0, family, true);
    unsigned other = find(&sorted, 0, family, false);

    for (unsigned i = 0; i < sorted.count;) {
        if (first < sorted.count)
            addrs->list[i++] = sorted.list[first];
        if (other < sorted.count)
            addrs->list[i++] = sorted.list[other];
        first = find(&sorted, first + 1, family, true);
        other = find(&sorted, other + 1, family, false);
    }
}

/* ---- the race ---- */

static bool is_over(const struct race *race)
{
    return race->winner || (!race->pending && race->next == race->addrs->count);
}

/* Notes why an address failed behind what others failed for. */
static void note(struct race *race, const struct racer *racer, int err)
{
    const struct ed_addr *addr = &race->addrs->list[racer - race->racers];
    char text[ED_ADDR_TEXT];
    size_t at = strlen(race->reasons);

    snprintf(race->reasons + at, ED_HAPPY_REASONS - at, "%s%s: %s",
             at ? "; " : "", ed_addr_text(addr, text), ed_err_text(err));
}

static bool is_fatal(int err)
{
    return err == ED_ENOMEM || err == -EMFILE || err == -ENFILE ||
           err == -ENOMEM;
}

static void lose(struct race *race, struct racer *racer, int err)
{
    ed_stream_close(racer->stream);
    racer->stream = NULL;
    note(race, racer, err);
    if (!is_fatal(err))
        return;
    race->fatal = err;
    race->next = race->addrs->count;
}

static void racer_done(struct ed_op *op, ssize_t result);

/* Begins a connection: 0 when it is there at once, ED_IO_PENDING or an
 * error. */
static ssize_t begin(struct race *race, struct racer *racer)
{
    const struct ed_addr *to = &race->addrs->list[racer - race->racers];
    int err = ed_connect_begin(&racer->stream, to, race->from);

    if (err != -EINPROGRESS)
        return err;
    racer->race = race;
    racer->op = (struct ed_op){.kind = ED_OP_CONNECT, .done = racer_done};
    return ed_socket_connecting(racer->stream, &racer->op);
}

/* Gives a connection its time alone. False when the next is to begin at once:
 * without memory for a timer nothing else would have it begin. */
static bool leave_time(struct race *race, struct racer *racer)
{
    racer->pending = true;
    race->pending++;
    return race->next == race->addrs->count ||
           !ed_timer_start(race->loop, &race->timer, ed_now() + ED_HAPPY_DELAY);
}

/* Begins connections until one is under way, or there, or all have failed. */
static void go_on(struct race *race)
{
    while (race->next < race->addrs->count) {
        struct racer *racer = &race->racers[race->next++];
        ssize_t result = begin(race, racer);

        if (result == 0)
            race->winner = racer;
        else if (result != ED_IO_PENDING)
            lose(race, racer, (int)result);
        if (result == 0 || (result == ED_IO_PENDING && leave_time(race, racer)))
            return;
    }
}

static void wake_if_over(struct race *race)
{
    ed_fiber *fiber = race->fiber;

    if (!fiber || !is_over(race))
        return;
    race->fiber = NULL;
    ed_wake(fiber, 0);
}

static void racer_done(struct ed_op *op, ssize_t result)
{
    struct racer *racer = ED_CONTAINER(op, struct racer, op);
    struct race *race = racer->race;

    racer->pending = false;
    race->pending--;
    if (race->winner)
        return;
    if (result == 0) {
        race->winner = racer;
    } else {
        lose(race, racer, (int)result);
        go_on(race);
    }
    wake_if_over(race);
}

static void turn_of_next(struct ed_timer *timer)
{
    struct race *race = ED_CONTAINER(timer, struct race, timer);

    if (is_over(race))
        return;
    go_on(race);
    wake_if_over(race);
}

/* The fiber wakes with the cancellation and clears up itself. */
static bool forget_fiber(void *arg)
{
    struct race *race = arg;

    race->fiber = NULL;
    return true;
}

static int await_end(struct race *race)
{
    if (is_over(race))
        return 0;
    race->fiber = ed_fiber_self();
    int err = ed_park("connect", forget_fiber, race);
    race->fiber = NULL;
    return err;
}

/* Gives up all but the winner, and notes what kept the others waiting. */
static void clear_up(struct race *race, int err)
{
    ed_timer_stop(race->loop, &race->timer);
    for (unsigned i = 0; i < race->next; i++) {
        struct racer *racer = &race->racers[i];

        if (racer == race->winner && !err)
            continue;
        if (racer->pending) {
            ed_socket_stop_connecting(racer->stream, &racer->op);
            if (err)
                note(race, racer, err);
        }
        ed_stream_close(racer->stream);
    }
}

int ed_happy_connect(ed_stream **out, struct ed_addr *won,
                     const struct ed_addrs *addrs, const struct ed_addr *from,
                     char reasons[ED_HAPPY_REASONS])
{
    struct race race = {
        .addrs = addrs,
        .from = from,
        .reasons = reasons,
        .loop = ed_loop_current(),
        .timer.fire = turn_of_next,
    };
    int err = ed_checkpoint();

    reasons[0] = '\0';
    if (err) {
        snprintf(reasons, ED_HAPPY_REASONS, "%s", ed_err_text(err));
        return err;
    }
    go_on(&race);
    err = await_end(&race);
    clear_up(&race, err);
    if (err)
        return err;
    if (!race.winner)
        return race.fatal ? race.fatal : ED_ECONNECT;
    *out = race.winner->stream;
    *won = addrs->list[race.winner - race.racers];
    return 0;
}
