/*
 * form.h - the parts of a form, for the side that sends it.
 */
#ifndef EDDY_HTTP_FORM_H
#define EDDY_HTTP_FORM_H

#include <eddy/arena.h>
#include <eddy/form.h>

struct ed_form_part {
    struct ed_form_part *next;
    struct ed_bytes name;
    struct ed_bytes value;    /* unless it is a file */
    const char *path;         /* of a file; or NULL */
    struct ed_bytes filename; /* ptr NULL: none */
    struct ed_bytes type;     /* empty: none */
};

struct ed_form {
    ed_arena *arena;
    struct ed_form_part *first;
    struct ed_form_part **end;
    size_t count;
    bool multipart; /* has a file, or bytes that are sent as one */
    int err;        /* of adding a part */
};

#endif
