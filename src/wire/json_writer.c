/*
 * json_writer.c - JSON, written as it is said.
 *
 * Owns what makes the text JSON: commas, what may come when, escapes. A call
 * that does not fit is remembered, and from then on nothing is written. Where
 * the text goes is the sink's (json_writer.h); the one for buffers is here.
 */
#include "wire/json_writer.h"

#include "base/utf8.h"
#include "wire/http1_scan.h"

#include <eddy/error.h>
#include <math.h>

/* What may come; nothing after an error, and when all is said. */
enum {
    WANT_VALUE = 1,
    WANT_KEY = 2,
    WANT_END = 4,
};

/* Bytes that an escape takes, at most, and U+FFFD. */
#define ESCAPE_MAX  6
#define REPLACEMENT "\xef\xbf\xbd"

/* Cold and out of line, so that a call that is right only tests and jumps. */
__attribute__((cold, noinline)) static char *fail(ed_json *j, int err,
                                                  const char *why)
{
    if (!j || j->error)
        return NULL;
    j->error = err;
    j->why = why;
    j->wants = 0;
    return NULL;
}

__attribute__((cold, noinline)) static char *misused(ed_json *j)
{
    if (!j || j->error)
        return NULL;
    if (!j->depth)
        return fail(j, ED_EUSAGE, "a second JSON value behind the first");
    return fail(j, ED_EUSAGE, "a value without a key in a JSON object");
}

__attribute__((noinline)) static char *more_room(ed_json *j, size_t more)
{
    int err = j->sink->room(j, more);

    return err ? fail(j, err, NULL) : j->at;
}

/* Where the next bytes go, at least ED_JSON_ROOM; NULL when they cannot. */
static inline char *room(ed_json *j)
{
    if ((size_t)(j->end - j->at) >= ED_JSON_ROOM)
        return j->at;
    return more_room(j, ED_JSON_ROOM);
}

static inline char *put_comma(const ed_json *j, char *at)
{
    *at = ','; /* there is room for it, needed or not */
    return at + j->comma;
}

/* The place for a value; NULL when none may come. What is written there must
 * leave room for the comma. */
static inline char *value_place(ed_json *j)
{
    if (!j || !(j->wants & WANT_VALUE))
        return misused(j);
    char *at = room(j);
    return at ? put_comma(j, at) : NULL;
}

static inline void value_written(ed_json *j, char *at)
{
    j->at = at;
    j->wants = j->after;
    j->comma = true;
}

/* ---- beginning and ending ---- */

void ed_json_start(ed_json *j, const struct ed_json_sink *sink, void *into,
                   char *at, char *end)
{
    *j = (ed_json){
        .at = at,
        .end = end,
        .sink = sink,
        .into = into,
        .wants = WANT_VALUE,
    };
}

static const char *unfinished(const ed_json *j)
{
    if (j->depth)
        return "a JSON object or array was not ended";
    if (j->wants)
        return "no JSON value was written";
    return NULL;
}

int ed_json_finish(ed_json *j)
{
    if (!j)
        return ED_ENOMEM;
    if (!j->sink)
        return j->error ? j->error : ED_EUSAGE;
    const char *why = j->error ? NULL : unfinished(j);
    if (why)
        fail(j, ED_EUSAGE, why);
    int err = j->sink->finish(j, j->error);
    j->sink = NULL;
    j->error = err ? err : ED_EUSAGE; /* of what may still be called */
    return err;
}

int ed_json_error(const ed_json *j)
{
    return j ? j->error : ED_ENOMEM;
}

/* ---- objects and arrays ---- */

/* What may come behind a value at this level. */
static uint8_t after_value(const ed_json *j)
{
    if (!j->depth)
        return 0;
    return (j->objects & 1 ? WANT_KEY : WANT_VALUE) | WANT_END;
}

static void open_level(ed_json *j, bool object)
{
    char *at = value_place(j);

    if (!at)
        return;
    if (j->depth == ED_JSON_DEPTH) {
        fail(j, ED_EUSAGE, "JSON nested too deeply");
        return;
    }
    *at++ = object ? '{' : '[';
    j->at = at;
    j->depth++;
    j->objects = j->objects << 1 | object;
    j->wants = j->after = after_value(j);
    j->comma = false;
}

void ed_json_object(ed_json *j)
{
    open_level(j, true);
}

void ed_json_array(ed_json *j)
{
    open_level(j, false);
}

void ed_json_end(ed_json *j)
{
    if (!j || !(j->wants & WANT_END)) {
        fail(j, ED_EUSAGE, "an end where no JSON object or array can end");
        return;
    }
    char *at = room(j);
    if (!at)
        return;
    *at++ = j->objects & 1 ? '}' : ']';
    j->depth--;
    j->objects >>= 1;
    j->after = after_value(j);
    value_written(j, at);
}

/* ---- texts ---- */

static bool is_plain(unsigned char c)
{
    return c >= ' ' && c < 0x80 && c != '"' && c != '\\';
}

/* Sets the top bit of each byte that cannot be copied as it is. */
static uint64_t word_stops(uint64_t word)
{
    return (word & SCAN_EACH(0x80)) | scan_below(word, ' ') |
           scan_equals(word, '"') | scan_equals(word, '\\');
}

/* RFC 8259, 7 */
static char *put_escape(char *at, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
    };

    *at++ = '\\';
    if (c >= 0x20 || letters[c]) {
        *at++ = c >= 0x20 ? (char)c : letters[c];
        return at;
    }
    memcpy(at, "u00", 3);
    at[3] = hex[c >> 4];
    at[4] = hex[c & 15];
    return at + 5;
}

/* Writes the character at the front, which may be more than one byte, and
 * moves `text` behind it. */
static char *put_character(char *at, struct ed_bytes *text)
{
    size_t len = 1;

    if ((unsigned char)*text->ptr < 0x80) {
        at = put_escape(at, (unsigned char)*text->ptr);
    } else if ((len = ed_utf8_len(text->ptr, text->len))) {
        for (size_t i = 0; i < len; i++)
            *at++ = text->ptr[i];
    } else {
        len = 1;
        memcpy(at, REPLACEMENT, sizeof REPLACEMENT - 1);
        at += sizeof REPLACEMENT - 1;
    }
    text->ptr += len;
    text->len -= len;
    return at;
}

/* Writes as much of `text` as there is room for, and moves it behind that. A
 * word is written whole before it is known how much of it is right: what is
 * wrong gets written over. */
static char *put_some(char *at, const char *end, struct ed_bytes *text)
{
    while (text->len >= 8 && end - at >= 8) {
        uint64_t stops = word_stops(scan_load_word(text->ptr));
        size_t plain = stops ? (size_t)__builtin_ctzll(stops) / 8 : 8;

        memcpy(at, text->ptr, 8);
        at += plain;
        text->ptr += plain;
        text->len -= plain;
        if (plain == 8)
            continue;
        if (end - at < ESCAPE_MAX)
            return at;
        at = put_character(at, text);
    }
    while (text->len && end - at >= ESCAPE_MAX) {
        if (is_plain((unsigned char)*text->ptr)) {
            *at++ = *text->ptr++;
            text->len--;
        } else {
            at = put_character(at, text);
        }
    }
    return at;
}

/* Writes a text between quotes from `at`, where there is room for some.
 * Returns its end, with room for a byte behind it, or NULL. */
static char *put_text(ed_json *j, char *at, struct ed_bytes text)
{
    *at++ = '"';
    for (;;) {
        at = put_some(at, j->end - 2, &text);
        if (!text.len)
            break;
        j->at = at;
        at = more_room(j, text.len + 2);
        if (!at)
            return NULL;
    }
    *at++ = '"';
    return at;
}

void ed_json_key_bytes(ed_json *j, struct ed_bytes name)
{
    if (!j || !(j->wants & WANT_KEY)) {
        fail(j, ED_EUSAGE, "a key where no JSON object has one");
        return;
    }
    char *at = room(j);
    if (at)
        at = put_text(j, put_comma(j, at), name);
    if (!at)
        return;
    *at++ = ':';
    j->at = at;
    j->wants = WANT_VALUE;
    j->comma = false;
}

void ed_json_bytes(ed_json *j, struct ed_bytes text)
{
    char *at = value_place(j);

    if (at)
        at = put_text(j, at, text);
    if (at)
        value_written(j, at);
}

void ed_json_text(ed_json *j, const char *text)
{
    if (text)
        ed_json_bytes(j, ed_bytes(text));
    else
        ed_json_null(j);
}

/* ---- other values ---- */

static void put_literal(ed_json *j, struct ed_bytes literal)
{
    char *at = value_place(j);

    if (!at)
        return;
    memcpy(at, literal.ptr, literal.len);
    value_written(j, at + literal.len);
}

void ed_json_int(ed_json *j, int64_t n)
{
    char *at = value_place(j);

    if (!at)
        return;
    if (n < 0)
        *at++ = '-';
    /* The least has no positive counterpart but as an unsigned number. */
    uint64_t magnitude = n < 0 ? -(uint64_t)n : (uint64_t)n;
    value_written(j, ed_json_print_uint(at, magnitude));
}

void ed_json_uint(ed_json *j, uint64_t n)
{
    char *at = value_place(j);

    if (at)
        value_written(j, ed_json_print_uint(at, n));
}

void ed_json_double(ed_json *j, double x)
{
    if (!isfinite(x)) {
        ed_json_null(j);
        return;
    }
    char *at = value_place(j);
    if (at)
        value_written(j, ed_json_print_double(at, x));
}

void ed_json_bool(ed_json *j, bool truth)
{
    put_literal(j, truth ? ED_BYTES("true") : ED_BYTES("false"));
}

void ed_json_null(ed_json *j)
{
    put_literal(j, ED_BYTES("null"));
}

void ed_json_raw(ed_json *j, struct ed_bytes json)
{
    if (!json.len) {
        fail(j, ED_EUSAGE, "no JSON where some was to be copied");
        return;
    }
    char *at = value_place(j);
    while (at) {
        size_t left = (size_t)(j->end - at);
        size_t len = json.len < left ? json.len : left;

        memcpy(at, json.ptr, len);
        at += len;
        json.ptr += len;
        json.len -= len;
        if (!json.len)
            break;
        j->at = at;
        at = more_room(j, json.len);
    }
    if (at)
        value_written(j, at);
}

/* ---- into a buffer ---- */

static int buf_room(ed_json *j, size_t more)
{
    struct ed_buf *buf = j->into;

    if (more < ED_JSON_ROOM)
        more = ED_JSON_ROOM;
    if (buf->ptr)
        buf->len = (size_t)(j->at - buf->ptr);
    int err = ed_buf_reserve(buf, more);
    if (err)
        return err;
    j->at = buf->ptr + buf->len;
    j->end = buf->ptr + buf->cap - 1; /* the NUL's */
    return 0;
}

static int buf_finish(ed_json *j, int err)
{
    struct ed_buf *buf = j->into;

    if (!buf->ptr)
        return err;
    buf->len = err ? j->before : (size_t)(j->at - buf->ptr);
    buf->ptr[buf->len] = '\0';
    return err;
}

void ed_json_begin(ed_json *j, struct ed_buf *buf)
{
    static const struct ed_json_sink sink = {buf_room, buf_finish};
    char *end = buf->cap ? buf->ptr + buf->cap - 1 : buf->ptr;
    char *at = buf->ptr ? buf->ptr + buf->len : NULL;

    ed_json_start(j, &sink, buf, at, end);
    j->before = buf->len;
}
