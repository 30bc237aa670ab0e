/*
 * fuzz_auth.c - challenges: each lies within the field, the reading ends, and
 * what a digest challenge asks for can be put in quotes again.
 */
#include "check.h"
#include "wire/auth.h"
#include "wire/http1.h"

static void check_within(struct ed_bytes part, struct ed_bytes field)
{
    if (!part.len)
        return;
    CHECK(part.ptr >= field.ptr);
    CHECK(part.ptr + part.len <= field.ptr + field.len);
}

static void check_value(struct ed_bytes value)
{
    char *plain = malloc(value.len + 1);
    struct ed_buf quoted = {0};
    struct ed_auth_param param;

    CHECK(plain);
    size_t len = ed_auth_unescape(plain, value);
    CHECK(len <= value.len);
    CHECK(!ed_buf_add(&quoted, "x=", 2));
    CHECK(!ed_auth_add_quoted(&quoted, ed_bytes_of(plain, len)));
    struct ed_bytes rest = ed_buf_bytes(&quoted);
    CHECK(ed_auth_param_next(&rest, &param));
    char *again = malloc(param.value.len + 1);
    CHECK(again);
    CHECK(ed_auth_unescape(again, param.value) == len);
    CHECK(!memcmp(again, plain, len));
    free(again);
    free(plain);
    ed_buf_free(&quoted);
}

static void check_challenge(struct ed_challenge *c, struct ed_bytes field)
{
    struct ed_auth_param param;

    CHECK(ed_http1_is_token(c->scheme));
    check_within(c->scheme, field);
    check_within(c->token, field);
    check_within(c->params, field);
    CHECK(!c->token.len || !c->params.len);
    while (ed_auth_param_next(&c->params, &param)) {
        CHECK(ed_http1_is_token(param.name));
        check_within(param.value, field);
        check_value(param.value);
    }
    CHECK(!c->params.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *copy = check_copy(ed_bytes_of(data, len));
    struct ed_bytes field = ed_bytes_of(copy, len);
    struct ed_bytes rest = field;
    struct ed_challenge challenge;
    struct ed_auth_param param;

    while (ed_challenge_next(&rest, &challenge))
        check_challenge(&challenge, field);
    CHECK(!rest.len);
    rest = field;
    while (ed_auth_param_next(&rest, &param))
        check_within(param.value, field);
    free(copy);
    return 0;
}
