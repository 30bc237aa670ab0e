/*
 * fuzz_set_cookie.c - Set-Cookie fields, behind the path of the URL that set
 * them: what is read lies within the field and can be sent back.
 */
#include "check.h"
#include "wire/cookie.h"
#include "wire/set_cookie.h"

static const int64_t NOW = 1795132800;

static void check_within(struct ed_bytes part, struct ed_bytes field)
{
    if (!part.len)
        return;
    CHECK(part.ptr >= field.ptr);
    CHECK(part.ptr + part.len <= field.ptr + field.len);
}

static void check_cookie(const struct ed_set_cookie *c, struct ed_bytes field)
{
    check_within(c->name, field);
    check_within(c->value, field);
    check_within(c->domain, field);
    check_within(c->path, field);
    CHECK(c->name.len + c->value.len > 0);
    CHECK(c->name.len + c->value.len <= ED_COOKIE_MAX);
    CHECK(!memchr(field.ptr, '\n', field.len));
    CHECK(!c->name.len || !memchr(c->name.ptr, '=', c->name.len));
    CHECK(!c->path.len || c->path.ptr[0] == '/');
    CHECK(!c->persistent || c->expires <= NOW + ED_COOKIE_AGE_MAX);
}

/* What goes back in a Cookie field is read there as the same. */
static void check_round_trip(const struct ed_set_cookie *c)
{
    struct ed_buf field = {0};
    struct ed_bytes value;

    if (!c->name.len)
        return;
    CHECK(!ed_buf_add(&field, c->name.ptr, c->name.len));
    CHECK(!ed_buf_add(&field, "=", 1));
    if (c->value.len)
        CHECK(!ed_buf_add(&field, c->value.ptr, c->value.len));
    CHECK(ed_cookie_find(ed_buf_bytes(&field), c->name, &value));
    CHECK(ed_bytes_equal(value, c->value));
    ed_buf_free(&field);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *copy = check_copy(ed_bytes_of(data, len));
    struct ed_bytes field = ed_bytes_of(copy, len);
    struct ed_bytes path = ed_bytes_cut(&field, '\n');
    struct ed_set_cookie cookie;
    const char *why;

    if (!field.ptr)
        field = path;
    struct ed_bytes directory = ed_cookie_default_path(path);
    CHECK(directory.len && directory.ptr[0] == '/');
    if (path.len && path.ptr[0] == '/')
        CHECK(ed_cookie_path_match(path, directory));
    if (ed_set_cookie_parse(&cookie, field, NOW, &why)) {
        CHECK(why);
    } else {
        CHECK(!why);
        check_cookie(&cookie, field);
        check_round_trip(&cookie);
        (void)ed_cookie_path_match(path, cookie.path);
        (void)ed_cookie_domain_match(path, cookie.domain);
    }
    free(copy);
    return 0;
}
