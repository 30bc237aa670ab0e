/*
 * settings_print.c - what people are shown of settings: --help, and
 * --print-config.
 */
#include "serve/settings_internal.h"

#include <string.h>

/* ---- --help ---- */

enum {
    COLUMN = 27, /* of the help texts */
    WIDTH = 79,
};

/* A text in lines that begin at the column. */
static void wrap(const char *text, int at)
{
    struct ed_bytes rest = ed_bytes(text);

    while (rest.ptr) {
        size_t len = strcspn(rest.ptr, " \n");
        struct ed_bytes word = ed_bytes_of(rest.ptr, len);
        rest.ptr = rest.ptr[len] ? rest.ptr + len + 1 : NULL;
        if (at + 1 + (int)word.len > WIDTH) {
            printf("\n%*s", COLUMN - 1, "");
            at = COLUMN - 1;
        }
        printf(" %.*s", (int)word.len, word.ptr);
        at += 1 + (int)word.len;
    }
    putchar('\n');
}

static void show(const char *name, const char *placeholder, const char *help)
{
    int at = printf("  --%s%s%s", name, placeholder ? " " : "",
                    placeholder ? placeholder : "");

    if (at >= COLUMN)
        at = 0, putchar('\n');
    printf("%*s", COLUMN - 1 - at, "");
    wrap(help, COLUMN - 1);
}

static bool tells_default(const struct ed_setting *s)
{
    return s->value && strcmp(s->value, "0") && strcmp(s->value, "no");
}

static void show_setting(const struct ed_setting *s)
{
    char help[512];

    if (s->kind == ED_SETTING_SECTION) {
        printf("\n%s\n", s->name);
        return;
    }
    snprintf(help, sizeof help, "%s%s%s%s", s->help,
             tells_default(s) ? " (" : "", tells_default(s) ? s->value : "",
             tells_default(s) ? ")" : "");
    show(s->name, s->placeholder, help);
}

void ed_settings_help(const struct ed_settings_from *from)
{
    printf("usage: %s\n", from->usage);
    if (from->own)
        putchar('\n');
    for (const struct ed_option *o = from->own; o; o = o->next)
        show(o->name, o->placeholder, o->help);
    for (size_t i = 0; i < ed_settings_count; i++)
        show_setting(&ed_settings_table[i]);
    puts("\nAbout this");
    show("config", "FILE", "read settings from a file, section [serve]");
    show("check", NULL, "say what is wrong with the settings, and stop");
    show("print-config", NULL, "show all settings as a file, and stop");
    show("help", NULL, "show this and stop");
    show("version", NULL, "show the version and stop");
    puts("\nEach can be set by a variable, too: EDDY_DRAIN_TIMEOUT for "
         "--drain-timeout.");
}

/* ---- --print-config ---- */

static void print_setting(const struct ed_settings *s,
                          const struct ed_setting *setting, FILE *out)
{
    const struct ed_setting_note *note = ed_settings_note(s, setting);
    struct ed_buf value = {0};

    if (setting->kind == ED_SETTING_SECTION) {
        fprintf(out, "\n# ---- %s ----\n", setting->name);
        return;
    }
    fprintf(out, "\n# %s\n", setting->help);
    if (note->source > ED_FROM_DEFAULT)
        fprintf(out, "# (from %s)\n", note->place);
    if (!ed_setting_write(setting, ed_settings_member(s, setting), &value))
        fprintf(out, "%s%s =%s%s\n", note->source == ED_FROM_DEFAULT ? "#" : "",
                setting->name, value.len ? " " : "",
                value.len ? value.ptr : "");
    ed_buf_free(&value);
}

void ed_settings_print(const struct ed_settings *s, FILE *out)
{
    fprintf(out, "[%s]\n", s->inside->from->section);
    for (size_t i = 0; i < ed_settings_count; i++)
        print_setting(s, &ed_settings_table[i], out);
    if (s->inside->from->own)
        fprintf(out, "\n[app]\n");
    for (const struct ed_option *o = s->inside->from->own; o; o = o->next)
        fprintf(out, "\n# %s\n%s%s = %s\n", o->help, *o->value ? "" : "#",
                o->name, *o->value ? *o->value : "");
}
