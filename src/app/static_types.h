/*
 * static_types.h - content types of files, by their names.
 */
#ifndef EDDY_APP_STATIC_TYPES_H
#define EDDY_APP_STATIC_TYPES_H

#include <eddy/static.h>

struct ed_type_of {
    const char *content_type;
    bool compressible; /* a compressed copy may lie beside it */
};

/* By the extension, in any case, in `own` (may be NULL), which lives on, or
 * else in the table. */
struct ed_type_of ed_type_of_name(const struct ed_file_type *own,
                                  struct ed_bytes name);

#endif
