/*
 * form.h - forms that a client sends.
 *
 *     ed_form *form = ed_form_new();
 *     ed_form_add(form, "title", "Report");
 *     ed_form_file(form, "scan", "/tmp/scan.pdf", .type = "application/pdf");
 *     err = ed_fetch(&res, url, .form = form);
 *
 * Without files it is sent as application/x-www-form-urlencoded, else as
 * multipart/form-data (RFC 7578). Files are read while they are sent, never
 * whole. A form can be sent again. It lies in the arena of the fiber that made
 * it and belongs to that fiber.
 */
#ifndef EDDY_FORM_H
#define EDDY_FORM_H

#include <eddy/api.h>
#include <eddy/bytes.h>

ED_BEGIN_DECLS

typedef struct ed_form ed_form;

/* NULL without memory, or outside of a fiber; the functions below then do
 * nothing and return ED_ENOMEM, which is to be looked at in that case: to a
 * fetch it is no form at all. */
ED_API ed_form *ed_form_new(void);

/* Adds a field; texts are copied. 0 or ED_ENOMEM; a failure is remembered and
 * fails the fetch, so it may be ignored here. Does not suspend. */
ED_API int ed_form_add(ed_form *form, const char *name, const char *value);

struct ed_form_part_options {
    size_t size;
    const char *type;     /* NULL: application/octet-stream */
    const char *filename; /* NULL: the last part of the path; of bytes: none */
};

/* Adds a file, opened when the form is sent: its failing to open, or its
 * growing or shrinking meanwhile, fails the fetch. */
#define ed_form_file(form, name, path, ...)   \
    ed_form_file_with((form), (name), (path), \
                      ED_OPTIONS(struct ed_form_part_options, __VA_ARGS__))
ED_API int ed_form_file_with(ed_form *form, const char *name, const char *path,
                             const struct ed_form_part_options *options);

/* Adds bytes as if they were a file; they are borrowed until it was sent. */
#define ed_form_bytes(form, name, bytes, ...)   \
    ed_form_bytes_with((form), (name), (bytes), \
                       ED_OPTIONS(struct ed_form_part_options, __VA_ARGS__))
ED_API int ed_form_bytes_with(ed_form *form, const char *name,
                              struct ed_bytes bytes,
                              const struct ed_form_part_options *options);

ED_END_DECLS
#endif
