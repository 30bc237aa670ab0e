/*
 * command.h - what is to be known of commands by their names.
 */
#ifndef EDDY_REDIS_COMMAND_H
#define EDDY_REDIS_COMMAND_H

#include <eddy/bytes.h>

enum {
    REDIS_READS = 1,    /* changes nothing: may be sent again */
    REDIS_BLOCKS = 2,   /* may make the server wait, always or with BLOCK */
    REDIS_CHANGES = 4,  /* the connection: only in a session */
    REDIS_WATCHES = 8,  /* likewise, and undone by UNWATCH */
    REDIS_REFUSED = 16, /* never: replies would not match commands any more */
};

/* No name of a command is longer. */
#define REDIS_NAME 31

struct redis_command {
    char name[REDIS_NAME + 1]; /* as it was written, cut; for texts */
    unsigned flags;
    /* Where the first key stands among the arguments, the name being the 0th;
     * 0: there is none. -1: it depends on the others. */
    int first_key;
};

/* Looks a command up by its name and its first argument (of CLIENT the
 * sub-command counts, too). One that is not known has no flags, and its first
 * argument is a key. */
void redis_command_of(struct redis_command *out, struct ed_bytes name,
                      struct ed_bytes argument);

#endif
