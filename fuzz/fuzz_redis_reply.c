/*
 * fuzz_redis_reply.c - replies of a Redis server, at once and in pieces.
 *
 * The first byte is the size of the pieces, the second says where the caller
 * leaves, or what memory it has; the rest is what the server says. However it
 * arrives, the same replies and the same error must come out; and none of it
 * may touch an arena that is gone, or use more of one than there is.
 */
#include "check.h"
#include "redis/reader.h"

#include <eddy/error.h>

#define MAX_REPLY (64 * 1024)

struct reading {
    struct ed_buf text;
    unsigned replies;
    int result;
};

static void add_reply(struct ed_buf *text, const ed_redis_reply *reply)
{
    enum ed_redis_kind kind = ed_redis_kind(reply);
    struct ed_bytes bytes = ed_redis_bytes(reply);
    int64_t n = 0;

    if (kind == ED_REDIS_INTEGER)
        CHECK(ed_redis_int(reply, &n) == 0);
    CHECK(ed_buf_addf(text, "<%d:%lld:%zu:", kind, (long long)n, bytes.len) ==
          0);
    if (bytes.ptr) {
        CHECK(bytes.ptr[bytes.len] == '\0');
        CHECK(ed_buf_add(text, bytes.ptr, bytes.len) == 0);
    }
    for (size_t i = 0; i < ed_redis_count(reply); i++)
        add_reply(text, ed_redis_at(reply, i));
    CHECK(ed_buf_addf(text, ">") == 0);
}

/* Reads one piece, which lies alone in memory. */
static void read_piece(struct reading *r, struct redis_reader *reader,
                       struct ed_bytes piece)
{
    const char *copy = check_copy(piece);
    struct ed_bytes in = ed_bytes_of(copy, piece.len);

    while ((r->result = redis_reader_next(reader, &in)) == 1) {
        r->replies++;
        CHECK(!reader->reply || !reader->err);
        if (reader->err)
            CHECK(ed_buf_addf(&r->text, "<%d>", reader->err) == 0);
        else if (reader->arena)
            add_reply(&r->text, reader->reply);
    }
    CHECK(r->result == ED_EPROTO || (r->result == 0 && !in.len));
    if (r->result)
        CHECK(*redis_reader_why(reader));
    free((void *)copy);
}

/* `leaves` is after how many pieces the arena goes. */
static void read_in_steps(struct reading *r, struct ed_bytes bytes, size_t step,
                          size_t arena_limit, size_t leaves)
{
    ed_arena *arena = ed_arena_new(arena_limit);
    struct redis_reader reader;

    *r = (struct reading){0};
    CHECK(arena && redis_reader_open(&reader, MAX_REPLY) == 0);
    reader.arena = arena;
    for (size_t at = 0; at < bytes.len && !r->result; at += step) {
        size_t left = bytes.len - at;

        if (!leaves--) {
            reader.arena = NULL;
            ed_arena_free(arena);
            arena = NULL;
        }
        read_piece(r, &reader,
                   ed_bytes_of(bytes.ptr + at, left < step ? left : step));
    }
    redis_reader_close(&reader);
    ed_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reading whole, pieces, other;

    if (len < 2)
        return 0;
    struct ed_bytes bytes = ed_bytes_of(data + 2, len - 2);
    size_t step = 1 + data[0] % 64;
    read_in_steps(&whole, bytes, bytes.len, 0, SIZE_MAX);
    read_in_steps(&pieces, bytes, step, 0, SIZE_MAX);
    CHECK(whole.result == pieces.result);
    CHECK(
        ed_bytes_equal(ed_buf_bytes(&whole.text), ed_buf_bytes(&pieces.text)));
    read_in_steps(&other, bytes, step, 1 + data[1], SIZE_MAX);
    CHECK(other.result == whole.result && other.replies == whole.replies);
    ed_buf_free(&other.text);
    read_in_steps(&other, bytes, step, 0, data[1]);
    CHECK(other.result == whole.result && other.replies == whole.replies);
    ed_buf_free(&other.text);
    ed_buf_free(&whole.text);
    ed_buf_free(&pieces.text);
    return 0;
}
