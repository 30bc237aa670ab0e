/*
 * crew.c - the workers of a master, and who takes whose place.
 */
#include "serve/crew.h"

#include <stdlib.h>

/* A worker that ends by itself sooner than this has not begun to work: the
 * next one is started later each time. */
static const int64_t SHORT_LIFE = 10 * ED_S;
static const int64_t FIRST_PAUSE = 100 * ED_MS;
static const int64_t LONGEST_PAUSE = 30 * ED_S;

void ed_crew_init(struct ed_crew *crew, const struct ed_crew_ops *ops,
                  void *user)
{
    *crew = (struct ed_crew){.ops = ops, .user = user, .random = 0x9e3779b9};
    ed_list_init(&crew->members);
}

/* ---- looking ---- */

bool ed_crew_empty(const struct ed_crew *crew)
{
    return ed_list_empty(&crew->members);
}

/* Works, or will. */
static bool is_working(const struct ed_member *m)
{
    return m->state == ED_MEMBER_STARTING || m->state == ED_MEMBER_READY;
}

struct census {
    unsigned staying; /* workers that shall stay, ready or not */
    unsigned ready;   /* of these */
    unsigned leaving; /* ready ones that shall go when they are replaced */
};

static struct census take_census(const struct ed_crew *crew)
{
    struct census c = {0};

    ed_list_each (node, &crew->members) {
        const struct ed_member *m = ed_member_at(node);
        if (!is_working(m))
            continue;
        c.staying += !m->leaving;
        c.ready += !m->leaving && m->state == ED_MEMBER_READY;
        c.leaving += m->leaving;
    }
    return c;
}

/* ---- single workers ---- */

static int64_t after(int64_t now, int64_t time)
{
    return time > 0 ? now + time : INT64_MAX;
}

static void drain(struct ed_member *m, int64_t now)
{
    m->state = ED_MEMBER_DRAINING;
    m->deadline = after(now, m->times.drain);
    m->crew->ops->drain(m);
}

static void quit(struct ed_member *m, int64_t now)
{
    m->state = ED_MEMBER_QUITTING;
    m->deadline = after(now, m->times.quit);
    m->crew->ops->quit(m);
}

static void kill_now(struct ed_member *m)
{
    m->state = ED_MEMBER_KILLED;
    m->deadline = INT64_MAX;
    m->crew->ops->kill(m);
}

/* The one that is missed least: one that is not ready yet, else the oldest. */
static struct ed_member *least_missed(struct ed_crew *crew)
{
    struct ed_member *best = NULL;

    ed_list_each (node, &crew->members) {
        struct ed_member *m = ed_member_at(node);
        if (!is_working(m) || m->leaving)
            continue;
        if (!best || (m->state == ED_MEMBER_STARTING &&
                      best->state != ED_MEMBER_STARTING))
            best = m;
    }
    return best;
}

static void send_away(struct ed_member *m, int64_t now)
{
    if (m->state == ED_MEMBER_STARTING)
        quit(m, now); /* nothing to drain */
    else
        drain(m, now);
}

/* ---- pauses ---- */

static int64_t pause_after(struct ed_crew *crew)
{
    int64_t pause = FIRST_PAUSE;

    for (unsigned i = 2; i < crew->failures && pause < LONGEST_PAUSE; i++)
        pause *= 2;
    if (pause > LONGEST_PAUSE)
        pause = LONGEST_PAUSE;
    crew->random = crew->random * 1664525 + 1013904223;
    return pause + pause / 8 * (int64_t)(crew->random >> 24) / 256;
}

/* The first is replaced at once: it may have been an accident. */
static void note_failure(struct ed_crew *crew, int64_t now)
{
    crew->failures++;
    if (crew->failures > 1)
        crew->spawn_at = now + pause_after(crew);
}

/* ---- the rule ---- */

static bool spawn(struct ed_crew *crew, int64_t now)
{
    struct ed_member *m = calloc(1, sizeof *m);

    if (!m)
        return false;
    m->crew = crew;
    m->generation = crew->generation;
    m->times = crew->times;
    m->started = now;
    m->deadline = after(now, m->times.start);
    ed_list_add_back(&crew->members, &m->node);
    if (!crew->ops->spawn(m))
        return true;
    ed_list_remove(&m->node);
    crew->ops->forget(m);
    free(m);
    return false;
}

static void roll_back(struct ed_crew *crew, int64_t now);

/* As many as are wanted. */
static void fill_up(struct ed_crew *crew, unsigned staying, int64_t now)
{
    while (staying < crew->wanted && now >= crew->spawn_at) {
        if (spawn(crew, now)) {
            staying++;
            continue;
        }
        note_failure(crew, now);
        if (crew->rolling)
            roll_back(crew, now);
        return;
    }
    for (; staying > crew->wanted; staying--) {
        struct ed_member *m = least_missed(crew);
        if (!m)
            return;
        send_away(m, now);
    }
}

static void let_go(struct ed_crew *crew, int64_t now)
{
    ed_list_each_safe (node, &crew->members) {
        struct ed_member *m = ed_member_at(node);
        if (m->leaving && is_working(m))
            send_away(m, now);
    }
}

/* The next of an older generation, in a chain. */
static struct ed_member *next_of_chain(struct ed_crew *crew)
{
    ed_list_each (node, &crew->members) {
        struct ed_member *m = ed_member_at(node);
        if (is_working(m) && m->generation != crew->generation)
            return m;
    }
    return NULL;
}

static void roll_on(struct ed_crew *crew, int64_t now)
{
    struct ed_member *next = crew->chain ? next_of_chain(crew) : NULL;

    if (next) {
        next->leaving = true;
        fill_up(crew, take_census(crew).staying, now);
        return;
    }
    crew->rolling = false;
    crew->failures = 0;
    crew->ops->rolled_out(crew, ED_ROLLOUT_DONE);
}

static void tend(struct ed_crew *crew, int64_t now)
{
    if (crew->mode != ED_CREW_UP)
        return;
    fill_up(crew, take_census(crew).staying, now);
    struct census c = take_census(crew);
    if (c.ready < crew->wanted)
        return;
    if (c.leaving)
        let_go(crew, now);
    if (crew->rolling)
        roll_on(crew, now);
}

/* A new one cannot start: those of its generation go, the others stay. */
static void roll_back(struct ed_crew *crew, int64_t now)
{
    crew->rolling = false;
    ed_list_each_safe (node, &crew->members) {
        struct ed_member *m = ed_member_at(node);
        if (!is_working(m))
            continue;
        if (m->generation != crew->generation)
            m->leaving = m->tired;
        else if (!crew->chain || m->state == ED_MEMBER_STARTING)
            send_away(m, now);
    }
    crew->spawn_at = 0;
    crew->ops->rolled_out(crew, ED_ROLLOUT_FAILED);
}

/* ---- what is asked for ---- */

bool ed_crew_roll_out(struct ed_crew *crew, bool chain, int64_t now)
{
    if (crew->rolling || crew->mode == ED_CREW_END)
        return false;
    crew->generation++;
    crew->rolling = true;
    crew->chain = chain;
    crew->mode = ED_CREW_UP;
    crew->failures = 0;
    crew->spawn_at = 0;
    if (!chain) {
        ed_list_each (node, &crew->members)
            ed_member_at(node)->leaving = true;
    }
    tend(crew, now);
    return true;
}

void ed_crew_scale(struct ed_crew *crew, unsigned wanted, int64_t now)
{
    crew->wanted = wanted;
    tend(crew, now);
}

/* Nobody comes any more. */
static void come_down(struct ed_crew *crew, enum ed_crew_mode mode)
{
    bool cut = crew->rolling;

    crew->mode = mode;
    crew->rolling = false;
    if (cut)
        crew->ops->rolled_out(crew, ED_ROLLOUT_CUT);
}

void ed_crew_drain(struct ed_crew *crew, bool end, int64_t now)
{
    if (crew->mode == ED_CREW_END)
        return;
    come_down(crew, end ? ED_CREW_END : ED_CREW_DOWN);
    ed_list_each_safe (node, &crew->members) {
        struct ed_member *m = ed_member_at(node);
        if (is_working(m))
            send_away(m, now);
    }
}

void ed_crew_quit(struct ed_crew *crew, int64_t now)
{
    come_down(crew, ED_CREW_END);
    ed_list_each_safe (node, &crew->members) {
        struct ed_member *m = ed_member_at(node);
        if (m->state < ED_MEMBER_QUITTING)
            quit(m, now);
    }
}

void ed_crew_resume(struct ed_crew *crew, int64_t now)
{
    if (crew->mode != ED_CREW_DOWN)
        return;
    crew->mode = ED_CREW_UP;
    tend(crew, now);
}

/* ---- what happened ---- */

void ed_member_ready(struct ed_member *m, int64_t now)
{
    if (m->state != ED_MEMBER_STARTING)
        return;
    m->state = ED_MEMBER_READY;
    m->was_ready = true;
    m->deadline = INT64_MAX;
    tend(m->crew, now);
}

void ed_member_tired(struct ed_member *m, int64_t now)
{
    if (m->state != ED_MEMBER_READY || m->tired)
        return;
    m->tired = true;
    m->leaving = true;
    tend(m->crew, now);
}

void ed_member_hung(struct ed_member *m, int64_t now)
{
    if (m->state == ED_MEMBER_KILLED)
        return;
    kill_now(m);
    tend(m->crew, now);
}

void ed_member_gone(struct ed_member *m, enum ed_member_end how, int64_t now)
{
    struct ed_crew *crew = m->crew;
    bool unasked = is_working(m) || m->state == ED_MEMBER_KILLED;
    bool fails_roll_out = crew->rolling && unasked && !m->was_ready &&
                          m->generation == crew->generation;
    int64_t lived = now - m->started;

    ed_list_remove(&m->node);
    crew->ops->forget(m);
    free(m);
    if (fails_roll_out) {
        roll_back(crew, now);
        tend(crew, now);
        return;
    }
    if (unasked && how == ED_MEMBER_LEFT)
        crew->failures = 0;
    else if (unasked && lived < SHORT_LIFE)
        note_failure(crew, now);
    else if (unasked)
        crew->failures = 1;
    tend(crew, now);
}

/* ---- time ---- */

int64_t ed_crew_tick(struct ed_crew *crew, int64_t now)
{
    int64_t next = INT64_MAX;

    ed_list_each_safe (node, &crew->members) {
        struct ed_member *m = ed_member_at(node);
        if (m->deadline <= now)
            kill_now(m);
        if (m->deadline < next)
            next = m->deadline;
    }
    tend(crew, now);
    if (crew->mode == ED_CREW_UP && crew->spawn_at > now &&
        take_census(crew).staying < crew->wanted && crew->spawn_at < next)
        next = crew->spawn_at;
    return next;
}
