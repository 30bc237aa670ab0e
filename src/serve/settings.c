/*
 * settings.c - the sources of settings, and which of them wins.
 *
 * Owns the table. Values are set from the weakest source to the strongest, each
 * from a text with the place where that stands, so an error always knows where
 * it was made.
 */
#include "serve/settings_internal.h"

#include <eddy/error.h>
#include <eddy/log.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "app/app_internal.h"

#define SECTION(title) {ED_SETTING_SECTION, 0, title, NULL, NULL, NULL},
#define SETTING(kind, member, name, placeholder, value, help) \
    {ED_SETTING_##kind,                                       \
     offsetof(struct ed_settings, member),                    \
     name,                                                    \
     placeholder,                                             \
     value,                                                   \
     help},
const struct ed_setting ed_settings_table[] = {
#include "serve/settings.def"
};
#undef SETTING
#undef SECTION

const size_t ed_settings_count =
    sizeof ed_settings_table / sizeof *ed_settings_table;

/* Texts of settings take no more than a mistake would. */
static const size_t MOST_MEMORY = 1 << 20;

/* ---- errors ---- */

void ed_settings_error(struct ed_settings_inside *in, const char *place,
                       const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    in->errors++;
    if (in->to_log)
        ed_log_error("%s%s%s", place, *place ? ": " : "", text);
    else
        fprintf(stderr, "%s: %s%s%s\n", in->from->program, place,
                *place ? ": " : "", text);
}

const char *ed_settings_suggest(const struct ed_settings_from *from,
                                const char *name)
{
    struct ed_suggestion best = {0};

    for (size_t i = 0; i < ed_settings_count; i++) {
        if (ed_settings_table[i].kind != ED_SETTING_SECTION)
            ed_suggest(&best, name, ed_settings_table[i].name);
    }
    for (const struct ed_option *o = from->own; o; o = o->next)
        ed_suggest(&best, name, o->name);
    return best.word;
}

/* ---- the table ---- */

const struct ed_setting *ed_settings_find(struct ed_bytes name)
{
    for (size_t i = 0; i < ed_settings_count; i++) {
        const struct ed_setting *s = &ed_settings_table[i];
        if (s->kind != ED_SETTING_SECTION &&
            ed_bytes_equal(name, ed_bytes(s->name)))
            return s;
    }
    return NULL;
}

const struct ed_option *ed_settings_own(const struct ed_settings_from *from,
                                        struct ed_bytes name)
{
    const struct ed_option *o = from->own;

    while (o && !ed_bytes_equal(name, ed_bytes(o->name)))
        o = o->next;
    return o;
}

void ed_settings_set(struct ed_settings *s, const struct ed_setting *setting,
                     enum ed_setting_source source, const char *place,
                     struct ed_bytes text)
{
    struct ed_setting_note *note = ed_settings_note(s, setting);
    bool add = note->source == source; /* a stronger one begins anew */
    const char *wanted = ed_setting_parse(setting, text, s->inside->arena,
                                          ed_settings_member(s, setting), add);

    if (wanted && source >= ED_FROM_ENV)
        ed_settings_error(s->inside, "", "%s '%.*s' is not %s", place,
                          (int)text.len, text.ptr, wanted);
    else if (wanted)
        ed_settings_error(s->inside, place, "%s '%.*s' is not %s",
                          setting->name, (int)text.len, text.ptr, wanted);
    if (wanted)
        return;
    note->source = source;
    note->place = place;
}

/* ---- variables ---- */

const char *ed_settings_variable(struct ed_settings_inside *in,
                                 const char *name)
{
    size_t size = strlen("EDDY_") + strlen(name) + 1;
    char *out = ed_arena_alloc(in->arena, size);

    if (!out)
        return NULL;
    snprintf(out, size, "EDDY_%s", name);
    for (char *c = out; *c; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    return out;
}

static void read_variables(struct ed_settings *s)
{
    struct ed_settings_inside *in = s->inside;
    struct ed_buf place = {0};

    for (size_t i = 0; i < ed_settings_count; i++) {
        const struct ed_setting *setting = &ed_settings_table[i];
        if (setting->kind == ED_SETTING_SECTION)
            continue;
        const char *name = ed_settings_variable(in, setting->name);
        const char *value = name ? getenv(name) : NULL;
        if (!value || ed_buf_addf(&place, "$%s", name))
            continue;
        ed_settings_set(s, setting, ED_FROM_ENV,
                        ed_arena_copy(in->arena, ed_buf_bytes(&place)),
                        ed_bytes(value));
        ed_buf_drop(&place, place.len);
    }
    ed_buf_free(&place);
}

/* ---- flags ---- */

enum { GO_ON = ED_SETTINGS_GO_ON, DONE = 0, FAILED = 1, USAGE = 2 };

/* What is told and ends it. */
enum question { NOTHING, HELP, VERSION, CHECK, PRINT };

static const struct {
    const char *name;
    enum question question;
} questions[] = {
    {"help", HELP},
    {"version", VERSION},
    {"check", CHECK},
    {"print-config", PRINT},
};

/* The command line is gone through twice: for what comes before all else, and
 * for values. */
struct reading {
    struct ed_settings *s;
    enum question question;
    bool values; /* the second time */
};

/* What a flag says, split. */
struct flag {
    struct ed_bytes name;
    const char *value; /* behind '='; or NULL */
};

static bool is_question(struct reading *r, struct flag flag)
{
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        if (!ed_bytes_equal(flag.name, ed_bytes(questions[i].name)))
            continue;
        if (flag.value && !r->values)
            ed_settings_error(r->s->inside, "", "--%s takes no value",
                              questions[i].name);
        if (!r->question)
            r->question = questions[i].question;
        return true;
    }
    return false;
}

static void unknown(struct reading *r, struct ed_bytes name)
{
    struct ed_settings_inside *in = r->s->inside;
    const char *text = ed_arena_copy(in->arena, name);
    const char *meant = text ? ed_settings_suggest(in->from, text) : NULL;

    if (meant)
        ed_settings_error(in, "",
                          "unknown option '--%s' (did you mean '--%s'?)", text,
                          meant);
    else
        ed_settings_error(in, "", "unknown option '--%s' (--help lists them)",
                          text ? text : "?");
}

static const char *flag_place(struct ed_settings_inside *in, const char *name)
{
    struct ed_buf place = {0};
    const char *text = ed_buf_addf(&place, "--%s", name)
                           ? "--"
                           : ed_arena_copy(in->arena, ed_buf_bytes(&place));

    ed_buf_free(&place);
    return text;
}

/* The value of a flag that needs one: behind '=', or the next argument, which
 * is then used up. */
static const char *value_of(struct reading *r, struct flag flag,
                            const char *placeholder, const char **next)
{
    const char *value = flag.value ? flag.value : *next;

    if (!flag.value)
        *next = NULL;
    if (!value && !r->values)
        ed_settings_error(r->s->inside, "", "--%.*s needs a value: %s",
                          (int)flag.name.len, flag.name.ptr, placeholder);
    return value;
}

static void take_setting(struct reading *r, const struct ed_setting *setting,
                         struct flag flag, const char **next)
{
    const char *value = flag.value;

    if (setting->kind != ED_SETTING_FLAG)
        value = value_of(r, flag, setting->placeholder, next);
    else if (!value)
        value = "yes";
    if (!r->values || !value)
        return;
    const char *place = flag_place(r->s->inside, setting->name);
    /* An argument is one item, spaces and all. */
    struct ed_buf item = {0};
    if (setting->kind == ED_SETTING_LIST && strpbrk(value, " \t\"")) {
        const struct ed_texts one = {(const char *[]){value, NULL}, 1};
        if (!ed_setting_write(setting, &one, &item))
            value = item.ptr;
    }
    ed_settings_set(r->s, setting, ED_FROM_FLAG, place, ed_bytes(value));
    ed_buf_free(&item);
}

static void take_own(struct reading *r, const struct ed_option *own,
                     struct flag flag, const char **next)
{
    const char *value = flag.value;

    if (own->placeholder)
        value = value_of(r, flag, own->placeholder, next);
    else if (value && !r->values)
        ed_settings_error(r->s->inside, "", "--%s takes no value", own->name);
    else
        value = "yes";
    if (r->values && value)
        *own->value = value;
}

static void take_config(struct reading *r, struct flag flag, const char **next)
{
    const char *value = value_of(r, flag, "FILE", next);

    if (value)
        r->s->inside->file = value;
}

/* *next is the argument behind it, NULL once that is used. */
static void take_flag(struct reading *r, struct flag flag, const char **next)
{
    const struct ed_option *own =
        ed_settings_own(r->s->inside->from, flag.name);
    const struct ed_setting *setting = ed_settings_find(flag.name);

    if (own)
        take_own(r, own, flag, next);
    else if (setting)
        take_setting(r, setting, flag, next);
    else if (ed_bytes_equal(flag.name, ED_BYTES("config")))
        take_config(r, flag, next);
    else if (!is_question(r, flag) && !r->values)
        unknown(r, flag.name);
}

static void take_argument(struct reading *r, const char *text)
{
    struct ed_settings_inside *in = r->s->inside;

    if (r->values)
        return;
    if (in->argument_count == in->from->arguments) {
        ed_settings_error(in, "",
                          "unexpected argument '%s' (--help lists the "
                          "options)",
                          text);
        return;
    }
    in->arguments[in->argument_count++] = text;
}

/* Stops at the first error: the next ones are often of its making. */
static void read_flags(struct reading *r)
{
    const struct ed_settings_inside *in = r->s->inside;

    for (int i = 1; i < in->argc && !in->errors; i++) {
        const char *text = in->argv[i];
        if (strncmp(text, "--", 2) || !text[2]) {
            take_argument(r, text);
            continue;
        }
        struct ed_bytes value = ed_bytes(text + 2);
        struct flag flag = {.name = ed_bytes_cut(&value, '=')};
        flag.value = value.ptr;
        const char *behind = i + 1 < in->argc ? in->argv[i + 1] : NULL;
        const char *next = behind;
        take_flag(r, flag, &next);
        if (behind && !next)
            i++;
    }
}

/* ---- all of them ---- */

static int begin(struct ed_settings *s, const struct ed_settings_from *from,
                 int argc, char **argv)
{
    ed_arena *arena = ed_arena_new(MOST_MEMORY);
    struct ed_settings_inside *in =
        arena ? ed_arena_zalloc(arena, sizeof *in) : NULL;

    *s = (struct ed_settings){.inside = in};
    if (!in) {
        ed_arena_free(arena);
        return ED_ENOMEM;
    }
    in->from = from;
    in->arena = arena;
    in->argc = argc;
    in->argv = argv;
    in->file = getenv("EDDY_CONFIG");
    in->notes = ed_arena_zalloc(arena, ed_settings_count * sizeof *in->notes);
    in->arguments =
        ed_arena_zalloc(arena, (from->arguments + 1) * sizeof(char *));
    if (in->notes && in->arguments)
        return 0;
    ed_settings_free(s);
    return ED_ENOMEM;
}

static void set_defaults(struct ed_settings *s)
{
    for (size_t i = 0; i < ed_settings_count; i++) {
        const struct ed_setting *setting = &ed_settings_table[i];
        if (setting->kind != ED_SETTING_SECTION)
            ed_settings_set(s, setting, ED_FROM_DEFAULT, "",
                            ed_bytes(setting->value));
    }
    const struct ed_option_default *d = s->inside->from->defaults;
    for (; d; d = d->next) {
        const struct ed_setting *setting = ed_settings_find(ed_bytes(d->name));
        if (setting)
            ed_settings_set(s, setting, ED_FROM_PROGRAM, "the program",
                            ed_bytes(d->value));
        else
            ed_settings_error(s->inside, "the program",
                              "there is no setting '%s'", d->name);
    }
}

static int read_sources(struct ed_settings *s)
{
    struct reading r = {.s = s, .values = true};

    set_defaults(s);
    int err = s->inside->file ? ed_settings_read_file(s, s->inside->file) : 0;
    if (err)
        return err;
    read_variables(s);
    read_flags(&r);
    return s->inside->errors ? ED_EPARSE : 0;
}

static int answer(const struct ed_settings *s, enum question question)
{
    switch (question) {
    case CHECK:
        if (ed_settings_check(s))
            return USAGE;
        puts("the settings are well");
        return DONE;
    case PRINT:
        ed_settings_print(s, stdout);
        return DONE;
    default:
        return GO_ON;
    }
}

static int read_all(struct ed_settings *s)
{
    struct reading r = {.s = s};

    read_flags(&r);
    if (s->inside->errors)
        return USAGE;
    if (r.question == HELP) {
        ed_settings_help(s->inside->from);
        return DONE;
    }
    if (r.question == VERSION) {
        printf("%s, on eddy %s\n", s->inside->from->program, ED_VERSION);
        return DONE;
    }
    int err = read_sources(s);
    if (err)
        return err == ED_EPARSE ? USAGE : FAILED;
    int status = answer(s, r.question);
    if (status != GO_ON)
        return status;
    return ed_settings_check(s) ? USAGE : GO_ON;
}

int ed_settings_read(struct ed_settings *settings,
                     const struct ed_settings_from *from, int argc, char **argv)
{
    if (begin(settings, from, argc, argv)) {
        fprintf(stderr, "%s: no memory for the settings\n", from->program);
        return FAILED;
    }
    int status = read_all(settings);
    if (status != GO_ON)
        ed_settings_free(settings);
    return status;
}

int ed_settings_reread(const struct ed_settings *settings,
                       struct ed_settings *fresh)
{
    const struct ed_settings_inside *in = settings->inside;
    int err = begin(fresh, in->from, in->argc, in->argv);

    if (err)
        return err;
    fresh->inside->to_log = true;
    fresh->inside->file = in->file;
    fresh->inside->argument_count = in->argument_count;
    for (size_t i = 0; i < in->argument_count; i++)
        fresh->inside->arguments[i] = in->arguments[i]; /* argv's */
    err = read_sources(fresh);
    if (!err && ed_settings_check(fresh))
        err = ED_EPARSE;
    if (err)
        ed_settings_free(fresh);
    return err;
}

const char *ed_settings_argument(const struct ed_settings *settings, size_t i)
{
    const struct ed_settings_inside *in = settings->inside;

    return i < in->argument_count ? in->arguments[i] : NULL;
}

void ed_settings_free(struct ed_settings *settings)
{
    if (settings->inside)
        ed_arena_free(settings->inside->arena);
    *settings = (struct ed_settings){0};
}

/* ---- from one process to another ---- */

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

static int give_one_own(const struct ed_option *o, struct ed_buf *out)
{
    const struct ed_buf value = {(char *)(uintptr_t)*o->value,
                                 strlen(*o->value), 0};
    int err = ed_buf_add(out, &OWN_MARK, 1);

    return err ? err : give_pair(out, o->name, &value);
}

static int give_own(const struct ed_settings *s, struct ed_buf *out)
{
    const struct ed_option *o = s->inside->from->own;
    int err = 0;

    for (; o && !err; o = o->next) {
        if (*o->value)
            err = give_one_own(o, out);
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

int ed_settings_give(const struct ed_settings *settings, int fd)
{
    struct ed_buf out = {0};
    int err = give_all(settings, &out);

    if (!err)
        err = give_own(settings, &out);
    if (!err)
        err = give_arguments(settings->inside, &out);
    if (!err && pwrite(fd, out.ptr, out.len, 0) != (ssize_t)out.len)
        err = -EIO;
    ed_buf_free(&out);
    return err;
}

static int read_whole(int fd, struct ed_buf *out)
{
    ssize_t n;

    do {
        if (ed_buf_reserve(out, 4096))
            return ED_ENOMEM;
        n = pread(fd, out->ptr + out->len, 4096, (off_t)out->len);
        if (n < 0)
            return -errno;
        out->len += (size_t)n;
    } while (n);
    return 0;
}

static void take_own_again(struct ed_settings *s, struct ed_bytes name,
                           struct ed_bytes value)
{
    const struct ed_option *own = ed_settings_own(s->inside->from, name);

    if (own)
        *own->value = ed_arena_copy(s->inside->arena, value);
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
        ed_settings_set(s, setting, ED_FROM_FLAG, "the master", value);
}

int ed_settings_take(struct ed_settings *settings,
                     const struct ed_settings_from *from, int fd)
{
    struct ed_buf said = {0};
    int err = begin(settings, from, 0, NULL);

    if (err)
        return err;
    settings->inside->to_log = true;
    err = read_whole(fd, &said);
    set_defaults(settings);
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
    return err;
}
