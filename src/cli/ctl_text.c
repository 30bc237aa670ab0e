/*
 * ctl_text.c - numbers and texts of a server, for people at a terminal.
 */
#include "base/utf8.h"
#include "ctl.h"

#include <math.h>
#include <string.h>
#include <wchar.h>

/* ---- texts ---- */

/* The character at the front, which takes `len` bytes. */
static wchar_t character(const char *text, size_t len)
{
    static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    wchar_t c = (unsigned char)text[0] & first[len];

    for (size_t i = 1; i < len; i++)
        c = c << 6 | ((unsigned char)text[i] & 0x3f);
    return c;
}

/* The columns of the character in front, and its bytes; -1 if it cannot be
 * shown. */
static int columns_of(const char *text, size_t left, size_t *len)
{
    *len = ed_utf8_len(text, left);
    if (!*len) {
        *len = 1;
        return -1;
    }
    return wcwidth(character(text, *len));
}

static const char *cut_sign(void)
{
    return wcwidth(L'…') == 1 ? "…" : "~";
}

/* Room for a character and the sign of a cut. */
#define MARGIN 8

int ctl_plain(const char *text, int columns, char out[CTL_TEXT])
{
    size_t left = strlen(text), len;
    int used = 0, before_cut = 0;
    char *at = out;
    char *cut = out; /* where the sign goes, if it has to */

    for (; left; text += len, left -= len) {
        int width = columns_of(text, left, &len);
        const char *from = width < 0 ? "?" : text;
        size_t bytes = width < 0 ? 1 : len;

        if (!width) /* joins, marks, turns of direction */
            continue;
        width = width < 0 ? 1 : width;
        if (used + width > columns || at - out > CTL_TEXT - 2 * MARGIN)
            break;
        at = mempcpy(at, from, bytes);
        used += width;
        if (used < columns) {
            cut = at;
            before_cut = used;
        }
    }
    *at = '\0';
    if (!left || columns < 1)
        return used;
    stpcpy(cut, cut_sign());
    return before_cut + 1;
}

/* ---- numbers ---- */

char *ctl_age(double seconds, char out[CTL_TEXT])
{
    long long s = (long long)seconds;

    if (seconds < 0.9995)
        snprintf(out, CTL_TEXT, "%.0f ms", seconds < 0 ? 0 : seconds * 1000);
    else if (seconds < 59.95)
        snprintf(out, CTL_TEXT, "%.1f s", seconds);
    else if (s < 3600)
        snprintf(out, CTL_TEXT, "%lldm %02llds", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, CTL_TEXT, "%lldh %02lldm", s / 3600, s / 60 % 60);
    else
        snprintf(out, CTL_TEXT, "%lldd %02lldh", s / 86400, s / 3600 % 24);
    return out;
}

/* Three digits of a number below 1000. */
static void three_digits(double value, const char *unit, char out[CTL_TEXT])
{
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

    snprintf(out, CTL_TEXT, "%.*f %s", decimals, value, unit);
}

char *ctl_latency(double seconds, char out[CTL_TEXT])
{
    if (seconds <= 0)
        stpcpy(out, "-");
    else if (seconds < 0.0009995)
        snprintf(out, CTL_TEXT, "%.0f us", seconds * 1e6);
    else if (seconds < 0.9995)
        three_digits(seconds * 1e3, "ms", out);
    else
        three_digits(seconds, "s", out);
    return out;
}

char *ctl_size(double bytes, char out[CTL_TEXT])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t unit = 0;

    while (bytes >= 999.95 && unit < 4) {
        bytes /= 1000;
        unit++;
    }
    snprintf(out, CTL_TEXT, "%.*f %s", unit ? 1 : 0, bytes, units[unit]);
    return out;
}

char *ctl_count(double number, char out[CTL_TEXT])
{
    char digits[CTL_TEXT];
    int len = snprintf(digits, sizeof(digits), "%.0f", number);
    int first = digits[0] == '-';
    char *at = out;

    for (int i = 0; i < len; i++) {
        if (i > first && (len - i) % 3 == 0)
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
    return out;
}

char *ctl_rate(double number, char out[CTL_TEXT])
{
    if (number >= 99.95 || number == floor(number))
        return ctl_count(number, out);
    snprintf(out, CTL_TEXT, "%.*f", number < 9.995 ? 2 : 1, number);
    return out;
}

/* ---- members ---- */

double ctl_number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

const char *ctl_string(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}
