/*
 * test_crypto.c - digests, derived keys and random bytes.
 */
#include "net/crypto.h"
#include <eddy/error.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static void digests_are_those_of_their_standards(void **state)
{
    /* RFC 1321, A.5, and FIPS 180's examples. */
    static const struct {
        enum ed_digest kind;
        const char *bytes, *text;
    } known[] = {
        {ED_MD5, "", "d41d8cd98f00b204e9800998ecf8427e"},
        {ED_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72"},
        {ED_SHA256, "",
         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {ED_SHA256, "abc",
         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {ED_SHA512_256, "abc",
         "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"},
    };
    char text[ED_DIGEST_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        struct ed_bytes bytes = ed_bytes(known[i].bytes);

        assert_int_equal(ed_digest_text(known[i].kind, bytes, text), 0);
        assert_string_equal(text, known[i].text);
    }
}

static void a_digest_says_its_length(void **state)
{
    uint8_t out[ED_DIGEST_MAX];

    (void)state;
    assert_int_equal(ed_digest(ED_MD5, ED_BYTES("a"), out), 16);
    assert_int_equal(ed_digest(ED_SHA256, ED_BYTES("a"), out), 32);
    assert_int_equal(ed_digest(ED_SHA512_256, ed_bytes(NULL), out), 32);
}

/* RFC 5869, A.3: no salt, no purpose. */
static void keys_are_derived_as_by_hkdf(void **state)
{
    static const uint8_t known[] = {
        0x8d, 0xa4, 0xe7, 0x75, 0xa5, 0x63, 0xc1, 0x8f, 0x71, 0x5f, 0x80,
        0x2a, 0x06, 0x3c, 0x5a, 0x31, 0xb8, 0xa1, 0x1f, 0x5c, 0x5e, 0xe1,
        0x87, 0x9e, 0xc3, 0x45, 0x4e, 0x5f, 0x3c, 0x73, 0x8d, 0x2d, 0x9d,
        0x20, 0x13, 0x95, 0xfa, 0xa4, 0xb6, 0x1a, 0x96, 0xc8};
    uint8_t secret[22], out[sizeof(known)];

    (void)state;
    memset(secret, 0x0b, sizeof(secret));
    assert_int_equal(ed_derive(ed_bytes_of(secret, sizeof(secret)),
                               ED_BYTES(""), out, sizeof(out)),
                     0);
    assert_memory_equal(out, known, sizeof(known));
}

static void keys_of_other_purposes_differ(void **state)
{
    struct ed_bytes secret = ED_BYTES("a secret of a few bytes");
    uint8_t a[32], b[32];

    (void)state;
    assert_int_equal(ed_derive(secret, ED_BYTES("a"), a, sizeof(a)), 0);
    assert_int_equal(ed_derive(secret, ED_BYTES("b"), b, sizeof(b)), 0);
    assert_memory_not_equal(a, b, sizeof(a));
}

static void more_than_hkdf_can_give_is_refused(void **state)
{
    static uint8_t out[8161];

    (void)state;
    assert_int_equal(ed_derive(ED_BYTES("x"), ED_BYTES("y"), out, 8160), 0);
    assert_int_equal(ed_derive(ED_BYTES("x"), ED_BYTES("y"), out, 8161),
                     ED_EUSAGE);
}

static void random_bytes_are_never_the_same(void **state)
{
    uint8_t a[16], b[16];

    (void)state;
    assert_int_equal(ed_random(a, sizeof(a)), 0);
    assert_int_equal(ed_random(b, sizeof(b)), 0);
    assert_memory_not_equal(a, b, sizeof(a));
}

static void an_erased_secret_is_gone(void **state)
{
    static const char zeros[6];
    char secret[6] = "secret";

    (void)state;
    ed_erase(secret, sizeof(secret));
    assert_memory_equal(secret, zeros, sizeof(zeros));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_those_of_their_standards),
        cmocka_unit_test(a_digest_says_its_length),
        cmocka_unit_test(keys_are_derived_as_by_hkdf),
        cmocka_unit_test(keys_of_other_purposes_differ),
        cmocka_unit_test(more_than_hkdf_can_give_is_refused),
        cmocka_unit_test(random_bytes_are_never_the_same),
        cmocka_unit_test(an_erased_secret_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
