/*
 * fuzz_multipart.c - parts with names that try to be more than names.
 *
 * The input is a name, a file name and a type, with a NUL between them. What
 * is written must read as one part with just these, whatever they hold.
 */
#include "check.h"
#include "wire/multipart.h"

#include <eddy/error.h>

/* Takes `text`, which must be there, off the front. */
static void expect(struct ed_bytes *rest, struct ed_bytes text)
{
    CHECK(ed_bytes_starts(*rest, text));
    rest->ptr += text.len;
    rest->len -= text.len;
}

/* Takes a quoted name off the front, which must be the one given. */
static void expect_name(struct ed_bytes *rest, struct ed_bytes name)
{
    ssize_t len = ed_bytes_find(*rest, ED_BYTES("\""));
    struct ed_buf text = {0};

    CHECK(len >= 0 && !memchr(rest->ptr, '\n', (size_t)len) &&
          !memchr(rest->ptr, '\r', (size_t)len));
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        const char *is = c == '"' ? "%22" : c == '\r' ? "%0D" : "%0A";
        bool plain = c != '"' && c != '\r' && c != '\n';
        CHECK(ed_buf_add(&text, plain ? &c : is, plain ? 1 : 3) == 0);
    }
    expect(rest, ed_buf_bytes(&text));
    expect(rest, ED_BYTES("\""));
    ed_buf_free(&text);
}

static void check_part(struct ed_bytes out, const struct ed_multipart_part *p)
{
    expect(&out, ED_BYTES("\r\n--b\r\n"
                          "Content-Disposition: form-data; name=\""));
    expect_name(&out, p->name);
    if (p->filename.ptr) {
        expect(&out, ED_BYTES("; filename=\""));
        expect_name(&out, p->filename);
    }
    if (p->type.len) {
        expect(&out, ED_BYTES("\r\nContent-Type: "));
        CHECK(!memchr(p->type.ptr, '\n', p->type.len));
        expect(&out, p->type);
    }
    expect(&out, ED_BYTES("\r\n\r\n"));
    CHECK(!out.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *copy = check_copy(ed_bytes_of(data, len));
    struct ed_bytes rest = ed_bytes_of(copy, len);
    struct ed_multipart_part part = {.name = ed_bytes_cut(&rest, '\0')};
    struct ed_buf out = {0};

    if (rest.ptr)
        part.filename = ed_bytes_cut(&rest, '\0');
    part.type = rest;
    int err = ed_multipart_part(&out, "b", &part, false);
    CHECK(err == 0 || err == ED_EUSAGE);
    if (!err)
        check_part(ed_buf_bytes(&out), &part);
    ed_buf_free(&out);
    free(copy);
    return 0;
}
