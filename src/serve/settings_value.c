/*
 * settings_value.c - the values of settings as texts, in both directions.
 */
#include "serve/settings_internal.h"

#include <eddy/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* The largest first: the first that divides is what is written. */
static const struct unit time_units[] = {
    {"d", 24 * 60 * ED_MIN}, {"h", 60 * ED_MIN}, {"m", ED_MIN}, {"s", ED_S},
    {"ms", ED_MS},           {"us", ED_US},
};

/* A hundred years: any time of the clock and this can be added. */
static const int64_t TIME_MAX = 36500LL * 24 * 60 * ED_MIN;

static const struct unit size_units[] = {
    {"G", 1 << 30},
    {"M", 1 << 20},
    {"K", 1 << 10},
    {"", 1},
};

/* ---- reading ---- */

static const char *parse_text(struct ed_bytes text, ed_arena *arena, void *to)
{
    *(const char **)to = text.len ? ed_arena_copy(arena, text) : NULL;
    return NULL;
}

bool ed_setting_is_yes(struct ed_bytes text, bool *yes)
{
    static const char *const words[][2] = {
        {"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        for (int on = 0; on < 2; on++) {
            if (ed_bytes_equal_nocase(text, ed_bytes(words[i][on]))) {
                *yes = on;
                return true;
            }
        }
    }
    return false;
}

static const char *parse_flag(struct ed_bytes text, ed_arena *arena, void *to)
{
    (void)arena;
    return ed_setting_is_yes(text, to) ? NULL : "yes or no";
}

static const char *parse_count(struct ed_bytes text, ed_arena *arena, void *to)
{
    int64_t n;

    (void)arena;
    if (ed_bytes_int(text, &n) || n < 0 || n > INT32_MAX || text.ptr[0] == '+')
        return "a whole number from 0";
    *(unsigned *)to = (unsigned)n;
    return NULL;
}

/* A number with a unit of the list behind it, or `factor` without one. */
static bool parse_measure(struct ed_bytes text, const struct unit *units,
                          size_t count, int64_t factor, int64_t *out)
{
    size_t digits = 0;
    int64_t n;

    while (digits < text.len && text.ptr[digits] >= '0' &&
           text.ptr[digits] <= '9')
        digits++;
    struct ed_bytes unit = ed_bytes_of(text.ptr + digits, text.len - digits);
    if (ed_bytes_int(ed_bytes_of(text.ptr, digits), &n))
        return false;
    for (size_t i = 0; i < count && unit.len; i++) {
        if (ed_bytes_equal_nocase(unit, ed_bytes(units[i].name))) {
            factor = units[i].factor;
            unit.len = 0;
        }
    }
    return !unit.len && !__builtin_mul_overflow(n, factor, out);
}

static const char *parse_time(struct ed_bytes text, ed_arena *arena, void *to)
{
    int64_t n;

    (void)arena;
    if (!parse_measure(text, time_units, sizeof time_units / sizeof *time_units,
                       ED_S, &n) ||
        n > TIME_MAX)
        return "a time such as 250ms, 30s, 5m, 1h or 2d";
    *(int64_t *)to = n;
    return NULL;
}

static const char *parse_size(struct ed_bytes text, ed_arena *arena, void *to)
{
    int64_t n;

    (void)arena;
    if (!parse_measure(text, size_units, sizeof size_units / sizeof *size_units,
                       1, &n))
        return "a size such as 4096, 64K, 16M or 1G";
    *(size_t *)to = (size_t)n;
    return NULL;
}

static const char *parse_mode(struct ed_bytes text, ed_arena *arena, void *to)
{
    int mode = 0;

    (void)arena;
    *(int *)to = -1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '7' || i > 4)
            return "an octal number such as 022";
        mode = mode * 8 + text.ptr[i] - '0';
    }
    if (mode > 0777)
        return "an octal number such as 022";
    if (text.len)
        *(int *)to = mode;
    return NULL;
}

static const char *parse_rate(struct ed_bytes text, ed_arena *arena, void *to)
{
    static const char wanted[] = "a number from 0 to 1, or a percentage";
    const char *copy = ed_arena_copy(arena, text);
    char *end;
    double rate = copy ? strtod(copy, &end) : -1;

    if (!copy || end == copy || *copy == '-')
        return wanted;
    if (!strcmp(end, "%"))
        rate /= 100;
    else if (*end)
        return wanted;
    if (!(rate >= 0 && rate <= 1))
        return wanted;
    *(double *)to = rate;
    return NULL;
}

static const char *add_item(struct ed_texts *list, ed_arena *arena,
                            const char *item)
{
    const char **each = ed_arena_alloc(arena, (list->count + 2) * sizeof *each);

    if (!each || !item)
        return "so long (there is no memory for it)";
    if (list->count)
        memcpy(each, list->each, list->count * sizeof *each);
    each[list->count++] = item;
    each[list->count] = NULL;
    list->each = each;
    return NULL;
}

/* What a character stands for behind a backslash. */
static char escaped(char c)
{
    return c == 'n' ? '\n' : c == 'r' ? '\r' : c;
}

const char *ed_setting_unquote(struct ed_bytes *rest, ed_arena *arena)
{
    char *text = ed_arena_alloc(arena, rest->len + 1);
    size_t len = 0, i = 1;

    if (!text)
        return NULL;
    for (; i < rest->len && rest->ptr[i] != '"'; i++) {
        if (rest->ptr[i] == '\\' && i + 1 < rest->len)
            text[len++] = escaped(rest->ptr[++i]);
        else
            text[len++] = rest->ptr[i];
    }
    if (i == rest->len)
        return NULL;
    text[len] = '\0';
    rest->ptr += i + 1;
    rest->len -= i + 1;
    return text;
}

/* The next word; one in quotation marks may hold spaces. */
static const char *take_word(struct ed_bytes *rest, ed_arena *arena)
{
    size_t len = 0;

    if (rest->ptr[0] == '"')
        return ed_setting_unquote(rest, arena);
    while (len < rest->len && rest->ptr[len] != ' ' && rest->ptr[len] != '\t')
        len++;
    const char *word = ed_arena_copy(arena, ed_bytes_of(rest->ptr, len));
    rest->ptr += len;
    rest->len -= len;
    return word;
}

static const char *parse_list(struct ed_bytes text, ed_arena *arena, void *to,
                              bool add)
{
    struct ed_texts list = {0};
    const char *wrong = NULL;

    if (add)
        list = *(struct ed_texts *)to;
    text = ed_bytes_trim(text);
    while (text.len && !wrong) {
        const char *word = take_word(&text, arena);
        wrong = word ? add_item(&list, arena, word)
                     : "a list with each quotation mark paired";
        text = ed_bytes_trim(text);
    }
    if (!wrong)
        *(struct ed_texts *)to = list;
    return wrong;
}

static const char *(*const parsers[])(struct ed_bytes text, ed_arena *arena,
                                      void *to) = {
    [ED_SETTING_TEXT] = parse_text,   [ED_SETTING_FLAG] = parse_flag,
    [ED_SETTING_COUNT] = parse_count, [ED_SETTING_TIME] = parse_time,
    [ED_SETTING_SIZE] = parse_size,   [ED_SETTING_MODE] = parse_mode,
    [ED_SETTING_RATE] = parse_rate,
};

const char *ed_setting_parse(const struct ed_setting *setting,
                             struct ed_bytes text, ed_arena *arena,
                             void *member, bool add)
{
    if (setting->kind == ED_SETTING_LIST)
        return parse_list(text, arena, member, add);
    return parsers[setting->kind](text, arena, member);
}

/* ---- writing ---- */

static int write_measure(struct ed_buf *out, int64_t n,
                         const struct unit *units, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (n && n % units[i].factor == 0)
            return ed_buf_addf(out, "%lld%s", (long long)(n / units[i].factor),
                               units[i].name);
    }
    return ed_buf_addf(out, "%lld", (long long)n);
}

static bool needs_quotes(const char *item)
{
    return !*item || strpbrk(item, " \t\"\\\n\r");
}

static int add_escaped(struct ed_buf *out, char c)
{
    char mark = c == '\n'               ? 'n'
                : c == '\r'             ? 'r'
                : c == '"' || c == '\\' ? c
                                        : '\0';
    const char pair[] = {'\\', mark};

    return mark ? ed_buf_add(out, pair, 2) : ed_buf_add(out, &c, 1);
}

int ed_setting_quote(struct ed_buf *out, const char *text)
{
    int err = ed_buf_add(out, "\"", 1);

    for (; *text && !err; text++)
        err = add_escaped(out, *text);
    return err ? err : ed_buf_add(out, "\"", 1);
}

static int write_item(struct ed_buf *out, const char *item, bool first)
{
    int err = first ? 0 : ed_buf_add(out, " ", 1);

    if (err)
        return err;
    return needs_quotes(item) ? ed_setting_quote(out, item)
                              : ed_buf_add(out, item, strlen(item));
}

static int write_list(struct ed_buf *out, const struct ed_texts *list)
{
    int err = 0;

    for (size_t i = 0; i < list->count && !err; i++)
        err = write_item(out, list->each[i], i == 0);
    return err;
}

/* As short as it can be: 0.1, and not 0.10000000000000001. */
static int write_rate(struct ed_buf *out, double rate)
{
    char text[32];

    snprintf(text, sizeof text, "%.15g", rate);
    if (strtod(text, NULL) != rate)
        snprintf(text, sizeof text, "%.17g", rate);
    return ed_buf_add(out, text, strlen(text));
}

/* Times that no unit divides are of nanoseconds, which nobody can say: they
 * cannot be. */
int ed_setting_write(const struct ed_setting *setting, const void *member,
                     struct ed_buf *out)
{
    const char *text;

    switch (setting->kind) {
    case ED_SETTING_LIST:
        return write_list(out, member);
    case ED_SETTING_TEXT:
        text = *(const char *const *)member;
        return text ? ed_buf_add(out, text, strlen(text)) : 0;
    case ED_SETTING_FLAG:
        return ed_buf_addf(out, "%s", *(const bool *)member ? "yes" : "no");
    case ED_SETTING_COUNT:
        return ed_buf_addf(out, "%u", *(const unsigned *)member);
    case ED_SETTING_TIME:
        return write_measure(out, *(const int64_t *)member, time_units,
                             sizeof time_units / sizeof *time_units);
    case ED_SETTING_SIZE:
        return write_measure(out, (int64_t) * (const size_t *)member,
                             size_units,
                             sizeof size_units / sizeof *size_units);
    case ED_SETTING_MODE:
        return *(const int *)member < 0
                   ? 0
                   : ed_buf_addf(out, "%03o", (unsigned)*(const int *)member);
    case ED_SETTING_RATE:
        return write_rate(out, *(const double *)member);
    case ED_SETTING_SECTION:
        break;
    }
    return 0;
}
