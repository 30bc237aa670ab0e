/*
 * json.h - JSON, written as it is said.
 *
 *     struct ed_json json, *j = &json;
 *     struct ed_buf text = {0};
 *
 *     ed_json_begin(j, &text);
 *     ed_json_object(j);
 *     ed_json_key(j, "id");
 *     ed_json_int(j, 42);
 *     ed_json_key(j, "tags");
 *     ed_json_array(j);
 *     ed_json_text(j, "new");
 *     ed_json_end(j);
 *     ed_json_end(j);
 *     int err = ed_json_finish(j);  // {"id":42,"tags":["new"]}
 *
 * A reply has a writer of its own: ed_reply_json_begin() (http.h). Documents
 * that are changed are jansson's business; those of others are read by
 * ed_json_parse().
 *
 * What goes wrong on the way is remembered, the calls that follow do nothing,
 * and ed_json_finish() returns it: ED_ENOMEM, what a reply could not be sent
 * for, or ED_EUSAGE for what would not be JSON: a value without a key in an
 * object, a key elsewhere, a second value outside of everything, an end of
 * nothing, more than ED_JSON_DEPTH levels. That a key comes twice in an object
 * is not seen.
 *
 * The text is compact RFC 8259, always valid UTF-8, whatever the locale. All
 * functions may be given NULL for the writer, as when there was no memory for
 * one; ed_json_finish() returns ED_ENOMEM then. They suspend if the writer is a
 * reply's and the client is slow, and never else. A writer belongs to one fiber
 * at a time.
 */
#ifndef EDDY_JSON_H
#define EDDY_JSON_H

#include <eddy/api.h>
#include <eddy/bytes.h>

ED_BEGIN_DECLS

typedef struct ed_json ed_json;
struct json_t; /* jansson's */

/* How many objects and arrays may be open at once. */
#define ED_JSON_DEPTH 64

/* A writer; its members are private, but for `why`: what was wrong with the
 * calls, for people; NULL when nothing was. */
struct ed_json {
    const char *why;
    char *at;  /* where the next byte goes */
    char *end; /* of the room there is */
    const struct ed_json_sink *sink;
    void *into;
    size_t before;    /* in a buffer: what was there already */
    uint64_t objects; /* a bit for each level: an object, not an array */
    uint8_t depth;
    uint8_t wants; /* what may come now */
    uint8_t after; /* what may come behind a value */
    bool comma;    /* one goes before what comes now */
    int error;
};

/*
 * Begins one JSON value behind what `buf` holds. Until ed_json_finish() the
 * buffer is the writer's: nothing else may use it.
 */
ED_API void ed_json_begin(ed_json *j, struct ed_buf *buf);

/*
 * Ends the writing. In a buffer the text is whole and NUL-terminated then, or,
 * on failure, the buffer holds what it held before. In a reply: see
 * ed_reply_json_begin().
 *
 * Returns 0, or the first error since the beginning, or
 *   ED_EUSAGE  nothing was written, an object or array is open, or it was
 *              called before
 */
ED_API ED_CHECK int ed_json_finish(ed_json *j);

/* The first error so far, or 0: for loops that had better stop. */
ED_API int ed_json_error(const ed_json *j);

/* Opens an object or an array, and closes what was opened last. */
ED_API void ed_json_object(ed_json *j);
ED_API void ed_json_array(ed_json *j);
ED_API void ed_json_end(ed_json *j);

/* The name of the next value of an object; escaped as a text is. */
ED_API void ed_json_key_bytes(ed_json *j, struct ed_bytes name);

static inline void ed_json_key(ed_json *j, const char *name)
{
    ed_json_key_bytes(j, ed_bytes(name));
}

/*
 * A text of any bytes, of which those that JSON cannot hold as they are get
 * escaped. A byte that is not part of valid UTF-8 becomes U+FFFD, so that one
 * bad name does not cost a whole reply. ed_json_text() of NULL is null.
 */
ED_API void ed_json_bytes(ed_json *j, struct ed_bytes text);
ED_API void ed_json_text(ed_json *j, const char *text);

/* Whole numbers, every digit of them. JavaScript and others read numbers as
 * doubles, and so lose digits from 2^53 on; larger ids are better texts. */
ED_API void ed_json_int(ed_json *j, int64_t n);
ED_API void ed_json_uint(ed_json *j, uint64_t n);

/*
 * A number in the fewest digits that read as the same double again: 0.1, 12,
 * 1e300. Without an exponent from 1e-5 to 1e17; a whole one has no ".0", but
 * the negative zero is -0.0, so that no reader takes it for an integer. JSON
 * has no NaN and no infinity: they become null, as in JavaScript.
 */
ED_API void ed_json_double(ed_json *j, double x);

ED_API void ed_json_bool(ed_json *j, bool truth);
ED_API void ed_json_null(ed_json *j);

/* A value that is JSON already, such as what a database made of it. It is
 * copied as it is and not looked at, but for being there: an empty one is
 * ED_EUSAGE. Never pass what a client sent. */
ED_API void ed_json_raw(ed_json *j, struct ed_bytes json);

/* A value of jansson, which stays the caller's; NULL is null. Its numbers and
 * texts are written as those above. */
ED_API void ed_json_value(ed_json *j, const struct json_t *value);

/* ---- reading ---- */

/* How many objects and arrays may be within one another in a text that is read:
 * jansson calls itself for each, so that whoever wrote the text would choose
 * how much of a fiber's stack is taken. */
#define ED_JSON_READ_DEPTH 256

/* Room for what is wrong with a text, for people. */
#define ED_JSON_WHY 160

/*
 * Makes a value of jansson of a text, any value: *value is a new reference, to
 * be given back with json_decref(), and NULL on failure. To be used for what
 * others have sent, a message of a WebSocket, say: json_loadb() itself goes
 * deeper than the stack of a fiber. For bodies there are ed_body_json()
 * (http.h) and ed_res_json() (client.h).
 *
 * Does not suspend. Returns 0, or ED_EPARSE, and in `why`, unless that is NULL,
 * "line 1, column 7: ...".
 */
ED_API ED_CHECK int ed_json_parse(struct ed_bytes text, struct json_t **value,
                                  char why[ED_JSON_WHY]);

ED_END_DECLS
#endif
