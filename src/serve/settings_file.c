/*
 * settings_file.c - the file of settings.
 *
 *     # a comment has a line of its own
 *     [serve]
 *     listen = [::]:80 unix:/run/x.sock
 *
 * The form of ini files, read line by line here: every error has to tell its
 * line, values may be long, and may hold any character that others take for the
 * beginning of a comment. A value in double quotes keeps its spaces.
 */
#include "serve/settings_internal.h"

#include <eddy/error.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Sections that belong to other commands: they are read by those. */
static const char *const others[] = {"serve", "gateway", "console",
                                     "supervise"};

/* The program's own options. */
static const char OWN[] = "app";

enum where { NOWHERE, HERE, IN_OWN, ELSEWHERE };

struct reader {
    struct ed_settings *s;
    const char *path;
    unsigned line;
    enum where where;
};

static const char *place_of(const struct reader *r)
{
    const char *place =
        ed_arena_printf(r->s->inside->arena, "%s:%u", r->path, r->line);

    return place ? place : r->path;
}

static void enter(struct reader *r, struct ed_bytes name)
{
    name = ed_bytes_trim(name);
    r->where = ELSEWHERE;
    if (ed_bytes_equal(name, ed_bytes(r->s->inside->from->section))) {
        r->where = HERE;
        return;
    }
    if (ed_bytes_equal(name, ed_bytes(OWN))) {
        r->where = IN_OWN;
        return;
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (ed_bytes_equal(name, ed_bytes(others[i])))
            return;
    }
    ed_settings_error(r->s->inside, place_of(r), "there is no section [%.*s]",
                      (int)name.len, name.ptr);
}

static void unknown(struct reader *r, struct ed_bytes name)
{
    struct ed_settings_inside *in = r->s->inside;
    const char *text = ed_arena_copy(in->arena, name);
    const char *meant = text ? ed_settings_suggest(in->from, text) : NULL;

    if (meant)
        ed_settings_error(in, place_of(r),
                          "there is no setting '%s' (did you mean '%s'?)", text,
                          meant);
    else
        ed_settings_error(in, place_of(r), "there is no setting '%s'",
                          text ? text : "?");
}

/* Values of the program's own options, which it may look at for as long as it
 * runs, whatever becomes of the settings. */
struct kept {
    struct kept *next;
    char text[];
};

static struct kept *kept;

static const char *keep(struct ed_bytes value)
{
    struct kept *k = malloc(sizeof *k + value.len + 1);

    if (!k)
        return NULL;
    memcpy(k->text, value.ptr, value.len);
    k->text[value.len] = '\0';
    k->next = kept;
    kept = k;
    return k->text;
}

static void set_own(struct reader *r, struct ed_bytes name,
                    struct ed_bytes value)
{
    const struct ed_option *own = ed_settings_own(r->s->inside->from, name);

    if (own)
        *own->value = keep(value);
    else
        unknown(r, name);
}

static void set_here(struct reader *r, struct ed_bytes name,
                     struct ed_bytes value)
{
    const struct ed_setting *setting = ed_settings_find(name);

    if (setting)
        ed_settings_set(r->s, setting, ED_FROM_FILE, place_of(r), value);
    else
        unknown(r, name);
}

static struct ed_bytes unquoted(struct ed_bytes value)
{
    if (value.len < 2 || value.ptr[0] != '"' ||
        memchr(value.ptr + 1, '"', value.len - 1) != value.ptr + value.len - 1)
        return value;
    return ed_bytes_of(value.ptr + 1, value.len - 2);
}

static void take_pair(struct reader *r, struct ed_bytes line)
{
    struct ed_bytes value = line;
    struct ed_bytes name = ed_bytes_trim(ed_bytes_cut(&value, '='));

    if (!value.ptr) {
        ed_settings_error(r->s->inside, place_of(r),
                          "'%.*s' is no 'name = value'",
                          (int)(line.len < 60 ? line.len : 60), line.ptr);
        return;
    }
    value = ed_bytes_trim(value);
    if (r->where == HERE) {
        const struct ed_setting *setting = ed_settings_find(name);
        bool list = setting && setting->kind == ED_SETTING_LIST;
        set_here(r, name, list ? value : unquoted(value));
    } else if (r->where == IN_OWN) {
        set_own(r, name, unquoted(value));
    } else if (r->where == NOWHERE) {
        ed_settings_error(r->s->inside, place_of(r),
                          "'%.*s' stands before any section such as [%s]",
                          (int)name.len, name.ptr, r->s->inside->from->section);
    }
}

static void take_line(struct reader *r, struct ed_bytes line)
{
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    line = ed_bytes_trim(line);
    if (!line.len || line.ptr[0] == '#' || line.ptr[0] == ';')
        return;
    if (memchr(line.ptr, '\0', line.len)) {
        ed_settings_error(r->s->inside, place_of(r), "a NUL is no text");
        return;
    }
    if (line.ptr[0] == '[' && line.ptr[line.len - 1] == ']')
        enter(r, ed_bytes_of(line.ptr + 1, line.len - 2));
    else
        take_pair(r, line);
}

int ed_settings_read_file(struct ed_settings *s, const char *path)
{
    struct reader r = {.s = s, .path = path};
    FILE *in = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t len;

    if (!in) {
        int err = -errno;
        ed_settings_error(s->inside, path, "%s", ed_err_text(err));
        return err;
    }
    while ((len = getline(&line, &room, in)) >= 0) {
        r.line++;
        if (len && line[len - 1] == '\n')
            len--;
        take_line(&r, ed_bytes_of(line, (size_t)len));
    }
    int err = ferror(in) ? -EIO : 0;
    if (err)
        ed_settings_error(s->inside, path, "cannot be read: %s",
                          ed_err_text(-errno));
    free(line);
    fclose(in);
    return err;
}
