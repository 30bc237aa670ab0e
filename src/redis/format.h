/*
 * format.h - hiredis' format language, taken apart into pieces of arguments.
 *
 * Texts are not copied: a piece points into the format, or at what was given
 * for a %s or %b; only numbers are printed, into memory of the list.
 */
#ifndef EDDY_REDIS_FORMAT_H
#define EDDY_REDIS_FORMAT_H

#include <eddy/bytes.h>

/* A part of an argument. */
struct redis_piece {
    const char *ptr; /* NULL: at `offset` of the list's numbers */
    size_t offset;
    size_t len;
    bool first; /* of its argument */
};

#define REDIS_PIECES  24
#define REDIS_NUMBERS 128

struct redis_pieces {
    struct redis_piece *list;
    size_t count;
    size_t cap;
    size_t arguments;
    char *numbers;
    size_t numbers_len;
    size_t numbers_cap;
    struct redis_piece small[REDIS_PIECES];
    char small_numbers[REDIS_NUMBERS];
};

/* Takes a format apart. 0, ED_ENOMEM, or ED_EUSAGE with ed_error(). To be freed
 * in any case. */
ED_CHECK int redis_pieces_of(struct redis_pieces *pieces, const char *fmt,
                             va_list args);
void redis_pieces_free(struct redis_pieces *pieces);

static inline const char *redis_piece_ptr(const struct redis_pieces *pieces,
                                          const struct redis_piece *piece)
{
    return piece->ptr ? piece->ptr : pieces->numbers + piece->offset;
}

#endif
