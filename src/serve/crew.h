/*
 * crew.h - the workers of a master: who there is, who takes whose place, and
 * when.
 *
 * Knows nothing of processes: it is told what happened and says, by its
 * operations, what is to be done. So there is one rule for reloading,
 * recycling, scaling and respawning: workers that shall go are `leaving`, the
 * others are brought to the number that is wanted, and those who leave are told
 * to only when enough of the others are ready.
 */
#ifndef EDDY_SERVE_CREW_H
#define EDDY_SERVE_CREW_H

#include <eddy/api.h>
#include "base/list.h"

enum ed_member_state {
    ED_MEMBER_STARTING,
    ED_MEMBER_READY,
    ED_MEMBER_DRAINING, /* was told to answer what it has, and end */
    ED_MEMBER_QUITTING, /* was told to end at once */
    ED_MEMBER_KILLED,   /* was sent SIGKILL */
};

struct ed_crew;

struct ed_crew_times {
    int64_t start; /* until ready */
    int64_t drain; /* until gone, after being told */
    int64_t quit;
};

struct ed_member {
    struct ed_list node;
    struct ed_crew *crew;
    enum ed_member_state state;
    bool leaving;   /* another one shall take its place */
    bool tired;     /* has asked for that */
    bool was_ready; /* has ever been */
    uint64_t generation;
    struct ed_crew_times times; /* the crew's when it started */
    int64_t started;
    int64_t deadline; /* for what its state is about; INT64_MAX: none */
    pid_t pid;
    void *process; /* whatever the operations make of it */
};

/* What the crew is there for. */
enum ed_crew_mode {
    ED_CREW_UP,   /* as many workers as are wanted */
    ED_CREW_DOWN, /* none, for now */
    ED_CREW_END,  /* none, for good */
};

/* How a roll-out, the start included, came out. */
enum ed_rollout {
    ED_ROLLOUT_DONE,
    ED_ROLLOUT_FAILED,
    ED_ROLLOUT_CUT, /* all shall go, before it came to an end */
};

struct ed_crew_ops {
    /* Starts its process. 0 or an error, which counts as its end. */
    int (*spawn)(struct ed_member *member);
    void (*drain)(struct ed_member *member);
    void (*quit)(struct ed_member *member);
    void (*kill)(struct ed_member *member);
    /* It is to be forgotten. */
    void (*forget)(struct ed_member *member);
    void (*rolled_out)(struct ed_crew *crew, enum ed_rollout how);
};

struct ed_crew {
    const struct ed_crew_ops *ops;
    void *user;
    struct ed_crew_times times;
    enum ed_crew_mode mode;
    unsigned wanted;
    uint64_t generation;
    bool rolling; /* a new generation is on its way */
    bool chain;   /* one worker after the other */
    struct ed_list members;

    unsigned failures; /* of workers in a row that soon ended by themselves */
    int64_t spawn_at;  /* not before */
    uint32_t random;
};

void ed_crew_init(struct ed_crew *crew, const struct ed_crew_ops *ops,
                  void *user);

/* A new generation takes the place of those there are, all at once or, with
 * `chain`, one after the other. If one of it cannot start, the new ones go and
 * the old ones stay. False: another is under way. */
bool ed_crew_roll_out(struct ed_crew *crew, bool chain, int64_t now);

void ed_crew_scale(struct ed_crew *crew, unsigned wanted, int64_t now);

/* Drains all of them. With `end` none comes after. */
void ed_crew_drain(struct ed_crew *crew, bool end, int64_t now);

/* Ends all of them at once, for good. */
void ed_crew_quit(struct ed_crew *crew, int64_t now);

/* Workers again, after ed_crew_drain(). */
void ed_crew_resume(struct ed_crew *crew, int64_t now);

/* ---- what happened ---- */

void ed_member_ready(struct ed_member *member, int64_t now);

/* It wants another to take its place: it has served enough. */
void ed_member_tired(struct ed_member *member, int64_t now);

/* It was found to stand still. */
void ed_member_hung(struct ed_member *member, int64_t now);

/* How a process ended. */
enum ed_member_end {
    ED_MEMBER_LEFT,   /* by itself, without a failure */
    ED_MEMBER_FAILED, /* it says that it cannot work */
    ED_MEMBER_CRASHED,
};

/* Its process has ended: it is forgotten. */
void ed_member_gone(struct ed_member *member, enum ed_member_end how,
                    int64_t now);

/* Does what is due, and returns when to be called next; INT64_MAX: when
 * something happens. */
int64_t ed_crew_tick(struct ed_crew *crew, int64_t now);

/* ---- looking ---- */

bool ed_crew_empty(const struct ed_crew *crew);

static inline struct ed_member *ed_member_at(struct ed_list *node)
{
    return ED_CONTAINER(node, struct ed_member, node);
}

#endif
