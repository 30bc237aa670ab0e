/*
 * prepared.h - the plans one connection has prepared, by when they were used.
 */
#ifndef EDDY_PG_PREPARED_H
#define EDDY_PG_PREPARED_H

#include "pg/statement.h"

struct pg_prepared {
    struct ed_list node;      /* the latest used first */
    struct pg_prepared *next; /* in the same slot */
    struct pg_plan *plan;     /* with a reference to its statement */
    int64_t at;               /* when */
    /* Its results' types, which the server keeps to, are known, and whether
     * they are better had in binary. */
    bool described, binary;
};

struct pg_prepared_set {
    struct ed_list recent;
    struct pg_prepared **slots; /* by the plan's address */
    size_t mask;
    unsigned count;
    /* Names that are to be closed on the server, PG_PLAN_NAME bytes each. */
    struct ed_buf closing;
};

ED_CHECK int pg_prepared_init(struct pg_prepared_set *set, int expected);
void pg_prepared_free(struct pg_prepared_set *set);

/* The entry of a plan, which counts as a use, or NULL. */
struct pg_prepared *pg_prepared_find(struct pg_prepared_set *set,
                                     const struct pg_plan *plan);

/* Adds an entry; when there are `most` already the least recently used is
 * closed for it. NULL: no memory. */
struct pg_prepared *pg_prepared_add(struct pg_prepared_set *set,
                                    struct pg_plan *plan, int64_t now,
                                    int most);

/* Forgets an entry, if there is one; with `close`, its name is noted as one to
 * be closed. */
void pg_prepared_drop(struct pg_prepared_set *set, const struct pg_plan *plan,
                      bool close);

/* Whether a plan's name is to be closed but is not yet; then it is let be. */
bool pg_prepared_reopen(struct pg_prepared_set *set,
                        const struct pg_plan *plan);

/* Forgets all, and what was to be closed. */
void pg_prepared_clear(struct pg_prepared_set *set);

#endif
