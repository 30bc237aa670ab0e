/*
 * fuzz_socks5.c - a proxy that answers with any bytes: however they are cut,
 * the client says the same, and comes to the same end.
 */
#include "check.h"
#include "wire/socks5.h"

struct talk {
    int end;
    size_t left; /* behind the last reply */
    struct ed_buf said;
};

/* The first byte says who asks for what, and how the rest is cut. */
static struct talk play(const uint8_t *data, size_t size, size_t piece)
{
    struct talk t = {0};
    struct ed_socks5 s = {
        .user = data[0] & 1 ? ED_BYTES("me") : ed_bytes(NULL),
        .password = ED_BYTES("word"),
        .host = data[0] & 2 ? ED_BYTES("1234") : ED_BYTES("a.org"),
        .is_address = data[0] & 2,
        .port = 443,
    };
    char *copy = check_copy(ed_bytes_of(data + 1, size - 1));
    struct ed_bytes in = ed_bytes_of(copy, size - 1);

    ed_socks5_begin(&s);
    t.end = ED_SOCKS5_SEND;
    while (t.end == ED_SOCKS5_SEND || (t.end == ED_SOCKS5_MORE && in.len)) {
        if (t.end == ED_SOCKS5_SEND)
            CHECK(ed_buf_add(&t.said, s.out, s.out_len) == 0);
        struct ed_bytes part = {in.ptr, in.len < piece ? in.len : piece};
        t.end = ed_socks5_read(&s, &part);
        in.len -= (size_t)(part.ptr - in.ptr);
        in.ptr = part.ptr;
    }
    CHECK(t.end >= 0 || s.error);
    t.left = in.len;
    free(copy);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    struct talk a = play(data, size, size);
    struct talk b = play(data, size, 1 + (data[0] >> 2));
    CHECK(a.end == b.end && a.left == b.left);
    CHECK(ed_bytes_equal(ed_buf_bytes(&a.said), ed_buf_bytes(&b.said)));
    ed_buf_free(&a.said);
    ed_buf_free(&b.said);
    return 0;
}
