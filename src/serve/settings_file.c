/*
 * settings_file.c - the file of settings.
 *
 *     # a comment has a line of its own
 *     [serve]
 *     listen = [::]:80 unix:/run/x.sock
 *
 * The form of ini files, read line by line here: every error has to tell its
 * line, values may be long, and may hold any character that others take for the
 * beginning of a comment. A value in quotation marks keeps its spaces.
 */
#include "serve/settings_internal.h"

#include <eddy/error.h>
#include <errno.h>
#include <string.h>
#include "app/app_internal.h"

enum {
    /* Far more than all settings with their comments: what is larger is another
     * file. */
    FILE_MAX = 256 << 10,
    LONGEST_LINE = 8192,
    /* Of a file that is something else nobody wants to read them all. */
    ERRORS_MAX = 50,
};

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

static void no_section(struct reader *r, struct ed_bytes name)
{
    struct ed_settings_inside *in = r->s->inside;
    struct ed_suggestion best = {0};
    const char *text = ed_arena_copy(in->arena, name);

    if (text) {
        ed_suggest(&best, text, in->from->section);
        ed_suggest(&best, text, OWN);
    }
    if (best.word)
        ed_settings_error(in, place_of(r),
                          "there is no section [%.*s] (did you mean [%s]?)",
                          ED_SETTINGS_SHOWN(name), best.word);
    else
        ed_settings_error(in, place_of(r), "there is no section [%.*s]",
                          ED_SETTINGS_SHOWN(name));
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
    no_section(r, name);
}

static void unknown(struct reader *r, struct ed_bytes name)
{
    const char *text = ed_arena_copy(r->s->inside->arena, name);

    ed_settings_unknown(r->s->inside, place_of(r), text ? text : "?");
}

static void set_own(struct reader *r, struct ed_bytes name,
                    struct ed_bytes value)
{
    struct ed_settings_inside *in = r->s->inside;
    const struct ed_option *own = ed_settings_own(in->from, name);

    if (own)
        ed_settings_set_own(in, own, ED_FROM_FILE, place_of(r), value);
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

static bool is_list(const struct reader *r, struct ed_bytes name)
{
    const struct ed_setting *setting =
        r->where == HERE ? ed_settings_find(name) : NULL;

    return setting && setting->kind == ED_SETTING_LIST;
}

/* A value that begins with a quotation mark ends with one, too: else nobody
 * could say whether those belong to it. False: it does not, which is told. */
static bool unquote(struct reader *r, struct ed_bytes name,
                    struct ed_bytes *value)
{
    struct ed_settings_inside *in = r->s->inside;

    if (!value->len || value->ptr[0] != '"')
        return true;
    const char *text = ed_setting_unquote(value, in->arena);
    if (text && !value->len) {
        *value = ed_bytes(text);
        return true;
    }
    ed_settings_error(in, place_of(r),
                      "%.*s: a value that begins with a quotation mark ends "
                      "with one; those within stand behind a backslash",
                      ED_SETTINGS_SHOWN(name));
    return false;
}

static void take_pair(struct reader *r, struct ed_bytes line)
{
    struct ed_bytes value = line;
    struct ed_bytes name = ed_bytes_trim(ed_bytes_cut(&value, '='));

    if (!value.ptr) {
        ed_settings_error(r->s->inside, place_of(r),
                          "'%.*s' is no 'name = value'",
                          ED_SETTINGS_SHOWN(line));
        return;
    }
    value = ed_bytes_trim(value);
    if (r->where == NOWHERE)
        ed_settings_error(r->s->inside, place_of(r),
                          "'%.*s' stands before any section such as [%s]",
                          ED_SETTINGS_SHOWN(name), r->s->inside->from->section);
    else if (r->where == ELSEWHERE)
        return;
    else if (!is_list(r, name) && !unquote(r, name, &value))
        return;
    else if (r->where == HERE)
        set_here(r, name, value);
    else
        set_own(r, name, value);
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
    if (line.len > LONGEST_LINE) {
        ed_settings_error(r->s->inside, place_of(r),
                          "a line of %zu characters is too long (%d)", line.len,
                          LONGEST_LINE);
        return;
    }
    if (line.ptr[0] == '[' && line.ptr[line.len - 1] == ']')
        enter(r, ed_bytes_of(line.ptr + 1, line.len - 2));
    else
        take_pair(r, line);
}

void ed_settings_read_lines(struct ed_settings *s, const char *name,
                            struct ed_bytes lines)
{
    static const struct ed_bytes mark = ED_BYTES("\xef\xbb\xbf"); /* of UTF-8 */
    struct reader r = {.s = s, .path = name};
    unsigned before = s->inside->errors;

    if (ed_bytes_starts(lines, mark))
        lines = ed_bytes_of(lines.ptr + mark.len, lines.len - mark.len);
    while (lines.ptr) {
        struct ed_bytes line = ed_bytes_cut(&lines, '\n');
        r.line++;
        take_line(&r, line);
        if (s->inside->errors - before >= ERRORS_MAX) {
            ed_settings_error(s->inside, name, "too many errors to tell all");
            return;
        }
    }
}

static int read_whole(const char *path, struct ed_buf *out)
{
    FILE *in = fopen(path, "re");
    int err = 0;

    if (!in)
        return -errno;
    while (!err && !feof(in) && out->len <= FILE_MAX) {
        err = ed_buf_reserve(out, LONGEST_LINE);
        if (err)
            break;
        errno = 0;
        out->len += fread(out->ptr + out->len, 1, LONGEST_LINE, in);
        if (ferror(in))
            err = errno ? -errno : -EIO;
    }
    fclose(in);
    return err;
}

int ed_settings_read_file(struct ed_settings *s)
{
    struct ed_settings_inside *in = s->inside;
    struct ed_buf all = {0};
    int err = in->path ? read_whole(in->path, &all) : ED_ENOMEM;

    if (!err && all.len > FILE_MAX)
        err = -EFBIG;
    if (err)
        ed_settings_error(in, in->file, "%s", ed_err_text(err));
    else
        ed_settings_read_lines(s, in->file, ed_buf_bytes(&all));
    ed_buf_free(&all);
    return err;
}
