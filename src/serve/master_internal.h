/*
 * master_internal.h - a master's inside, for the files that make it up.
 */
#ifndef EDDY_SERVE_MASTER_INTERNAL_H
#define EDDY_SERVE_MASTER_INTERNAL_H

#include <signal.h>
#include "serve/board.h"
#include "serve/crew.h"
#include "serve/develop.h"
#include "serve/master.h"
#include "serve/run_files.h"
#include "serve/sockets.h"

/* How long the admin process may take to end: more than it gives those who
 * are being answered. */
#define ED_ADMIN_END_TIME (5 * ED_S)

struct ed_master {
    const struct ed_master_options *options;
    struct ed_settings *settings; /* in force */
    struct ed_settings old;       /* until a roll-out has come out well */
    unsigned old_wanted;          /* workers, before it */
    int handed_settings;          /* memfd of those in force */
    int tickets;                  /* memfd of a secret */

    struct ed_board *board;
    int board_fd;
    struct ed_sockets listeners;
    struct ed_sockets admin; /* the ctl socket is not among them */
    struct ed_sockets ctl;
    /* By a reload or an upgrade, until it has come out well. */
    struct ed_sockets dropped, dropped_admin;
    struct ed_run_files files;

    struct ed_crew crew;
    struct ed_child admin_child;
    int64_t admin_at;     /* when it may be started again */
    int64_t admin_end;    /* when it is killed; 0: it was not told to end */
    bool admin_in_charge; /* this master was, when it was started */

    int signals;   /* signalfd */
    sigset_t mask; /* that children get */
    uint64_t reloads_begun;
    bool reloading;    /* the last of them is not over */
    bool reload_again; /* was asked for during a roll-out */
    bool chain_again;
    bool explain_again; /* there was something to explain during one */
    bool ever_ready;
    bool ending;
    int64_t drain_at; /* the last workers are told to drain then; 0: not */
    int status;       /* of the process */

    struct ed_develop *develop;       /* NULL: this is no development */
    const struct ed_explanation *why; /* workers only explain it; or NULL */

    pid_t heir; /* the master of an upgrade, until it has ended */
    bool handed_on;
    pid_t former; /* the master before, until its end is dealt with; 0: none */
};

/* ---- master_reload.c: new code and settings, and new masters ---- */

/* Begins one, or has one follow what is under way. Its number, by which the
 * board tells how it came out; 0: the server is stopping. */
uint64_t ed_master_reload(struct ed_master *m, bool chain);
void ed_master_rolled_out(struct ed_master *m, enum ed_rollout how);
/* Workers that explain why there is nothing to be served take the place of
 * those there are. */
void ed_master_explain(struct ed_master *m);
/* Starts a master that is to take over. NULL, or why there is none. */
const char *ed_master_upgrade(struct ed_master *m);
void ed_master_heir_gone(struct ed_master *m, int status);
/* To be called now and then: the master this one took over from may have
 * ended, which changes whose child this one is. */
void ed_master_follow_former(struct ed_master *m);

/* ---- master_workers.c: processes of the crew, and of the admin ---- */

extern const struct ed_crew_ops ed_master_crew_ops;

/* A worker's process. */
struct ed_worker_child {
    struct ed_child child;
    struct ed_slot *slot;
    struct ed_member *member;
};

/* Starts it if it is time, or kills it if it will not end. */
void ed_master_tend_admin(struct ed_master *m, int64_t now);
/* It changes its code and settings, too; what it listens on waits meanwhile. */
void ed_master_renew_admin(struct ed_master *m);

/* What a process has said. */
void ed_master_hear_worker(struct ed_master *m, struct ed_member *member);
void ed_master_hear_admin(struct ed_master *m);

/* A child has ended; nothing if it is none of ours. */
void ed_master_reaped(struct ed_master *m, pid_t pid, int status);

/* Looks for loops that stand still. */
void ed_master_look_for_hung(struct ed_master *m, int64_t now);

/* ---- master.c ---- */

void ed_master_reopen(struct ed_master *m);
void ed_master_stop(struct ed_master *m, bool at_once);
/* The number of workers that settings ask for, and the times they have. */
unsigned ed_master_workers(const struct ed_settings *s);
void ed_master_set_times(struct ed_master *m);

/* Whether the master this one takes over from is still there: its process id
 * may be another's by now, but only it can be our parent. */
bool ed_master_has_former(const struct ed_master *m);

#endif
