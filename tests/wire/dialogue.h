/*
 * dialogue.h - scripts of who says what to an HTTP server, and what must come
 * back. The language is described in README.md beside this file.
 */
#ifndef EDDY_TESTS_DIALOGUE_H
#define EDDY_TESTS_DIALOGUE_H

#include <eddy/bytes.h>
#include <eddy/server.h>

enum step_kind {
    CLIENT_SENDS,
    CLIENT_WAITS,
    CLIENT_HALF_CLOSES,
    CLIENT_CLOSES,
    SERVER_SENDS,
    SERVER_SENDS_NOTHING,
    SERVER_ANSWERS,
    SERVER_CLOSES,
    SERVER_CLOSES_AFTER,
};

struct clause {
    struct clause *next;
    enum { WITH_FIELD, WITHOUT_FIELD, WITH_TRAILER } kind;
    struct ed_buf text; /* "Name: value", or a name */
};

struct step {
    struct step *next;
    enum step_kind kind;
    int line;
    struct ed_buf text; /* what is sent, or a body */
    int64_t duration;
    int status;
    bool has_body;
    bool to_head;
    bool cut; /* the body does not come whole */
    struct clause *clauses;
};

struct dialogue {
    struct dialogue *next;
    char *name;
    const char *file;
    struct ed_server_options options;
    struct step *steps;
};

/* Reads a file of dialogues behind *end and returns where the next ones go.
 * Complains on stderr and returns NULL when it cannot. `file` must stay. */
struct dialogue **dialogue_read(const char *file, struct dialogue **end);
void dialogue_free(struct dialogue *all);

/*
 * How what the client sends is cut: whole, into single bytes, or at random
 * places that depend on the seed alone.
 */
enum { CUT_NOT = -1, CUT_BYTES = 0 /* above: a seed */ };

/* Holds a dialogue, in a fiber of a loop with a virtual clock. *heard gets all
 * the server sent, dates made equal. False, with a complaint on stderr, when
 * the server did not keep to the script. */
bool dialogue_hold(const struct dialogue *d, int cut, struct ed_buf *heard);

#endif
