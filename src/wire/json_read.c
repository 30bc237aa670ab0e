/*
 * json_read.c - texts of JSON that somebody else has written, as values of
 * jansson.
 *
 * jansson calls itself for each object or array within another, up to 2,048
 * times, and each time takes some 280 bytes of stack: from 900 levels on that
 * is more than a fiber has. So the levels are counted before.
 */
#include "wire/json_read.h"

#include <eddy/error.h>
#include <stdio.h>
#include <string.h>

/* Where a text goes too deep. */
struct place {
    int line, column, position;
};

/* Goes behind the string that begins at `at`, or to the end. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++) {
        if (*at == '\\')
            at++;
    }
    return at;
}

static struct place place_of(struct ed_bytes text, const char *at)
{
    struct place place = {1, 1, (int)(at - text.ptr)};

    for (const char *c = text.ptr; c < at; c++) {
        place.line += *c == '\n';
        place.column = *c == '\n' ? 1 : place.column + 1;
    }
    return place;
}

/* The bracket that is one too many, or NULL. A text that is no JSON may be
 * counted wrongly, but only behind the place where that is noticed. */
static const char *find_too_deep(struct ed_bytes text)
{
    const char *end = text.ptr + text.len;
    int depth = 0;

    for (const char *at = text.ptr; at < end; at++) {
        if (*at == '"')
            at = skip_string(at, end);
        else if (*at == '{' || *at == '[')
            depth++;
        else if ((*at == '}' || *at == ']') && depth)
            depth--;
        if (depth > ED_JSON_READ_DEPTH)
            return at;
    }
    return NULL;
}

json_t *ed_json_load(struct ed_bytes text, size_t flags, json_error_t *error)
{
    const char *deep = text.len ? find_too_deep(text) : NULL;

    if (!deep)
        return json_loadb(text.ptr ? text.ptr : "", text.len, flags, error);
    if (error) {
        struct place place = place_of(text, deep);
        *error = (json_error_t){.line = place.line,
                                .column = place.column,
                                .position = place.position};
        snprintf(error->text, sizeof error->text - 1, "more than %d levels",
                 ED_JSON_READ_DEPTH);
        error->text[sizeof error->text - 1] = (char)json_error_stack_overflow;
    }
    return NULL;
}

int ed_json_parse(struct ed_bytes text, json_t **value, char why[ED_JSON_WHY])
{
    json_error_t error;

    *value = ed_json_load(text, JSON_DECODE_ANY, &error);
    if (*value)
        return 0;
    if (why)
        snprintf(why, ED_JSON_WHY, "line %d, column %d: %.100s", error.line,
                 error.column, error.text);
    return ED_EPARSE;
}
