/*
 * talk.h - a client's words to a server of ours, over a stream in memory and
 * under a virtual clock: all at once, or cut as a seed has it.
 *
 *     struct talk t = {.input = bytes, .seed = seed, .make = make_server,
 *                      .converse = converse, .heard = &heard};
 *     talk(&t);
 *
 * Checks that nothing is left when the connection has ended.
 */
#ifndef EDDY_FUZZ_TALK_H
#define EDDY_FUZZ_TALK_H

#include "check.h"

#include "core/loop_internal.h"
#include "http/h1.h"
#include "../tests/support/memory_stream.h"

struct talk {
    struct ed_bytes input;
    uint32_t seed; /* 0: all at once */
    ed_server *(*make)(void);
    /* What is said when; returns when the connection has ended. */
    void (*converse)(struct talk *t);
    struct ed_buf *heard; /* what the server has said; the caller's to free */

    ed_server *server;
    struct memory_peer *peer;
    struct ed_timer timer;
    bool delivered;
};

/* A number from 1 to `most` that depends on the seed alone. */
static inline size_t talk_choose(struct talk *t, size_t most)
{
    t->seed = t->seed * 1664525 + 1013904223;
    return 1 + (t->seed >> 8) % most;
}

/* A client that takes what is sent only by and by has little room at first. */
static void talk_deliver_(struct ed_timer *timer)
{
    struct talk *t = ED_CONTAINER(timer, struct talk, timer);
    size_t most = ED_SCRATCH_BYTES;

    if (t->seed) {
        most = talk_choose(t, talk_choose(t, 4) == 1 ? 1000 : 8);
        if (t->peer->room < SIZE_MAX / 2)
            t->peer->room += talk_choose(t, 5000);
    }
    t->delivered = memory_peer_deliver(t->peer, most);
}

/* Lets the client's side happen for as long as there is anything to do. */
static inline void talk_play(struct talk *t)
{
    do {
        CHECK(!ed_timer_start(ed_loop_current(), &t->timer, ed_now()));
        CHECK(!ed_sleep(1));
    } while (t->delivered);
}

static inline int talk_serve_(void *server)
{
    return ed_server_run(server);
}

static inline int talk_body_(void *arg)
{
    struct talk *t = arg;
    struct ed_server_counts counts;
    size_t fibers = ed_loop_current()->fiber_count;

    t->server = t->make();
    t->peer = memory_peer_new();
    t->timer.fire = talk_deliver_;
    CHECK(t->server && t->peer);
    ed_scope(s);
    ed_go(s, talk_serve_, t->server);
    CHECK(!ed_yield());
    ed_h1_open(t->server, t->peer->stream);
    t->converse(t);
    ed_server_counts(t->server, &counts);
    CHECK(!counts.open && !counts.in_flight);
    ed_server_stop(t->server);
    CHECK(!ed_wait(s));
    CHECK(ed_loop_current()->fiber_count == fibers);
    ed_server_free(t->server);
    *t->heard = t->peer->heard;
    t->peer->heard = (struct ed_buf){0};
    memory_peer_free(t->peer);
    return 0;
}

static inline void talk(struct talk *t)
{
    CHECK(!ed_run(talk_body_, t, .virtual_clock = true, .blocked_after = -1));
}

#endif
