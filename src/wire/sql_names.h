/*
 * sql_names.h - SQL with named parameters, as PostgreSQL wants it: numbered.
 *
 *     ... where city = :city and age > :age      what the program wrote
 *     ... where city = $1 and age > $2           what the server reads
 *
 * A name is [A-Za-z_][A-Za-z0-9_]*, at most ED_SQL_NAME_MAX bytes, directly
 * behind a colon. It gets the next number where it first stands, and the same
 * one wherever it stands again. Nothing is a name within strings of any kind,
 * quoted identifiers, comments and dollar quotes; `::` is a cast and `:=` an
 * argument's name. The text is read as PostgreSQL's own lexer does with
 * standard_conforming_strings on, in UTF-8 or another encoding whose bytes
 * below 0x80 are ASCII.
 *
 * In a slice the colon that parts the bounds must not touch what could be
 * taken for a name: a[1:2] and a[lo : hi] stay as they are, a[1 : :n] ends at
 * the parameter n, a[:n] is its element n, and a[1:n] is refused as unclear.
 *
 * Pure functions, any thread. A compiled statement is one allocation, does not
 * change, and may be shared.
 */
#ifndef EDDY_WIRE_SQL_NAMES_H
#define EDDY_WIRE_SQL_NAMES_H

#include <eddy/api.h>
#include <eddy/bytes.h>

#define ED_SQL_NAME_MAX  63         /* as the server's own identifiers */
#define ED_SQL_PARAM_MAX 65535      /* counted in 16 bits by the protocol */
#define ED_SQL_TEXT_MAX  0x3ffffffe /* the server's longest text, 1 GiB */

struct ed_sql {
    struct ed_bytes text; /* for the server; NUL-terminated */
    unsigned param_count; /* names, or the highest $n when there are none */
    unsigned name_count;  /* 0: the parameters are positional, or none */

    /* Perhaps more than one statement: something other than space and comments
     * stands on both sides of a ';'. Bodies of functions and rules that hold
     * one count as well, for only the server's grammar can tell. */
    bool several;

    /* The codec's own: numbers by the hash of their names. */
    uint16_t *slots;
    uint32_t slot_mask;

    struct ed_bytes names[]; /* of $1, $2, ...; live as long as this */
};

/* What is wrong with a text, and where: both count from 1, columns in
 * characters of UTF-8. */
struct ed_sql_error {
    const char *why; /* static; of ours, holds nothing of the text */
    size_t line;
    size_t column;
};

/*
 * Compiles `text`, which need not outlive the call, into *sql, to be freed
 * with ed_sql_free().
 *
 * Returns 0, or with *sql NULL
 *   ED_EUSAGE  *error tells what in the text is wrong: a quote or comment
 *              without an end, a malformed name, names beside $1, ...
 *   ED_ENOMEM  *error is not set
 */
ED_CHECK int ed_sql_compile(struct ed_sql **sql, struct ed_bytes text,
                            struct ed_sql_error *error);
void ed_sql_free(struct ed_sql *sql); /* NULL is fine */

/* Where the program wrote what stands at a place of the compiled text: both are
 * counted in characters from 1, as the server does in its errors. `source` is
 * the text `sql` was compiled from. It is read anew, so this is for errors. */
size_t ed_sql_position(const struct ed_sql *sql, struct ed_bytes source,
                       size_t position);

/* The number of a name, from 1, or 0: the statement has none such. */
unsigned ed_sql_find(const struct ed_sql *sql, struct ed_bytes name);

#endif
