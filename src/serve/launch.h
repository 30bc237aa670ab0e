/*
 * launch.h - how a master tells a process it starts what that is to be.
 *
 * In one variable of the environment, EDDY_SERVE, which names the role and the
 * descriptors that come along. Whoever reads it takes it away, so that nothing
 * the process starts in its turn believes to be meant.
 */
#ifndef EDDY_SERVE_LAUNCH_H
#define EDDY_SERVE_LAUNCH_H

#include <eddy/api.h>

struct ed_explanation;

enum ed_role {
    ED_ROLE_MASTER, /* nobody said anything */
    ED_ROLE_WORKER,
    ED_ROLE_ADMIN,
};

/* As many listeners as there can be. */
#define ED_LAUNCH_LISTENERS 64

struct ed_launch {
    enum ed_role role;
    unsigned slot; /* on the board; a worker's */
    int board;     /* descriptors; -1: none */
    int settings;
    int control; /* to the master */
    int inspect; /* listens for who looks into a worker */
    int tickets; /* of what TLS tickets are sealed with */
    /* Of what workers listen on, as ed_sockets_hand() writes it; the admin
     * process's. */
    int addresses;
    int listeners[ED_LAUNCH_LISTENERS];
    size_t listener_count;
    /* How many of the listeners are the socket of eddy ctl: they come first.
     * The admin process's. */
    size_t ctl_count;
    char *directory; /* of the workers' inspect sockets; or NULL */

    /* Known to a fork alone, not handed on through exec(). */
    int errors; /* is to be its standard error; -1: as it is */
    const struct ed_explanation *why; /* the app is not run; or NULL */
};

/* All descriptors -1. */
void ed_launch_init(struct ed_launch *launch);

/* Reads the variable and takes it away. 0; ED_EPARSE: it says nothing that
 * makes sense. Either way to be freed with ed_launch_free(). */
ED_CHECK int ed_launch_take(struct ed_launch *launch);

void ed_launch_free(struct ed_launch *launch);

/* In a child, before exec(): sets the variable, and keeps the descriptors open
 * through it. 0 or -errno. */
ED_CHECK int ed_launch_give(const struct ed_launch *launch);

#endif
