/*
 * settings_give.c - settings on their way from one process to another.
 *
 * Names and values in turn, each ended by a NUL: a text that holds anything
 * else arrives as it is.
 */
#include "serve/settings_internal.h"

#include <eddy/error.h>
#include <string.h>
#include "serve/handed.h"

static int give_pair(struct ed_buf *out, const char *name,
                     const struct ed_buf *value)
{
    int err = ed_buf_add(out, name, strlen(name) + 1);

    /* Always a NUL behind it, even when nothing is in it. */
    return err ? err
               : ed_buf_add(out, value->ptr ? value->ptr : "", value->len + 1);
}

static int give_all(const struct ed_settings *s, struct ed_buf *out)
{
    struct ed_buf value = {0};
    int err = 0;

    for (size_t i = 0; i < ed_settings_count && !err; i++) {
        const struct ed_setting *setting = &ed_settings_table[i];
        if (setting->kind == ED_SETTING_SECTION)
            continue;
        ed_buf_drop(&value, value.len);
        err = ed_setting_write(setting, ed_settings_member(s, setting), &value);
        if (!err)
            err = give_pair(out, setting->name, &value);
    }
    ed_buf_free(&value);
    return err;
}

/* Those of the program's own that were said, with a mark in front: one may have
 * the name of a setting, and then stands for itself. */
static const char OWN_MARK = '+';

static int give_one_own(const struct ed_option *o, const char *said,
                        struct ed_buf *out)
{
    const struct ed_buf value = {(char *)(uintptr_t)said, strlen(said), 0};
    int err = ed_buf_add(out, &OWN_MARK, 1);

    return err ? err : give_pair(out, o->name, &value);
}

static int give_own(const struct ed_settings *s, struct ed_buf *out)
{
    const struct ed_option *o = s->inside->from->own;
    int err = 0;

    for (; o && !err; o = o->next) {
        const char *said = ed_settings_own_note(s->inside, o)->text;
        if (said)
            err = give_one_own(o, said, out);
    }
    return err;
}

/* By no name. */
static int give_arguments(const struct ed_settings_inside *in,
                          struct ed_buf *out)
{
    int err = 0;

    for (size_t i = 0; i < in->argument_count && !err; i++) {
        const char *text = in->arguments[i];
        const struct ed_buf value = {(char *)(uintptr_t)text, strlen(text), 0};
        err = give_pair(out, "", &value);
    }
    return err;
}

static void take_argument_again(struct ed_settings_inside *in,
                                struct ed_bytes text)
{
    if (in->argument_count < in->from->arguments)
        in->arguments[in->argument_count++] = ed_arena_copy(in->arena, text);
}

int ed_settings_give(const struct ed_settings *settings)
{
    struct ed_buf out = {0};
    int fd = -1;
    int err = give_all(settings, &out);

    if (!err)
        err = give_own(settings, &out);
    if (!err)
        err = give_arguments(settings->inside, &out);
    if (!err)
        fd = ed_handed_new("eddy-settings", ed_buf_bytes(&out));
    ed_buf_free(&out);
    return err ? err : fd;
}

/* Where all of it comes from now. */
static const char GIVER[] = "the master";

static void take_own_again(struct ed_settings *s, struct ed_bytes name,
                           struct ed_bytes value)
{
    const struct ed_option *own = ed_settings_own(s->inside->from, name);

    if (own)
        ed_settings_set_own(s->inside, own, ED_FROM_FLAG, GIVER, value);
}

static void take_pair(struct ed_settings *s, struct ed_bytes name,
                      struct ed_bytes value)
{
    const struct ed_setting *setting = ed_settings_find(name);

    if (!name.len)
        take_argument_again(s->inside, value);
    else if (name.ptr[0] == OWN_MARK)
        take_own_again(s, ed_bytes_of(name.ptr + 1, name.len - 1), value);
    else if (setting)
        ed_settings_set(s, setting, ED_FROM_FLAG, GIVER, value);
}

int ed_settings_take(struct ed_settings *settings,
                     const struct ed_settings_from *from, int fd)
{
    struct ed_buf said = {0};
    int err = ed_settings_begin(settings, from, 0, NULL);

    if (err)
        return err;
    settings->inside->to_log = true;
    err = ed_handed_read(fd, &said);
    ed_settings_default(settings);
    struct ed_bytes rest = ed_buf_bytes(&said);
    while (rest.ptr && rest.len && !err) {
        struct ed_bytes name = ed_bytes_cut(&rest, '\0');
        if (rest.ptr)
            take_pair(settings, name, ed_bytes_cut(&rest, '\0'));
    }
    ed_buf_free(&said);
    if (!err && settings->inside->errors)
        err = ED_EPARSE;
    if (err)
        ed_settings_free(settings);
    else
        ed_settings_publish(settings);
    return err;
}
