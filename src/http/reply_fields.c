/*
 * reply_fields.c - the fields of a reply whose head is not out yet.
 */
#include "http/reply_fields.h"

struct ed_reply_field *ed_reply_field_find(const ed_req *req, const char *name)
{
    struct ed_reply_field *f = req->reply.fields;

    while (f && !ed_bytes_equal_nocase(f->name, ed_bytes(name)))
        f = f->next;
    return f;
}

void ed_reply_field_drop(ed_req *req, const char *name)
{
    struct ed_reply_field **at = &req->reply.fields;

    while (*at) {
        if (ed_bytes_equal_nocase((*at)->name, ed_bytes(name)))
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
    req->reply.fields_end = at;
}

int ed_reply_field_default(ed_req *req, const char *name, const char *value)
{
    if (ed_reply_field_find(req, name))
        return 0;
    return ed_reply_header(req, name, value);
}

/* There may be several. */
static bool varies(const ed_req *req, struct ed_bytes name)
{
    for (const struct ed_reply_field *f = req->reply.fields; f; f = f->next) {
        if (ed_bytes_equal_nocase(f->name, ED_BYTES("Vary")) &&
            (ed_http1_lists(f->value, name) ||
             ed_http1_lists(f->value, ED_BYTES("*"))))
            return true;
    }
    return false;
}

int ed_reply_vary(ed_req *req, const char *name)
{
    struct ed_reply_field *f = ed_reply_field_find(req, "Vary");

    if (varies(req, ed_bytes(name)))
        return 0;
    if (!f)
        return ed_reply_header(req, "Vary", name);
    const char *both = ed_arena_printf(req->arena, "%.*s, %s",
                                       (int)f->value.len, f->value.ptr, name);
    if (!both)
        return ED_ENOMEM;
    f->value = ed_bytes(both);
    return 0;
}
