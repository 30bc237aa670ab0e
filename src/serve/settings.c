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

/* A line stays one, and a terminal as it is, whatever somebody wrote. */
static void make_one_line(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
    }
}

ED_PRINTF(3, 0)
static void tell(const struct ed_settings_inside *in, const char *place,
                 const char *fmt, va_list args)
{
    char text[512];
    int at = snprintf(text, sizeof text, "%s%s", place, *place ? ": " : "");

    if (at >= (int)sizeof text)
        at = (int)sizeof text - 1;
    vsnprintf(text + at, sizeof text - (size_t)at, fmt, args);
    make_one_line(text);
    if (in->to_log)
        ed_log_error("%s", text);
    else
        fprintf(stderr, "%s: %s\n", in->from->program, text);
}

void ed_settings_error(struct ed_settings_inside *in, const char *place,
                       const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    tell(in, place, fmt, args);
    va_end(args);
    in->errors++;
}

/* What gunicorn, uWSGI and nginx call what has another name here. */
static const struct {
    const char *theirs, *ours;
} words_of_others[] = {
    {"access-logfile", "access-log"},
    {"access-logformat", "access-log-format"},
    {"b", "listen"},
    {"bind", "listen"},
    {"c", "config"},
    {"chdir", "workdir"},
    {"client-max-body-size", "max-body"},
    {"error-logfile", "log-file"},
    {"forwarded-allow-ips", "trusted-proxies"},
    {"g", "group"},
    {"gid", "group"},
    {"graceful-timeout", "drain-timeout"},
    {"harakiri", "request-timeout"},
    {"home", "virtualenv"},
    {"http-socket", "listen"},
    {"keep-alive", "idle-timeout"},
    {"log-level", "log"},
    {"logto", "log-file"},
    {"max-worker-lifetime", "max-age"},
    {"mount", "script-name"},
    {"p", "pidfile"},
    {"pid", "pidfile"},
    {"processes", "workers"},
    {"reload-on-rss", "max-memory"},
    {"socket", "listen"},
    {"ssl-certificate", "certfile"},
    {"static-map", "static"},
    {"timeout", "request-timeout"},
    {"u", "user"},
    {"uid", "user"},
    {"venv", "virtualenv"},
    {"worker-connections", "max-connections"},
    {"worker-reload-mercy", "drain-timeout"},
    {"wsgi-file", "wsgi"},
};

const char *ed_settings_suggest(const struct ed_settings_from *from,
                                const char *name)
{
    struct ed_suggestion best = {0};

    for (size_t i = 0; i < sizeof words_of_others / sizeof *words_of_others;
         i++) {
        if (!strcmp(name, words_of_others[i].theirs))
            return words_of_others[i].ours;
    }
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
                          ED_SETTINGS_SHOWN(text), wanted);
    else if (wanted)
        ed_settings_error(s->inside, place, "%s '%.*s' is not %s",
                          setting->name, ED_SETTINGS_SHOWN(text), wanted);
    if (wanted)
        return;
    note->source = source;
    note->place = place;
}

/* ---- variables ---- */

static const char PREFIX[] = "EDDY_";

/* Of "workers", EDDY_WORKERS. In the arena. */
static const char *variable_of(struct ed_settings_inside *in, const char *name)
{
    char *out = ed_arena_printf(in->arena, "%s%s", PREFIX, name);

    for (char *c = out; c && *c; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    return out;
}

/* The setting a variable is of, by its name without the prefix. */
static const struct ed_setting *setting_of(struct ed_bytes variable)
{
    char name[64];

    if (variable.len >= sizeof name)
        return NULL;
    for (size_t i = 0; i < variable.len; i++) {
        char c = variable.ptr[i];
        name[i] = c == '_' ? '-' : (char)tolower((unsigned char)c);
        if (islower((unsigned char)c) || c == '-')
            return NULL;
    }
    return ed_settings_find(ed_bytes_of(name, variable.len));
}

/* Those of others that begin like ours. */
static const char *const other_variables[] = {
    "EDDY_CONFIG",     "EDDY_CTL",        "EDDY_SERVE",   "EDDY_DNS_SERVERS",
    "EDDY_HOSTS_FILE", "EDDY_UPGRADE_OF", "EDDY_SOCKETS",
};

static bool is_of_others(struct ed_bytes name)
{
    for (size_t i = 0; i < sizeof other_variables / sizeof *other_variables;
         i++) {
        if (ed_bytes_equal(name, ed_bytes(other_variables[i])))
            return true;
    }
    return false;
}

ED_PRINTF(2, 3)
static void warn(const struct ed_settings_inside *in, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    tell(in, "", fmt, args);
    va_end(args);
}

/* One that is near the name of a setting was meant for it, and one that is not
 * may be anybody's. It is no error, for that may be anybody's, too. */
static void judge_unknown(struct ed_settings_inside *in, struct ed_bytes name)
{
    const size_t prefix = sizeof PREFIX - 1;
    struct ed_suggestion best = {0};
    const char *text = ed_arena_copy(in->arena, name);

    if (!text || is_of_others(name))
        return;
    /* Without the prefix: what all of them share makes none of them near. */
    for (size_t i = 0; i < ed_settings_count; i++) {
        const struct ed_setting *s = &ed_settings_table[i];
        const char *its =
            s->kind == ED_SETTING_SECTION ? NULL : variable_of(in, s->name);
        if (its)
            ed_suggest(&best, text + prefix, its + prefix);
    }
    if (best.word)
        warn(in, "$%s is not a setting (did you mean $%s%s?)", text, PREFIX,
             best.word);
}

static void read_variable(struct ed_settings *s, struct ed_bytes name,
                          const char *value)
{
    struct ed_settings_inside *in = s->inside;
    size_t prefix = sizeof PREFIX - 1;
    const struct ed_setting *setting =
        setting_of(ed_bytes_of(name.ptr + prefix, name.len - prefix));

    if (!setting) {
        judge_unknown(in, name);
        return;
    }
    const char *place =
        ed_arena_printf(in->arena, "$%.*s", (int)name.len, name.ptr);
    ed_settings_set(s, setting, ED_FROM_ENV, place ? place : "$",
                    ed_bytes(value));
}

static void read_variables(struct ed_settings *s)
{
    for (char **each = environ; each && *each; each++) {
        struct ed_bytes value = ed_bytes(*each);
        struct ed_bytes name = ed_bytes_cut(&value, '=');
        if (value.ptr && ed_bytes_starts(name, ed_bytes(PREFIX)))
            read_variable(s, name, value.ptr);
    }
}

/* ---- all of them ---- */

enum { GO_ON = ED_SETTINGS_GO_ON, DONE = 0, FAILED = 1, USAGE = 2 };

int ed_settings_begin(struct ed_settings *s,
                      const struct ed_settings_from *from, int argc,
                      char **argv)
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
    in->file = getenv("EDDY_CONFIG"); /* unless a flag names one */
    in->notes = ed_arena_zalloc(arena, ed_settings_count * sizeof *in->notes);
    in->arguments =
        ed_arena_zalloc(arena, (from->arguments + 1) * sizeof(char *));
    if (in->notes && in->arguments && !ed_settings_begin_own(in))
        return 0;
    ed_settings_free(s);
    return ED_ENOMEM;
}

void ed_settings_unknown(struct ed_settings_inside *in, const char *place,
                         const char *name)
{
    const char *meant = ed_settings_suggest(in->from, name);

    if (meant)
        ed_settings_error(in, place,
                          "there is no setting '%s' (did you mean '%s'?)", name,
                          meant);
    else
        ed_settings_error(in, place, "there is no setting '%s'", name);
}

void ed_settings_default(struct ed_settings *s)
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
            ed_settings_unknown(s->inside, "the program", d->name);
    }
}

/* By a path that leads there from elsewhere, too: `workdir` is gone to before
 * the file is read again. */
static void find_file(struct ed_settings_inside *in)
{
    char here[4096];

    if (in->file && !*in->file)
        in->file = NULL;
    in->path = in->file;
    if (!in->file || *in->file == '/' || !getcwd(here, sizeof here))
        return;
    in->path = ed_arena_printf(in->arena, "%s/%s", here, in->file);
}

static int read_sources(struct ed_settings *s)
{
    ed_settings_default(s);
    int err = s->inside->file ? ed_settings_read_file(s) : 0;
    if (err)
        return err;
    read_variables(s);
    ed_settings_read_flags(s);
    return s->inside->errors ? ED_EPARSE : 0;
}

static int tell_version(const struct ed_settings_from *from)
{
    printf("%s, on eddy %s\n", from->program, ED_VERSION);
    return DONE;
}

static int tell_check(const struct ed_settings *s)
{
    if (ed_settings_check(s))
        return USAGE;
    printf("%s: ok\n", s->inside->file ? s->inside->file : "the settings");
    return DONE;
}

static int read_all(struct ed_settings *s)
{
    struct ed_settings_inside *in = s->inside;
    enum ed_settings_question question = ed_settings_read_words(s);

    if (in->errors)
        return USAGE;
    if (question == ED_ASKS_HELP) {
        ed_settings_help(in->from);
        return DONE;
    }
    if (question == ED_ASKS_VERSION)
        return tell_version(in->from);
    find_file(in);
    int err = read_sources(s);
    /* What the rest would do together is not told before the values are. */
    if (err)
        return err == ED_EPARSE ? USAGE : FAILED;
    if (question == ED_ASKS_CHECK)
        return tell_check(s);
    if (question == ED_ASKS_PRINT) {
        ed_settings_print(s, stdout);
        return DONE;
    }
    if (ed_settings_check(s))
        return USAGE;
    ed_settings_publish(s);
    return GO_ON;
}

int ed_settings_read(struct ed_settings *settings,
                     const struct ed_settings_from *from, int argc, char **argv)
{
    if (ed_settings_begin(settings, from, argc, argv)) {
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
    int err = ed_settings_begin(fresh, in->from, in->argc, in->argv);

    if (err)
        return err;
    fresh->inside->to_log = true;
    fresh->inside->file = in->file;
    fresh->inside->path =
        ed_arena_copy(fresh->inside->arena, ed_bytes(in->path));
    for (const struct ed_option *o = in->from->own; o; o = o->next)
        ed_settings_own_note(fresh->inside, o)->initial =
            ed_settings_own_note(in, o)->initial;
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
