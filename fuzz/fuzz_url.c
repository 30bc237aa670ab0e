/*
 * fuzz_url.c - URLs: what is read lies within the text and fits together, what
 * is resolved can be read, what is escaped comes back.
 *
 * The input is a base and a reference with a line feed between them; the
 * reference serves as a path, a query and plain bytes, too.
 */
#include "check.h"
#include "wire/url.h"

#include <eddy/error.h>

static void check_within(struct ed_bytes part, struct ed_bytes text)
{
    if (!part.ptr)
        return;
    CHECK(part.ptr >= text.ptr);
    CHECK(part.ptr + part.len <= text.ptr + text.len);
}

static void check_parse(struct ed_bytes text)
{
    struct ed_url url;
    const char *why;
    int err = ed_url_parse(&url, text, &why);

    CHECK(err == 0 || (err == ED_EURL && why));
    if (err)
        return;
    check_within(url.scheme, text);
    check_within(url.userinfo, text);
    check_within(url.host, text);
    check_within(url.path, text);
    check_within(url.query, text);
    check_within(url.fragment, text);
    CHECK(url.host.len || url.socket.len);
    CHECK(!url.path.len || url.path.ptr[0] == '/');
    CHECK(url.port);
    CHECK(url.origin.ptr == text.ptr);
    CHECK(url.target.ptr == text.ptr + url.origin.len);
    CHECK(url.origin.len + url.target.len +
              (url.fragment.ptr ? url.fragment.len + 1 : 0) ==
          text.len);
}

/* Resolving is idempotent: its result is absolute and without dots. */
static void check_resolve(struct ed_bytes base, struct ed_bytes reference)
{
    struct ed_buf out = {0}, again = {0};
    int err = ed_url_resolve(&out, base, reference);

    CHECK(err == 0 || (err == ED_EURL && !out.len));
    if (!err) {
        check_parse(ed_buf_bytes(&out));
        CHECK(ed_url_resolve(&again, base, ed_buf_bytes(&out)) == 0);
        CHECK(ed_bytes_equal(ed_buf_bytes(&out), ed_buf_bytes(&again)));
    }
    ed_buf_free(&out);
    ed_buf_free(&again);
}

static void check_escaping(struct ed_bytes plain)
{
    for (int keep_slash = 0; keep_slash < 2; keep_slash++) {
        struct ed_buf escaped = {0};

        CHECK(ed_url_encode(&escaped, plain, keep_slash) == 0);
        ssize_t len = ed_url_decode(escaped.ptr, ed_buf_bytes(&escaped), false);
        if (memchr(plain.ptr, '\0', plain.len))
            CHECK(len == ED_EURL);
        else
            CHECK(ed_bytes_equal(ed_bytes_of(escaped.ptr, (size_t)len), plain));
        ed_buf_free(&escaped);
    }
}

static void check_decode(struct ed_bytes escaped)
{
    char *in_place = check_copy(escaped);
    ssize_t len =
        ed_url_decode(in_place, ed_bytes_of(in_place, escaped.len), true);

    CHECK(len == ED_EURL || (len >= 0 && len <= (ssize_t)escaped.len));
    free(in_place);
}

static void check_normalize(struct ed_bytes path)
{
    char *copy = check_copy(path);
    size_t len = ed_path_normalize(copy, path.len);
    char *again = check_copy(ed_bytes_of(copy, len));

    CHECK(len <= path.len);
    CHECK(ed_path_normalize(again, len) == len);
    CHECK(!memcmp(copy, again, len));
    CHECK(ed_bytes_find(ed_bytes_of(copy, len), ED_BYTES("/../")) < 0);
    CHECK(ed_bytes_find(ed_bytes_of(copy, len), ED_BYTES("/./")) < 0);
    CHECK(!path.len || path.ptr[0] != '/' || (len && copy[0] == '/'));
    free(copy);
    free(again);
}

static void check_query(struct ed_bytes query)
{
    struct ed_bytes rest = query, name, value;
    size_t seen = 0;

    while (ed_query_next(&rest, &name, &value)) {
        check_within(name, query);
        check_within(value, query);
        seen += name.len + value.len;
    }
    CHECK(seen <= query.len);
    CHECK(!rest.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *copy = check_copy(ed_bytes_of(data, len));
    struct ed_bytes reference = ed_bytes_of(copy, len);
    struct ed_bytes base = ed_bytes_cut(&reference, '\n');

    if (!reference.ptr)
        reference.ptr = copy;
    check_parse(base);
    check_resolve(base, reference);
    check_escaping(reference);
    check_decode(reference);
    check_normalize(reference);
    check_query(reference);
    free(copy);
    return 0;
}
