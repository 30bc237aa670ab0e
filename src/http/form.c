/*
 * form.c - forms as they are filled in: a list of parts, in an arena.
 */
#include "http/form.h"
#include "base/options.h"
#include "wire/http1.h"
#include <eddy/fiber.h>

ed_form *ed_form_new(void)
{
    ed_arena *arena = ed_fiber_arena();
    ed_form *form = arena ? ed_arena_zalloc(arena, sizeof(*form)) : NULL;

    if (!form)
        return NULL;
    form->arena = arena;
    form->end = &form->first;
    return form;
}

static int fail(ed_form *form, int err)
{
    if (!form->err)
        form->err = err;
    return err;
}

static bool copy(ed_arena *arena, struct ed_bytes *text)
{
    if (!text->ptr)
        return true;
    text->ptr = ed_arena_copy(arena, *text);
    return text->ptr != NULL;
}

/* Adds a part with copies of its texts; what its value and path point to is
 * taken as it is. */
static int add(ed_form *form, const struct ed_form_part *given)
{
    struct ed_form_part *part = ed_arena_alloc(form->arena, sizeof(*part));

    if (!part)
        return fail(form, ED_ENOMEM);
    *part = *given;
    if (!copy(form->arena, &part->name) ||
        !copy(form->arena, &part->filename) || !copy(form->arena, &part->type))
        return fail(form, ED_ENOMEM);
    *form->end = part;
    form->end = &part->next;
    form->count++;
    return 0;
}

int ed_form_add(ed_form *form, const char *name, const char *value)
{
    struct ed_form_part part = {.name = ed_bytes(name),
                                .value = ed_bytes(value)};

    if (!form || !copy(form->arena, &part.value))
        return form ? fail(form, ED_ENOMEM) : ED_ENOMEM;
    return add(form, &part);
}

/* Adds what is sent as a file. */
static int add_file(ed_form *form, struct ed_form_part *part,
                    const struct ed_form_part_options *o)
{
    part->type = ed_bytes(o->type ? o->type : "application/octet-stream");
    if (o->filename)
        part->filename = ed_bytes(o->filename);
    if (!part->type.len || !ed_http1_is_value(part->type))
        return fail(form, ed_fail(ED_EUSAGE, "'%.80s' cannot be a Content-Type",
                                  o->type));
    form->multipart = true;
    return add(form, part);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

int ed_form_file_with(ed_form *form, const char *name, const char *path,
                      const struct ed_form_part_options *given)
{
    ED_OPTIONS_TAKE(struct ed_form_part_options, o, given);
    struct ed_form_part part = {.name = ed_bytes(name),
                                .filename = ed_bytes(last_part(path))};

    if (!form)
        return ED_ENOMEM;
    part.path = ed_arena_copy(form->arena, ed_bytes(path));
    return part.path ? add_file(form, &part, &o) : fail(form, ED_ENOMEM);
}

int ed_form_bytes_with(ed_form *form, const char *name, struct ed_bytes bytes,
                       const struct ed_form_part_options *given)
{
    ED_OPTIONS_TAKE(struct ed_form_part_options, o, given);
    struct ed_form_part part = {.name = ed_bytes(name), .value = bytes};

    return form ? add_file(form, &part, &o) : ED_ENOMEM;
}
