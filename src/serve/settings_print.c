/*
 * settings_print.c - what people are shown of settings: --help, and
 * --print-config.
 */
#include "serve/settings_internal.h"

#include <stdlib.h>
#include <string.h>

enum { WIDTH = 79 };

/* Where lines of a text begin, and with what. */
struct margin {
    FILE *out;
    const char *mark; /* in front of each line */
    int column;       /* where the text begins, after the mark */
};

/* The words of a text, in lines that are not too long; `at` is how far the
 * first one is. */
static void wrap(const struct margin *margin, const char *text, int at)
{
    bool first = true;

    while (*text) {
        size_t len = strcspn(text, " \n");
        if (!first && at + 1 + (int)len > WIDTH) {
            fprintf(margin->out, "\n%s%*s", margin->mark, margin->column, "");
            at = (int)strlen(margin->mark) + margin->column;
            first = true;
        }
        at += fprintf(margin->out, "%s%.*s", first ? "" : " ", (int)len, text);
        first = false;
        text += len;
        text += *text != '\0';
    }
    putc('\n', margin->out);
}

/* ---- --help ---- */

/* Of the help texts. */
enum { COLUMN = 27 };

static void show(const char *name, const char *placeholder, const char *help)
{
    const struct margin margin = {stdout, "", COLUMN};
    char letter = ed_settings_letter(name);
    int at = letter ? printf("  -%c, ", letter) : printf("  ");

    at += printf("--%s%s%s", name, placeholder ? " " : "",
                 placeholder ? placeholder : "");

    if (at >= COLUMN) {
        putchar('\n');
        at = 0;
    }
    printf("%*s", COLUMN - at, "");
    wrap(&margin, help, COLUMN);
}

/* What holds when nothing is said: the program may have another opinion. */
static const char *default_of(const struct ed_settings_from *from,
                              const struct ed_setting *s)
{
    const char *value = s->value;

    for (const struct ed_option_default *d = from->defaults; d; d = d->next) {
        if (!strcmp(d->name, s->name))
            value = d->value;
    }
    return value;
}

/* A default that needs no words is "not", or "none". */
static bool tells_default(const char *value)
{
    return value && *value && strcmp(value, "no") != 0;
}

static void show_setting(const struct ed_settings_from *from,
                         const struct ed_setting *s)
{
    const char *value = default_of(from, s);
    char help[512];

    if (s->kind == ED_SETTING_SECTION) {
        printf("\n%s\n", s->name);
        return;
    }
    if (ed_settings_own(from, ed_bytes(s->name)))
        return; /* that is what the flag means here */
    if (tells_default(value))
        snprintf(help, sizeof help, "%s (%s)", s->help, value);
    else
        snprintf(help, sizeof help, "%s", s->help);
    show(s->name, s->placeholder, help);
}

/* The value it has before anything is said, unless its text tells that. */
static void show_own(const struct ed_option *o)
{
    const char *value = o->placeholder ? *o->value : NULL;
    size_t len = strlen(o->help);
    char help[512];

    if (!value || !*value || (len && o->help[len - 1] == ')')) {
        show(o->name, o->placeholder, o->help);
        return;
    }
    snprintf(help, sizeof help, "%s (%s)", o->help, value);
    show(o->name, o->placeholder, help);
}

void ed_settings_help(const struct ed_settings_from *from)
{
    printf("usage: %s\n", from->usage);
    if (from->own)
        putchar('\n');
    for (const struct ed_option *o = from->own; o; o = o->next)
        show_own(o);
    for (size_t i = 0; i < ed_settings_count; i++)
        show_setting(from, &ed_settings_table[i]);
    puts("\nAbout this");
    show("config", "FILE",
         "read settings from a file, in sections [serve] and [app]; "
         "$EDDY_CONFIG names one, too");
    show("check", NULL, "say what is wrong with the settings, and stop");
    show("print-config", NULL, "show all settings as a file, and stop");
    show("help", NULL, "show this and stop");
    show("version", NULL, "show the version and stop");
    puts(
        "\nA variable sets each but the program's own, too: EDDY_DRAIN_TIMEOUT "
        "for\n--drain-timeout. Flags win over variables, those over the file.");
}

/* ---- --print-config ---- */

static void comment(FILE *out, const char *text)
{
    const struct margin margin = {out, "# ", 0};

    fputs(margin.mark, out);
    wrap(&margin, text, (int)strlen(margin.mark));
}

static void comment_source(FILE *out, enum ed_setting_source source,
                           const char *place)
{
    struct ed_buf text = {0};

    if (source == ED_FROM_DEFAULT)
        return;
    if (!ed_buf_addf(&text, "(from %s)", place))
        comment(out, text.ptr);
    ed_buf_free(&text);
}

/* Whether a file can say it without quotation marks. */
static bool is_plain(const char *text)
{
    size_t len = strlen(text);

    return len && !strchr("\" \t", text[0]) && !strchr(" \t", text[len - 1]) &&
           !strpbrk(text, "\n\r");
}

static void print_text(FILE *out, const char *text)
{
    struct ed_buf quoted = {0};

    if (is_plain(text))
        fprintf(out, " %s", text);
    else if (!ed_setting_quote(&quoted, text))
        fprintf(out, " %s", quoted.ptr);
    ed_buf_free(&quoted);
}

static void print_value(const struct ed_settings *s,
                        const struct ed_setting *setting, FILE *out)
{
    const void *member = ed_settings_member(s, setting);
    struct ed_buf value = {0};

    if (ed_setting_write(setting, member, &value) || !value.len) {
        ed_buf_free(&value);
        return;
    }
    if (setting->kind == ED_SETTING_TEXT)
        print_text(out, value.ptr);
    else
        fprintf(out, " %s", value.ptr);
    ed_buf_free(&value);
}

static void print_setting(const struct ed_settings *s,
                          const struct ed_setting *setting, FILE *out)
{
    const struct ed_setting_note *note = ed_settings_note(s, setting);

    if (setting->kind == ED_SETTING_SECTION) {
        fprintf(out, "\n# ---- %s ----\n", setting->name);
        return;
    }
    putc('\n', out);
    comment(out, setting->help);
    comment_source(out, note->source, note->place);
    fprintf(out, "%s%s =", note->source == ED_FROM_DEFAULT ? "#" : "",
            setting->name);
    print_value(s, setting, out);
    putc('\n', out);
}

static void print_own(const struct ed_settings *s, const struct ed_option *own,
                      FILE *out)
{
    const struct ed_own_note *note = ed_settings_own_note(s->inside, own);
    const char *value = note->text ? note->text : note->initial;

    putc('\n', out);
    comment(out, own->help);
    comment_source(out, note->source, note->place);
    fprintf(out, "%s%s =", note->text ? "" : "#", own->name);
    if (value)
        print_text(out, value);
    putc('\n', out);
}

void ed_settings_print(const struct ed_settings *s, FILE *out)
{
    const struct ed_settings_from *from = s->inside->from;

    fprintf(out, "[%s]\n", from->section);
    for (size_t i = 0; i < ed_settings_count; i++)
        print_setting(s, &ed_settings_table[i], out);
    if (from->own)
        fputs("\n[app]\n", out);
    for (const struct ed_option *o = from->own; o; o = o->next)
        print_own(s, o, out);
}
