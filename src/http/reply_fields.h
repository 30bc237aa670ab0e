/*
 * reply_fields.h - the fields of a reply whose head is not out yet, for what
 * looks at them again before it goes.
 */
#ifndef EDDY_HTTP_REPLY_FIELDS_H
#define EDDY_HTTP_REPLY_FIELDS_H

#include "http/message.h"

/* The first of that name in any case, or NULL. Not the Content-Type, which is
 * req->reply.content_type. */
struct ed_reply_field *ed_reply_field_find(const ed_req *req, const char *name);

/* Takes all of that name out. */
void ed_reply_field_drop(ed_req *req, const char *name);

/* Sets one unless it is there. 0, or an error of ed_reply_header(). */
ED_CHECK int ed_reply_field_default(ed_req *req, const char *name,
                                    const char *value);

/* Adds a name to Vary, unless that has it. 0 or ED_ENOMEM. */
ED_CHECK int ed_reply_vary(ed_req *req, const char *name);

#endif
