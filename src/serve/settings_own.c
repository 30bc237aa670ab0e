/*
 * settings_own.c - options of the program's own, which ed_option() declared.
 *
 * What is said of them is noted with the settings, and reaches the program's
 * variables only when those are in force: a reload that fails changes nothing.
 */
#include "serve/settings_internal.h"

#include <eddy/error.h>
#include <stdlib.h>
#include <string.h>

/* Texts the program has been given. It may have kept one anywhere, so they stay
 * as long as the process; one a time is enough of those that are the same. */
struct kept {
    struct kept *next;
    char text[];
};

static struct kept *all_kept;

static const char *keep(const char *text)
{
    size_t size = strlen(text) + 1;
    struct kept *k = all_kept;

    while (k && strcmp(k->text, text) != 0)
        k = k->next;
    if (k)
        return k->text;
    k = malloc(sizeof *k + size);
    if (!k)
        return text; /* as good as it gets */
    memcpy(k->text, text, size);
    k->next = all_kept;
    all_kept = k;
    return k->text;
}

const struct ed_option *ed_settings_own(const struct ed_settings_from *from,
                                        struct ed_bytes name)
{
    const struct ed_option *o = from->own;

    while (o && !ed_bytes_equal(name, ed_bytes(o->name)))
        o = o->next;
    return o;
}

int ed_settings_begin_own(struct ed_settings_inside *in)
{
    size_t count = 0, i = 0;

    for (const struct ed_option *o = in->from->own; o; o = o->next)
        count++;
    in->own = ed_arena_zalloc(in->arena, (count + 1) * sizeof *in->own);
    if (!in->own)
        return ED_ENOMEM;
    for (const struct ed_option *o = in->from->own; o; o = o->next)
        in->own[i++].initial = *o->value;
    return 0;
}

struct ed_own_note *ed_settings_own_note(const struct ed_settings_inside *in,
                                         const struct ed_option *own)
{
    struct ed_own_note *note = in->own;

    for (const struct ed_option *o = in->from->own; o != own; o = o->next)
        note++;
    return note;
}

void ed_settings_set_own(struct ed_settings_inside *in,
                         const struct ed_option *own,
                         enum ed_setting_source source, const char *place,
                         struct ed_bytes text)
{
    struct ed_own_note *note = ed_settings_own_note(in, own);
    bool yes;

    if (!own->placeholder && !ed_setting_is_yes(text, &yes)) {
        ed_settings_error(in, place, "%s '%.*s' is not yes or no", own->name,
                          ED_SETTINGS_SHOWN(text));
        return;
    }
    const char *copy = ed_arena_copy(in->arena, text);
    if (!copy) {
        ed_settings_error(in, place, "%s: no memory for it", own->name);
        return;
    }
    note->source = source;
    note->place = place;
    note->text = copy;
}

/* A flag that is off is NULL. */
static const char *value_of(const struct ed_option *own,
                            const struct ed_own_note *note)
{
    bool yes = true;

    if (!note->text)
        return note->initial;
    if (!own->placeholder)
        (void)ed_setting_is_yes(ed_bytes(note->text),
                                &yes); /* it was checked */
    return yes ? keep(note->text) : NULL;
}

void ed_settings_publish(const struct ed_settings *settings)
{
    const struct ed_settings_inside *in = settings->inside;

    for (const struct ed_option *o = in->from->own; o; o = o->next)
        *o->value = value_of(o, ed_settings_own_note(in, o));
}
