/*
 * settings_flags.c - the command line.
 *
 * It is gone through twice: before all other sources for questions, arguments,
 * the file and what is no option, and behind them for values.
 */
#include "serve/settings_internal.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum ed_settings_question question;
} questions[] = {
    {"help", ED_ASKS_HELP},
    {"version", ED_ASKS_VERSION},
    {"check", ED_ASKS_CHECK},
    {"print-config", ED_ASKS_PRINT},
};

struct reading {
    struct ed_settings *s;
    enum ed_settings_question question;
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

static void unknown_letter(struct ed_settings_inside *in, const char *text)
{
    const char letter[] = {text[1], '\0'};
    const char *meant = ed_settings_suggest(in->from, letter);

    if (meant)
        ed_settings_error(in, "", "unknown option '-%s' (did you mean '--%s'?)",
                          letter, meant);
    else
        ed_settings_error(in, "", "unknown option '%s' (--help lists them)",
                          text);
}

static const char *flag_place(struct ed_settings_inside *in, const char *name)
{
    const char *place = ed_arena_printf(in->arena, "--%s", name);
    return place ? place : "--";
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
    if (!r->values || !value)
        return;
    ed_settings_set_own(r->s->inside, own, ED_FROM_FLAG,
                        flag_place(r->s->inside, own->name), ed_bytes(value));
}

static void take_config(struct reading *r, struct flag flag, const char **next)
{
    const char *value = value_of(r, flag, "FILE", next);

    if (value && !r->values)
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
    if (text[0] == '-' && text[1] && text[1] != '-') {
        unknown_letter(in, text);
        return;
    }
    if (in->argument_count == in->from->arguments) {
        ed_settings_error(in, "",
                          "unexpected argument '%s' (--help lists the "
                          "options)",
                          text);
        return;
    }
    in->arguments[in->argument_count++] = text;
}

/* Those that other servers of applications have taught people to write short;
 * all take a value. */
static const struct {
    char letter;
    const char *name;
} letters[] = {
    {'t', "threads"},
    {'w', "workers"},
};

char ed_settings_letter(const char *name)
{
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        if (!strcmp(name, letters[i].name))
            return letters[i].letter;
    }
    return '\0';
}

/* "--name", "--name=value", "-l", "-lvalue". False: it is no flag. */
static bool split_flag(const char *text, struct flag *flag)
{
    *flag = (struct flag){0};
    if (!strncmp(text, "--", 2) && text[2]) {
        struct ed_bytes value = ed_bytes(text + 2);
        flag->name = ed_bytes_cut(&value, '=');
        flag->value = value.ptr;
        return true;
    }
    for (size_t i = 0; *text == '-' && i < sizeof letters / sizeof *letters;
         i++) {
        if (text[1] != letters[i].letter)
            continue;
        flag->name = ed_bytes(letters[i].name);
        flag->value = text[2] ? text + 2 : NULL;
    }
    return flag->name.len > 0;
}

/* Stops at the first error of its own: the next ones are often of its
 * making. */
static void read_flags(struct reading *r)
{
    const struct ed_settings_inside *in = r->s->inside;
    unsigned before = in->errors;

    for (int i = 1; i < in->argc && in->errors == before; i++) {
        struct flag flag;
        if (!split_flag(in->argv[i], &flag)) {
            take_argument(r, in->argv[i]);
            continue;
        }
        const char *behind = i + 1 < in->argc ? in->argv[i + 1] : NULL;
        const char *next = behind;
        take_flag(r, flag, &next);
        if (behind && !next)
            i++;
    }
}

enum ed_settings_question ed_settings_read_words(struct ed_settings *s)
{
    struct reading r = {.s = s};

    read_flags(&r);
    return r.question;
}

void ed_settings_read_flags(struct ed_settings *s)
{
    struct reading r = {.s = s, .values = true};

    read_flags(&r);
}
