/*
 * ctl_table.c - aligned columns on standard output.
 */
#include "ctl.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Between two columns. */
#define GAP 2

/* A text in the middle of a table; the last column has what is left. */
#define TEXT_MAX 40

/* The least of the last column, on terminals too narrow for the rest. */
#define LAST_MIN 16

#define COLUMNS_MAX 16

int ctl_width(void)
{
    struct winsize size;

    if (!isatty(STDOUT_FILENO))
        return INT_MAX;
    bool told = !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col;
    return told ? size.ws_col : 80;
}

bool ctl_colours(void)
{
    const char *never = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && !(never && *never) &&
           !(term && !strcmp(term, "dumb"));
}

/* ---- cells ---- */

void ctl_place(const json_t *frame, char out[CTL_TEXT])
{
    const char *function = ctl_string(frame, "function");
    const char *file = ctl_string(frame, "file");
    int line = (int)ctl_number(frame, "line");

    if (!*file)
        file = ctl_string(frame, "object");
    snprintf(out, CTL_TEXT, "%s", *function ? function : "?");
    size_t len = strlen(out);
    if (*file)
        snprintf(out + len, CTL_TEXT - len, "  %s", file);
    len = strlen(out);
    if (*file && line)
        snprintf(out + len, CTL_TEXT - len, ":%d", line);
}

/* Numbers where a text is expected, and truths, are told as they are. */
static void textual(const json_t *value, char out[CTL_TEXT])
{
    if (json_is_string(value))
        snprintf(out, CTL_TEXT, "%s", json_string_value(value));
    else if (json_is_integer(value))
        snprintf(out, CTL_TEXT, "%lld", (long long)json_integer_value(value));
    else
        stpcpy(out, json_is_true(value) ? "yes" : "no");
}

/* Returns the columns it takes. */
static int value_text(const json_t *value, const struct ctl_column *column,
                      int columns, char out[CTL_TEXT])
{
    char raw[CTL_TEXT] = "-";
    double number = json_number_value(value);

    if (!value || json_is_null(value))
        ;
    else if (column->kind == CTL_AGE)
        (void)ctl_age(number, raw);
    else if (column->kind == CTL_SIZE)
        (void)ctl_size(number, raw);
    else if (column->kind == CTL_SECONDS)
        snprintf(raw, sizeof(raw), "%.1f s", number);
    else if (column->kind == CTL_NUMBER)
        (void)ctl_count(number, raw);
    else
        textual(value, raw);
    return ctl_plain(*raw ? raw : "-", columns, out);
}

static int cell_text(const json_t *row, const struct ctl_column *column,
                     int columns, char out[CTL_TEXT])
{
    return value_text(json_object_get(row, column->key), column, columns, out);
}

static bool is_right(const struct ctl_column *column)
{
    return column->kind != CTL_TEXTUAL;
}

/* ---- rows ---- */

static void put_cell(const struct ctl_column *column, const char *text,
                     int columns, int width, bool last)
{
    int pad = width - columns;

    if (is_right(column))
        printf("%*s%s", pad, "", text);
    else
        printf("%s%*s", text, last ? 0 : pad, "");
    fputs(last ? "\n" : "  ", stdout);
}

static void put_titles(const struct ctl_column *columns, const int *widths,
                       int count)
{
    bool colour = ctl_colours();

    fputs(colour ? "\033[1m" : "", stdout);
    for (int i = 0; i < count; i++) {
        const char *title = columns[i].title;

        put_cell(&columns[i], title, (int)strlen(title), widths[i],
                 i + 1 == count);
    }
    fputs(colour ? "\033[0m" : "", stdout);
}

/* The last column has what is left, unless its numbers stand to the right. */
static void measure(const json_t *rows, const struct ctl_column *columns,
                    int count, int *widths)
{
    int own = count - !is_right(&columns[count - 1]);
    char text[CTL_TEXT];
    size_t index;
    json_t *row;
    int used = 0;

    for (int i = 0; i < count; i++)
        widths[i] = (int)strlen(columns[i].title);
    json_array_foreach(rows, index, row)
    {
        for (int i = 0; i < own; i++) {
            int width = cell_text(row, &columns[i], TEXT_MAX, text);
            if (width > widths[i])
                widths[i] = width;
        }
    }
    for (int i = 0; i < own; i++)
        used += widths[i] + GAP;
    int left = ctl_width() - used;
    if (own < count)
        widths[own] = left > LAST_MIN ? left : LAST_MIN;
}

void ctl_table(const json_t *rows, const struct ctl_column *columns)
{
    int widths[COLUMNS_MAX], count = 0;
    char text[CTL_TEXT];
    size_t index;
    json_t *row;

    while (columns[count].title)
        count++;
    measure(rows, columns, count, widths);
    put_titles(columns, widths, count);
    json_array_foreach(rows, index, row)
    {
        for (int i = 0; i < count; i++) {
            int width = cell_text(row, &columns[i], widths[i], text);
            put_cell(&columns[i], text, width, widths[i], i + 1 == count);
        }
    }
}

/* ---- members ---- */

static void put_member(const json_t *value, const struct ctl_column *column,
                       int widest)
{
    int width = ctl_width();
    char text[CTL_TEXT];

    (void)value_text(value, column,
                     width == INT_MAX ? INT_MAX : width - widest - GAP, text);
    printf("%-*s  %s\n", widest, column->title, text);
}

void ctl_members(const json_t *object, const struct ctl_column *columns)
{
    int widest = 0;

    for (const struct ctl_column *c = columns; c->title; c++) {
        if ((int)strlen(c->title) > widest)
            widest = (int)strlen(c->title);
    }
    for (const struct ctl_column *c = columns; c->title; c++) {
        const json_t *value = json_object_get(object, c->key);
        size_t index;
        json_t *each;

        json_array_foreach(value, index, each) put_member(each, c, widest);
        if (value && !json_is_array(value))
            put_member(value, c, widest);
    }
}
