/*
 * encode_value.h - a value of C as text that PostgreSQL reads.
 */
#ifndef EDDY_PG_ENCODE_VALUE_H
#define EDDY_PG_ENCODE_VALUE_H

#include <eddy/pg_value.h>

/*
 * Adds a value's text; a null's is empty. On failure `out` may have grown by a
 * part, and *why, unless it is a lack of memory, says what is wrong with the
 * value: ED_EVALUE, ED_EUSAGE, ED_ENOMEM.
 */
ED_CHECK int pg_value_text(struct ed_buf *out, const struct ed_pg_value *value,
                           const char **why);

/* A null, or what counts as one: bytes that are nowhere. */
bool pg_value_null(const struct ed_pg_value *value);

#endif
