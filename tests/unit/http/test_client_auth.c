/*
 * test_client_auth.c - saying who asks.
 *
 * The names and challenge of most digests are those of RFC 7616's example; what
 * the responses have to be was computed with Python's hashlib.
 */
#include "peer.h"
#include "http/digest.h"
#include <eddy/client.h>

#define OK ">HTTP/1.1 200 Ok\r\nContent-Length: 2\r\n\r\nok"
#define ASKS(challenge)                                                \
    ">HTTP/1.1 401 Who\r\nWWW-Authenticate: " challenge "\r\nContent-" \
    "Length: 3\r\n\r\nwho"

/* ---- at once ---- */

FIBER_TEST(basic_is_sent_at_once)
{
    struct peer p = {.scripts = {SCRIPT("<", OK)}};
    ed_res *res;

    peer_open(&p);
    check_int(
        ed_fetch(&res, p.url, .user = "Aladdin", .password = "open sesame"), 0);
    check(strstr(peer_seen(&p), "\r\nAuthorization: Basic "
                                "QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"));
    check_int(ed_fetch(&res, p.url, .user = "a:b"), ED_EUSAGE);
    check(strstr(ed_error(), "':'"));
    peer_close(&p);
}

FIBER_TEST(a_refused_password_is_not_tried_again)
{
    struct peer p = {.scripts = {SCRIPT("<", ASKS("Basic realm=\"x\""), "=")}};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .user = "me", .password = "word"), 0);
    check_int(ed_res_status(res), 401);
    check_text(ed_res_text(res), "who");
    peer_close(&p);
}

FIBER_TEST(user_information_of_a_url_is_decoded)
{
    struct peer p = {.scripts = {SCRIPT("<", OK, "<", OK)}};
    char url[200];
    ed_res *res;

    peer_open(&p);
    snprintf(url, sizeof(url), "http://Aladdin:open%%20sesame@%s/x", p.host);
    check_int(ed_get(&res, url), 0);
    check(strstr(peer_seen(&p), "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    check(strstr(peer_seen(&p), "GET /x HTTP/1.1\r\nHost: 127.0.0.1:"));
    check(!strchr(ed_res_url(res), '@'));
    /* Options are stronger; "me:you" */
    check_int(ed_fetch(&res, url, .user = "me", .password = "you"), 0);
    check(strstr(peer_seen(&p), "bWU6eW91"));
    peer_close(&p);
}

FIBER_TEST(user_information_that_is_empty_names_nobody)
{
    struct peer p = {.scripts = {SCRIPT("<", OK)}};
    char url[200];
    ed_res *res;

    peer_open(&p);
    snprintf(url, sizeof(url), "http://@%s/x", p.host);
    check_int(ed_get(&res, url), 0);
    check(!strstr(peer_seen(&p), "Authorization"));
    check(!strchr(ed_res_url(res), '@'));
    peer_close(&p);
}

FIBER_TEST(a_bearer_is_a_token)
{
    struct peer p = {.scripts = {SCRIPT("<", OK, "<", OK)}};
    static const char *const own[] = {"authorization: Mine", NULL};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .bearer = "abc.def"), 0);
    check(strstr(peer_seen(&p), "\r\nAuthorization: Bearer abc.def\r\n"));
    check_int(ed_fetch(&res, p.url, .bearer = "other", .headers = own), 0);
    check(!strstr(peer_seen(&p), "Bearer other"));
    check_int(ed_fetch(&res, p.url, .bearer = "sec\r\nret"), ED_EUSAGE);
    check(!strstr(ed_error(), "sec"));
    peer_close(&p);
}

/* ---- digest, by itself ---- */

static void answer(const char *challenge, const char *cnonce,
                   struct ed_bytes user, const char *password,
                   struct ed_buf *out)
{
    struct ed_digest_challenge c;
    struct ed_digest_request r = {
        .method = ED_BYTES("GET"),
        .target = ED_BYTES("/dir/index.html"),
        .user = user,
        .password = ed_bytes(password),
    };

    if (!check(ed_digest_read(&c, ed_bytes(challenge))))
        return;
    snprintf(c.cnonce, sizeof(c.cnonce), "%.32s", cnonce);
    check_int(ed_digest_answer(&c, &r, out), 0);
    ed_digest_free(&c);
}

static void gives(const char *challenge, const char *cnonce, const char *want)
{
    struct ed_buf out = {0};

    answer(challenge, cnonce, ED_BYTES("Mufasa"), "Circle of Life", &out);
    check_(out.ptr && strstr(out.ptr, want) != NULL, "'%s' is not in '%s'",
           want, out.ptr);
    ed_buf_free(&out);
}

#define EXAMPLE                                                       \
    "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", "       \
    "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=" \
    "\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""

#define CNONCE "f2/wE4q74E6zIJEtWaHKaf5wv/H5Qzzp"

static void responds(const char *algorithm, const char *want)
{
    char challenge[300], text[100];

    snprintf(challenge, sizeof(challenge), EXAMPLE ", algorithm=%s", algorithm);
    snprintf(text, sizeof(text), "response=\"%s\", algorithm=%s", want,
             algorithm);
    gives(challenge, CNONCE, text);
}

FIBER_TEST(responses_are_those_of_another_implementation)
{
    responds("MD5", "dda177d054576be9e6474d51b1cedf2f");
    responds("MD5-sess", "934ec53819f0a2444401073266a0da89");
    responds("SHA-256", "96c8921129970350104d5af2f528b275"
                        "696fee2bb4ab2c8f75feca7c02c50fca");
    responds("SHA-256-sess", "8ceeb5357a99a47606d16f00db475c99"
                             "17c2c77994ea641eecdbe0cb7e803bf1");
    responds("SHA-512-256", "87b7ae82e2356b214603f75dc16b51a4"
                            "1bd8da47e4af3e892c320e09a30bf2ad");
    responds("SHA-512-256-sess", "40e0fc5c8e27e9b324aec90ba30becbb"
                                 "de3a0cc73fd627a5c012a6fe7eca78cc");
    /* Old servers offer no quality of protection. */
    gives("realm=\"http-auth@example.org\", nonce="
          "\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\"",
          CNONCE, "response=\"7b2cc3b30e75b4777ea31027084363fd\"");
    gives(EXAMPLE ", algorithm=SHA-256, userhash=true", CNONCE,
          "username=\"a947aad205e80e429958a387394944c6b496301e79f89d35a4cc23b6"
          "ee12b5b6\", realm=");
}

FIBER_TEST(answers_have_all_their_parts)
{
    struct ed_buf out = {0};

    answer("realm=\"a\\\"b\", nonce=\"n\", opaque=\"\", qop=auth", "c",
           ED_BYTES("me\"\\"), "word", &out);
    check(strstr(out.ptr, "Digest username=\"me\\\"\\\\\", realm=\"a\\\"b\", "
                          "nonce=\"n\", uri=\"/dir/index.html\", response=\""));
    check(strstr(out.ptr, "\", algorithm=MD5, qop=auth, nc=00000001, "
                          "cnonce=\"c\", opaque=\"\""));
    check(!strstr(out.ptr, "word"));
    ed_buf_free(&out);
}

FIBER_TEST(counts_grow_with_each_answer)
{
    struct ed_digest_challenge c;
    struct ed_digest_request r = {.user = ED_BYTES("me")};
    struct ed_buf out = {0};

    check(ed_digest_read(&c, ED_BYTES("realm=x, nonce=y, qop=auth")));
    for (int i = 0; i < 0x12; i++)
        check_int(ed_digest_answer(&c, &r, &out), 0);
    check(strstr(out.ptr, "nc=00000001"));
    check(strstr(out.ptr, "nc=00000012"));
    out.len = 0;
    check_int(ed_digest_set_nonce(&c, ED_BYTES("z")), 0);
    check_int(ed_digest_answer(&c, &r, &out), 0);
    check(strstr(out.ptr, "nonce=\"z\""));
    check(strstr(out.ptr, "nc=00000001"));
    ed_buf_free(&out);
    ed_digest_free(&c);
}

FIBER_TEST(what_cannot_be_answered_is_not_read)
{
    static const char *const bad[] = {
        "nonce=y",
        "realm=x",
        "realm=x, nonce=y, algorithm=SHA-1",
        "realm=x, nonce=y, qop=\"auth-int\"",
        "realm=x, nonce=y, qop=\"\"",
    };
    struct ed_digest_challenge c;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        check(!ed_digest_read(&c, ed_bytes(bad[i])));
        ed_digest_free(&c);
    }
}

/* ---- digest, fetching ---- */

FIBER_TEST(a_digest_is_sent_when_asked_for_and_then_at_once)
{
    struct peer p = {
        .scripts = {SCRIPT("<", ASKS("Digest " EXAMPLE), "<", OK, "<", OK)}};
    ed_client *client = ed_client_new();
    ed_res *res;

    peer_open(&p);
    for (int i = 0; i < 2; i++)
        check_int(ed_fetch(&res, p.url, .client = client, .user = "Mufasa",
                           .password = "Circle of Life",
                           .auth = ED_AUTH_DIGEST),
                  0);
    check_int(ed_res_status(res), 200);
    check(!strstr(peer_seen(&p), "Basic"));
    const char *first = strstr(peer_seen(&p), "Authorization: Digest");
    check(first && strstr(first, "nc=00000001"));
    check(first && strstr(first, "nc=00000002"));
    check(first && strstr(first, "uri=\"/\""));
    check_int(p.accepted, 1);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(the_strongest_challenge_is_answered)
{
    struct peer p = {
        .scripts = {SCRIPT(
            "<",
            ASKS("Basic realm=x, Digest realm=x, nonce=md5, qop=auth\r\n"
                 "WWW-Authenticate: Digest realm=x, nonce=sha, qop=auth, "
                 "algorithm=SHA-256, Digest realm=x, nonce=odd, "
                 "algorithm=SHA-999"),
            "<", OK)}};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .user = "me", .auth = ED_AUTH_ANY), 0);
    check(strstr(peer_seen(&p), "nonce=\"sha\""));
    check(strstr(peer_seen(&p), "algorithm=SHA-256"));
    peer_close(&p);
}

FIBER_TEST(any_takes_basic_when_there_is_nothing_better)
{
    struct peer p = {
        .scripts = {SCRIPT("<", ASKS("Basic realm=x"), "<", OK, "<", OK)}};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .user = "me", .auth = ED_AUTH_ANY), 0);
    check_int(ed_res_status(res), 200);
    check_int(ed_fetch(&res, p.url, .user = "me", .auth = ED_AUTH_ANY), 0);
    check_int(ed_res_status(res), 200);
    peer_close(&p);
}

FIBER_TEST(who_wants_digest_never_sends_a_password)
{
    struct peer p = {.scripts = {SCRIPT("<", ASKS("Basic realm=x"), "=")}};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .user = "me", .auth = ED_AUTH_DIGEST), 0);
    check_int(ed_res_status(res), 401);
    check(!strstr(peer_seen(&p), "Authorization"));
    peer_close(&p);
}

FIBER_TEST(a_wrong_password_is_tried_once)
{
    struct peer p = {.scripts = {SCRIPT("<", ASKS("Digest " EXAMPLE), "<",
                                        ASKS("Digest " EXAMPLE), "=")}};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .user = "me", .auth = ED_AUTH_DIGEST), 0);
    check_int(ed_res_status(res), 401);
    peer_close(&p);
}

#define STALE(nonce) ASKS("Digest realm=x, qop=auth, stale=TRUE, nonce=" nonce)

FIBER_TEST(a_stale_nonce_is_replaced_but_not_for_ever)
{
    struct peer p = {
        .scripts = {SCRIPT("<", STALE("a"), "<", STALE("b"), "<", OK, "<",
                           STALE("c"), "<", STALE("d"), "<", STALE("e"), "<",
                           STALE("f"), "=")}};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .user = "me", .auth = ED_AUTH_DIGEST), 0);
    check_int(ed_res_status(res), 200);
    check(strstr(peer_seen(&p), "nonce=\"b\""));
    check_int(ed_fetch(&res, p.url, .user = "me", .auth = ED_AUTH_DIGEST), 0);
    check_int(ed_res_status(res), 401);
    check(strstr(peer_seen(&p), "nonce=\"e\""));
    check(!strstr(peer_seen(&p), "nonce=\"f\""));
    peer_close(&p);
}

FIBER_TEST(the_next_nonce_is_used)
{
    struct peer p = {
        .scripts = {SCRIPT("<", ASKS("Digest realm=x, nonce=a, qop=auth"), "<",
                           ">HTTP/1.1 200 Ok\r\nAuthentication-Info: nextnonce"
                           "=\"b\"\r\nContent-Length: 2\r\n\r\nok",
                           "<", OK)}};
    ed_res *res;

    peer_open(&p);
    for (int i = 0; i < 2; i++)
        check_int(ed_fetch(&res, p.url, .user = "me", .auth = ED_AUTH_DIGEST),
                  0);
    const char *second = strstr(peer_seen(&p), "nonce=\"b\"");
    check(second && strstr(second, "nc=00000001"));
    peer_close(&p);
}

static ssize_t give(void *arg, void *buf, size_t len)
{
    bool *given = arg;

    (void)len;
    if (*given)
        return 0;
    *given = true;
    memcpy(buf, "body", 4);
    return 4;
}

static int give_again(void *arg)
{
    *(bool *)arg = false;
    return 0;
}

FIBER_TEST(a_challenge_wants_the_body_once_more)
{
    struct peer p = {
        .scripts = {SCRIPT("<", "<4", ASKS("Digest " EXAMPLE), "<", "<4", OK)}};
    bool given = false;
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .send = give, .send_arg = &given,
                       .send_length = 4, .rewind = give_again, .user = "me",
                       .auth = ED_AUTH_DIGEST),
              0);
    check_int(ed_res_status(res), 200);
    peer_close(&p);

    struct peer q = {.scripts = {SCRIPT("<", "<4", ASKS("Digest " EXAMPLE))}};
    given = false;
    peer_open(&q);
    check_int(ed_fetch(&res, q.url, .send = give, .send_arg = &given,
                       .send_length = 4, .user = "me", .auth = ED_AUTH_DIGEST),
              ED_EUSAGE);
    check(strstr(ed_error(), "answered 401"));
    peer_close(&q);
}

FIBER_TEST(a_streamed_fetch_is_challenged_too)
{
    struct peer p = {
        .scripts = {SCRIPT("<", ASKS("Digest " EXAMPLE), "<", OK)}};
    char text[8];
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .stream = true, .user = "me",
                       .auth = ED_AUTH_DIGEST),
              0);
    check_int(ed_res_status(res), 200);
    check_int(ed_res_read(res, text, sizeof(text)), 2);
    ed_res_close(res);
    check_int(p.accepted, 1);
    peer_close(&p);
}

/* How the i-th name of one server is fetched. */
static void get_name(ed_client *client, const struct peer *p, int i)
{
    char url[100];
    ed_res *res;

    snprintf(url, sizeof(url), "http://n%d.test%s/", i, strchr(p->host, ':'));
    check_int(ed_fetch(&res, url, .client = client, .user = "me",
                       .auth = ED_AUTH_DIGEST),
              0);
    check_int(ed_res_status(res), 200);
}

FIBER_TEST(the_longest_unused_of_64_origins_is_forgotten)
{
    enum { NAMES = 65, LENGTH = 32 };
    struct peer p = {.scripts = {SCRIPT("<", ASKS("Digest realm=x, nonce=y"),
                                        "<", OK, "<", OK, "=")}};
    char hosts[NAMES][LENGTH];
    const char *map[NAMES + 1] = {NULL};

    for (int i = 0; i < NAMES; i++) {
        snprintf(hosts[i], LENGTH, "n%d.test=127.0.0.1", i);
        map[i] = hosts[i];
    }
    ed_client *client = ed_client_new(.hosts = map);
    peer_open(&p);
    for (int i = 0; i < NAMES; i++)
        get_name(client, &p, i);
    p.seen.len = 0;
    get_name(client, &p, 1);
    check(strstr(peer_seen(&p), "Authorization: Digest"));
    p.seen.len = 0;
    get_name(client, &p, 0);
    check(!strstr(peer_seen(&p), "Authorization: Digest"));
    ed_client_free(client);
    peer_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(basic_is_sent_at_once),
        cmocka_unit_test(a_refused_password_is_not_tried_again),
        cmocka_unit_test(user_information_of_a_url_is_decoded),
        cmocka_unit_test(user_information_that_is_empty_names_nobody),
        cmocka_unit_test(a_bearer_is_a_token),
        cmocka_unit_test(responses_are_those_of_another_implementation),
        cmocka_unit_test(answers_have_all_their_parts),
        cmocka_unit_test(counts_grow_with_each_answer),
        cmocka_unit_test(what_cannot_be_answered_is_not_read),
        cmocka_unit_test(a_digest_is_sent_when_asked_for_and_then_at_once),
        cmocka_unit_test(the_strongest_challenge_is_answered),
        cmocka_unit_test(any_takes_basic_when_there_is_nothing_better),
        cmocka_unit_test(who_wants_digest_never_sends_a_password),
        cmocka_unit_test(a_wrong_password_is_tried_once),
        cmocka_unit_test(a_stale_nonce_is_replaced_but_not_for_ever),
        cmocka_unit_test(the_next_nonce_is_used),
        cmocka_unit_test(a_challenge_wants_the_body_once_more),
        cmocka_unit_test(a_streamed_fetch_is_challenged_too),
        cmocka_unit_test(the_longest_unused_of_64_origins_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
