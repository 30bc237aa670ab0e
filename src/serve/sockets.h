/*
 * sockets.h - the master's listening sockets, which outlive all else: workers,
 * reloads, and upgrades, which hand them on.
 */
#ifndef EDDY_SERVE_SOCKETS_H
#define EDDY_SERVE_SOCKETS_H

#include <eddy/addr.h>
#include "net/bind.h"
#include "serve/settings.h"

struct ed_sockets_entry {
    char *address;   /* as it was asked for */
    bool taken_over; /* from a set before */
    struct ed_bound bound;
};

struct ed_sockets {
    struct ed_sockets_entry *each;
    size_t count;
};

/*
 * Opens what is asked for. A socket of `old`, or one handed on, that was
 * opened for the same address is taken over: `old` keeps what is not asked for
 * any more. A systemd socket goes with an address of "systemd" or
 * "systemd:NAME".
 *
 * 0, or an error with the address in the log; `old` is then as it was, and
 * *sockets empty.
 */
ED_CHECK int ed_sockets_open(struct ed_sockets *sockets,
                             const struct ed_texts *addresses, unsigned backlog,
                             int unix_mode, struct ed_sockets *old);

/* Takes back what ed_sockets_open() did: `old` is as it was, but for the order,
 * and *sockets empty. */
void ed_sockets_undo(struct ed_sockets *sockets, struct ed_sockets *old);

/* Closes them; files of Unix sockets go unless `handed_on`. */
void ed_sockets_close(struct ed_sockets *sockets, bool handed_on);

/* Closes the descriptors alone: files of Unix sockets stay to be closed. */
void ed_sockets_shut(struct ed_sockets *sockets);

/* The address a socket has, as text. */
void ed_sockets_address(const struct ed_sockets_entry *entry,
                        char out[ED_ADDR_TEXT]);

/* Memory with those of all that are open, a line each (handed.h): a descriptor,
 * or an error. */
ED_CHECK int ed_sockets_hand(const struct ed_sockets *sockets);

/* In a child that becomes another master, before exec(): has it take them over
 * (EDDY_SOCKETS). 0 or -errno. */
ED_CHECK int ed_sockets_give(const struct ed_sockets *const *sets,
                             size_t count);

/* In that master: what was handed on, to be given as `old`. 0 or an error. */
ED_CHECK int ed_sockets_take(struct ed_sockets *handed);

#endif
