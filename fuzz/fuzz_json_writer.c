/*
 * fuzz_json_writer.c - JSON as it is written: what any sequence of calls says,
 * jansson reads as the same tree; and the same calls into the smallest room
 * there can be give the same text. Calls in the wrong order give nothing.
 *
 * The input is a program: a byte that chooses a call, and its argument.
 */
#include "check.h"
#include "wire/json_writer.h"

#include <eddy/error.h>
#include <jansson.h>
#include <math.h>

struct program {
    const uint8_t *at;
    const uint8_t *end;
};

static uint8_t next_byte(struct program *p)
{
    return p->at < p->end ? *p->at++ : 0;
}

static uint64_t next_number(struct program *p)
{
    uint64_t n = 0;
    int bytes = next_byte(p) % 9;

    for (int i = 0; i < bytes; i++)
        n = n << 8 | next_byte(p);
    return n;
}

static double next_double(struct program *p)
{
    uint64_t n = next_number(p);
    double x;

    if (next_byte(p) % 2)
        return (double)(int64_t)n / 1000;
    memcpy(&x, &n, sizeof x);
    return x;
}

/* A text to be freed, with nothing behind it that may be read. */
static char *next_text(struct program *p, struct ed_bytes *text)
{
    size_t len = next_byte(p);

    if (len > (size_t)(p->end - p->at))
        len = (size_t)(p->end - p->at);
    char *copy = check_copy(ed_bytes_of(p->at, len));
    p->at += len;
    *text = ed_bytes_of(copy, len);
    return copy;
}

static bool is_utf8(struct ed_bytes text)
{
    json_t *s = json_stringn(text.ptr, text.len);

    json_decref(s);
    return s;
}

/* ---- the tree that should come out ---- */

struct tree {
    json_t *open[ED_JSON_DEPTH];
    int depth;
    json_t *root;
    char *key;   /* of the value to come */
    bool wrong;  /* a call came where it may not: nothing counts any more */
    bool unsure; /* holds what the writer has replaced */
    bool unread; /* holds what jansson cannot read */
};

static json_t *innermost(const struct tree *t)
{
    return t->depth ? t->open[t->depth - 1] : NULL;
}

/* Puts a value where the next one goes; it is the tree's from then on. A key
 * that comes again replaces the value, as it does when jansson reads it. */
static void put(struct tree *t, json_t *value)
{
    json_t *in = innermost(t);

    CHECK(value);
    t->wrong |= in ? json_is_object(in) && !t->key : t->root != NULL;
    if (t->wrong) {
        json_decref(value);
    } else if (!in) {
        t->root = value;
    } else if (json_is_array(in)) {
        json_array_append_new(in, value);
    } else {
        json_object_set_new_nocheck(in, t->key, value);
        free(t->key);
        t->key = NULL;
    }
}

static void open_level(struct tree *t, json_t *value)
{
    t->wrong |= t->depth == ED_JSON_DEPTH;
    put(t, value);
    if (!t->wrong)
        t->open[t->depth++] = value;
}

static void close_level(struct tree *t)
{
    t->wrong |= !t->depth || t->key;
    t->depth -= !t->wrong;
}

static void put_text(struct tree *t, struct ed_bytes text)
{
    if (!is_utf8(text)) {
        t->unsure = true;
        put(t, json_null());
        return;
    }
    put(t, json_stringn(text.ptr, text.len));
}

static void put_key(struct tree *t, struct ed_bytes name)
{
    t->wrong |= !json_is_object(innermost(t)) || t->key;
    if (t->wrong)
        return;
    t->unsure |= !is_utf8(name);
    t->unread |= name.len && memchr(name.ptr, 0, name.len);
    t->key = strndup(name.len ? name.ptr : "", name.len);
    CHECK(t->key);
}

static json_t *number_of(double x)
{
    if (!isfinite(x))
        return json_null();
    return json_real(x);
}

/* ---- one call ---- */

static void call(struct program *p, ed_json *j, struct tree *t)
{
    struct ed_bytes text;
    char *copy;
    uint64_t n;
    double x;

    switch (next_byte(p) % 11) {
    case 0:
        ed_json_object(j);
        open_level(t, json_object());
        break;
    case 1:
        ed_json_array(j);
        open_level(t, json_array());
        break;
    case 2:
        ed_json_end(j);
        close_level(t);
        break;
    case 3:
        copy = next_text(p, &text);
        ed_json_key_bytes(j, text);
        put_key(t, text);
        free(copy);
        break;
    case 4:
        copy = next_text(p, &text);
        ed_json_bytes(j, text);
        put_text(t, text);
        free(copy);
        break;
    case 5:
        n = next_number(p);
        ed_json_int(j, (int64_t)n);
        put(t, json_integer((json_int_t)n));
        break;
    case 6:
        n = next_number(p);
        ed_json_uint(j, n);
        t->unread |= n > INT64_MAX;
        put(t, json_integer((json_int_t)n));
        break;
    case 7:
        x = next_double(p);
        ed_json_double(j, x);
        put(t, number_of(x));
        break;
    case 8:
        n = next_byte(p) % 2;
        ed_json_bool(j, n);
        put(t, json_boolean(n));
        break;
    case 9:
        ed_json_null(j);
        put(t, json_null());
        break;
    default:
        ed_json_raw(j, ED_BYTES(" [1, {\"a\": null}] "));
        put(t, json_pack("[i, {s: n}]", 1, "a"));
    }
}

/* ---- comparing ---- */

/* jansson tells 1 from 1.0; JSON does not. */
static bool same_number(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b))
        return json_integer_value(a) == json_integer_value(b);
    double x = json_number_value(a), y = json_number_value(b);
    return x == y && !signbit(x) == !signbit(y);
}

static bool same(json_t *a, json_t *b)
{
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_number(a) && json_is_number(b))
        return same_number(a, b);
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_array(a)) {
        if (json_array_size(a) != json_array_size(b))
            return false;
        json_array_foreach(a, i, value)
        {
            if (!same(value, json_array_get(b, i)))
                return false;
        }
        return true;
    }
    if (!json_is_object(a))
        return json_equal(a, b);
    if (json_object_size(a) != json_object_size(b))
        return false;
    json_object_foreach(a, key, value)
    {
        json_t *other = json_object_get(b, key);
        if (!other || !same(value, other))
            return false;
    }
    return true;
}

static void check_text(struct ed_bytes text, const struct tree *t)
{
    const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_t *read = json_loadb(text.ptr, text.len, flags, NULL);
    struct ed_json again;
    struct ed_buf buf = {0};

    CHECK(read || t->unread);
    if (t->unsure || t->unread) {
        json_decref(read);
        return;
    }
    CHECK(same(read, t->root));

    /* Given back to the writer, it is written as something equal. */
    ed_json_begin(&again, &buf);
    ed_json_value(&again, read);
    if (!ed_json_finish(&again)) {
        json_t *twice = json_loadb(buf.ptr, buf.len, flags, NULL);
        CHECK(twice && same(read, twice));
        json_decref(twice);
    }
    ed_buf_free(&buf);
    json_decref(read);
}

/* ---- the smallest room there can be ---- */

struct narrow {
    char room[ED_JSON_ROOM];
    struct ed_buf text;
};

static void take(ed_json *j)
{
    struct narrow *n = j->into;

    CHECK(j->at <= n->room + sizeof n->room);
    CHECK(!ed_buf_add(&n->text, n->room, (size_t)(j->at - n->room)));
    j->at = n->room;
}

static int narrow_room(ed_json *j, size_t more)
{
    (void)more;
    take(j);
    return 0;
}

static int narrow_finish(ed_json *j, int err)
{
    take(j);
    return err;
}

static void run(struct program p, ed_json *j, struct tree *t)
{
    while (p.at < p.end)
        call(&p, j, t);
    /* What is open at the end is closed, for more to be right. */
    while (t->depth && !t->wrong) {
        ed_json_end(j);
        close_level(t);
    }
    t->wrong |= !t->root;
}

static void forget(struct tree *t)
{
    free(t->key);
    json_decref(t->root);
    *t = (struct tree){0};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct ed_json_sink sink = {narrow_room, narrow_finish};
    struct program p = {data, data + len};
    struct narrow narrow = {0};
    struct ed_buf buf = {0};
    struct tree tree = {0};
    struct ed_json j;

    ed_json_begin(&j, &buf);
    run(p, &j, &tree);
    int err = ed_json_finish(&j);
    CHECK(err == (tree.wrong ? ED_EUSAGE : 0));
    CHECK(!err || (j.why && !buf.len));
    if (!err)
        check_text(ed_buf_bytes(&buf), &tree);
    forget(&tree);

    ed_json_start(&j, &sink, &narrow, narrow.room,
                  narrow.room + sizeof narrow.room);
    run(p, &j, &tree);
    CHECK(ed_json_finish(&j) == err);
    if (!err)
        CHECK(ed_bytes_equal(ed_buf_bytes(&buf), ed_buf_bytes(&narrow.text)));
    forget(&tree);
    ed_buf_free(&narrow.text);
    ed_buf_free(&buf);
    return 0;
}
