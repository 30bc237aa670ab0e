/*
 * test_client_redirects.c - where a fetch is led, and what it tells there.
 */
#include "peer.h"
#include "certs.h"
#include <eddy/client.h>
#include <errno.h>

#define OK "HTTP/1.1 200 Ok\r\nContent-Length: 2\r\n\r\nok"
#define TO(status, location)                                         \
    ">HTTP/1.1 " #status " Go\r\nLocation: " location "\r\nContent-" \
    "Length: 4\r\n\r\ngone"

/* ---- methods and bodies ---- */

/* What a method becomes, and whether its body goes on. */
static void leads_to(int status, const char *method, const char *want,
                     bool with_body)
{
    char redirect[128], head[64];
    const char *const script[] = {
        "<",
        *method == 'P' ? "<4" : "",
        redirect,
        "<",
        with_body ? "<4" : "",
        strcmp(want, "HEAD") != 0 ? ">" OK : ">HTTP/1.1 200 Ok\r\n\r\n",
        NULL};
    static const char *const headers[] = {"Content-Language: en", "X-A: b",
                                          NULL};
    struct peer p = {.scripts = {script}};
    ed_res *res;

    snprintf(redirect, sizeof(redirect),
             ">HTTP/1.1 %d Go\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n",
             status);
    peer_open(&p);
    struct ed_bytes body =
        *method == 'P' ? ED_BYTES("body") : (struct ed_bytes){0};
    check_int(ed_fetch(&res, p.url, .method = method, .headers = headers,
                       .body = body, .content_type = "a/b"),
              0);
    const char *second = strstr(peer_seen(&p), "/there");
    snprintf(head, sizeof(head), "%s /there HTTP/1.1\r\n", want);
    check(strstr(peer_seen(&p), head));
    if (check(second != NULL)) {
        check_int(!!strstr(second, "\r\n\r\nbody"), with_body);
        check_int(!!strstr(second, "Content-Type: a/b"), with_body);
        check_int(!!strstr(second, "Content-Language"), !strcmp(method, want));
        check(strstr(second, "X-A: b"));
    }
    peer_close(&p);
}

FIBER_TEST(methods_and_bodies_change_as_browsers_change_them)
{
    static const int same[] = {307, 308};

    for (int status = 301; status <= 302; status++) {
        leads_to(status, "GET", "GET", false);
        leads_to(status, "HEAD", "HEAD", false);
        leads_to(status, "POST", "GET", false);
        leads_to(status, "PUT", "PUT", true);
    }
    leads_to(303, "GET", "GET", false);
    leads_to(303, "HEAD", "HEAD", false);
    leads_to(303, "POST", "GET", false);
    leads_to(303, "PUT", "GET", false);
    leads_to(303, "DELETE", "GET", false);
    for (size_t i = 0; i < 2; i++) {
        leads_to(same[i], "GET", "GET", false);
        leads_to(same[i], "POST", "POST", true);
        leads_to(same[i], "PATCH", "PATCH", true);
    }
}

struct source {
    size_t given;
    int rewinds;
    int answer; /* of a rewind */
};

static ssize_t give(void *arg, void *buf, size_t len)
{
    struct source *source = arg;

    (void)len;
    if (source->given)
        return 0;
    memcpy(buf, "body", source->given = 4);
    return 4;
}

static int rewind_source(void *arg)
{
    struct source *source = arg;

    source->rewinds++;
    source->given = 0;
    return source->answer;
}

FIBER_TEST(a_body_in_pieces_is_sent_again_after_a_rewind)
{
    struct peer p = {
        .scripts = {SCRIPT("<", "<4", TO(307, "/b"), "<", "<4", ">" OK)}};
    struct source source = {0};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .send = give, .send_arg = &source,
                       .send_length = 4, .rewind = rewind_source),
              0);
    check_text(ed_res_text(res), "ok");
    check_int(source.rewinds, 1);
    check(strstr(strstr(peer_seen(&p), "POST /b "), "\r\n\r\nbody"));
    peer_close(&p);
}

FIBER_TEST(a_body_that_cannot_be_sent_again_fails_and_says_why)
{
    struct peer p = {.scripts = {SCRIPT("<", "<4", TO(307, "/b"), "<", "<4",
                                        TO(307, "/b"))}};
    struct source source = {.answer = -EIO};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .send = give, .send_arg = &source,
                       .send_length = 4),
              ED_EUSAGE);
    check(strstr(ed_error(), "answered 307"));
    check(strstr(ed_error(), ".rewind"));
    check(!res);
    source = (struct source){.answer = -EIO};
    check_int(ed_fetch(&res, p.url, .send = give, .send_arg = &source,
                       .send_length = 4, .rewind = rewind_source),
              -EIO);
    peer_close(&p);
}

FIBER_TEST(a_body_that_is_not_sent_again_needs_no_rewind)
{
    struct peer p = {
        .scripts = {SCRIPT("<", "<4", TO(303, "/b"), "<", ">" OK)}};
    struct source source = {0};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .send = give, .send_arg = &source,
                       .send_length = 4),
              0);
    check(strstr(peer_seen(&p), "GET /b "));
    check(!strstr(strstr(peer_seen(&p), "GET /b "), "Content-Length"));
    peer_close(&p);
}

/* ---- where to ---- */

static void resolves(const char *path, const char *location, const char *want)
{
    char redirect[200], url[200], text[200];
    const char *const script[] = {"<", redirect, "<", ">" OK, NULL};
    struct peer p = {.scripts = {script}};
    ed_res *res;

    snprintf(redirect, sizeof(redirect),
             ">HTTP/1.1 302 Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
             location);
    peer_open(&p);
    snprintf(url, sizeof(url), "http://%s%s", p.host, path);
    check_int(ed_get(&res, url), 0);
    snprintf(text, sizeof(text), "http://%s%s", p.host, want);
    check_text(ed_res_url(res), text);
    check_int(ed_res_redirects(res), 1);
    check_int(p.accepted, 1); /* the connection was kept for it */
    peer_close(&p);
}

FIBER_TEST(a_location_is_resolved_against_the_url)
{
    resolves("/a/b", "c?d", "/a/c?d");
    resolves("/a/b", "../x", "/x");
    resolves("/a/b", "/x", "/x");
    resolves("/a?b", "?c", "/a?c");
    resolves("/a#part", "/x", "/x#part");
    resolves("/a#part", "/x#other", "/x#other");
    resolves("/a", "/with space", "/with%20space");
    resolves("/a", "/caf\303\251", "/caf%C3%A9");
}

static void is_given_as_it_is(const char *line)
{
    char redirect[200];
    const char *const script[] = {"<", redirect, "=", NULL};
    struct peer p = {.scripts = {script}};
    ed_res *res;

    snprintf(redirect, sizeof(redirect),
             ">HTTP/1.1 %s\r\nContent-Length: 4\r\n\r\ngone", line);
    peer_open(&p);
    check_int(ed_get(&res, p.url), 0);
    check_text(ed_res_text(res), "gone");
    check_int(ed_res_redirects(res), 0);
    check_text(ed_res_url(res), p.url);
    peer_close(&p);
}

FIBER_TEST(what_leads_nowhere_is_given_as_it_is)
{
    is_given_as_it_is("302 Go");
    is_given_as_it_is("302 Go\r\nLocation: ftp://a/");
    is_given_as_it_is("302 Go\r\nLocation: mailto:a@b");
    is_given_as_it_is("302 Go\r\nLocation: http:///x");
    is_given_as_it_is("302 Go\r\nLocation: file:///etc/passwd");
    is_given_as_it_is("302 Go\r\nLocation: http+unix://%2Frun%2Fx.sock/");
    is_given_as_it_is("300 Many\r\nLocation: /x");
    is_given_as_it_is("201 New\r\nLocation: /x");
}

FIBER_TEST(a_client_or_a_fetch_may_follow_none)
{
    struct peer p = {
        .scripts = {SCRIPT("<", TO(302, "/b"), "<", TO(302, "/b"), "=")}};
    ed_client *client = ed_client_new(.max_redirects = -1);
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client), 0);
    check_int(ed_res_status(res), 302);
    check_int(ed_fetch(&res, p.url, .max_redirects = -1), 0);
    check_int(ed_res_status(res), 302);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_relative_redirect_stays_on_its_socket)
{
    struct peer p = {.scripts = {SCRIPT("<", TO(302, "/b?c"), "<", ">" OK)},
                     .large = true};
    char url[200];
    ed_res *res;

    peer_open(&p);
    check_int(ed_get(&res, p.url), 0);
    check_text(ed_res_text(res), "ok");
    snprintf(url, sizeof(url), "%sb?c", p.url);
    check_text(ed_res_url(res), url);
    peer_close(&p);
}

FIBER_TEST(loops_end_with_an_error_that_names_the_last_url)
{
    struct peer p = {.scripts = {SCRIPT("<", TO(302, "/a"), "<", TO(302, "/b"),
                                        "<", TO(302, "/c"))}};
    struct ed_client_counts counts;
    ed_client *client = ed_client_new(.max_redirects = 2);
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client), ED_EREDIRECT);
    check(strstr(ed_error(), "more than 2 redirects"));
    check(strstr(ed_error(), "/c"));
    check(!res);
    ed_client_counts(client, &counts);
    check_int(counts.redirects, 2);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(ten_are_followed_by_default)
{
    struct peer p = {.scripts = {SCRIPT("<", TO(302, "/a"))}};
    ed_res *res;

    peer_open(&p);
    check_int(ed_get(&res, p.url), ED_EREDIRECT);
    check_int(p.accepted, 11);
    peer_close(&p);
}

/* ---- what is told to whom ---- */

static const char *const secrets[] = {"Authorization: Token x",
                                      "Cookie: a=b",
                                      "Proxy-Authorization: Basic y",
                                      "Host: named",
                                      "X-Mine: z",
                                      NULL};

static bool tells_secrets(const char *seen)
{
    return strstr(seen, "Authorization") || strstr(seen, "Cookie") ||
           strstr(seen, "named");
}

/* Fetches by a redirect from one origin to another, or to the same. */
static void redirect_to(struct peer *to, const char *location)
{
    char redirect[200];
    const char *const script[] = {"<", redirect, "<", ">" OK, NULL};
    struct peer from = {.scripts = {script}};
    ed_res *res;

    snprintf(redirect, sizeof(redirect),
             ">HTTP/1.1 307 Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
             location);
    peer_open(&from);
    check_int(ed_fetch(&res, from.url, .headers = secrets), 0);
    check_text(ed_res_text(res), "ok");
    const char *second = strstr(peer_seen(&from), "GET /same");
    if (second)
        check(tells_secrets(second));
    if (to)
        check(!second && strstr(peer_seen(to), "X-Mine: z"));
    peer_close(&from);
}

FIBER_TEST(another_origin_hears_nothing_that_was_meant_for_the_first)
{
    struct peer to = {.scripts = {SCRIPT("<", ">" OK)}};

    peer_open(&to);
    redirect_to(NULL, "/same");
    redirect_to(&to, to.url);
    check(!tells_secrets(peer_seen(&to)));
    check(strstr(peer_seen(&to), to.host));
    peer_close(&to);
}

FIBER_TEST(a_password_goes_to_its_origin_alone_and_not_back_either)
{
    struct peer to = {.scripts = {SCRIPT("<", ">" OK)}};
    char redirect[300], location[200];
    const char *const script[] = {"<", TO(302, "/same"), "<", redirect,
                                  "<", ">" OK,           NULL};
    struct peer from = {.scripts = {script}};
    char url[200];
    ed_res *res;

    peer_open(&to);
    peer_open(&from);
    snprintf(location, sizeof(location), "http://%s/there", to.host);
    snprintf(redirect, sizeof(redirect),
             ">HTTP/1.1 302 Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
             location);
    snprintf(url, sizeof(url), "http://me:pass%%20word@%s/", from.host);
    check_int(ed_get(&res, url), 0);
    check_text(ed_res_url(res), location);
    const char *second = strstr(peer_seen(&from), "GET /same");
    /* me:pass word */
    check(second && strstr(second, "Authorization: Basic bWU6cGFzcyB3b3Jk"));
    check(!strstr(peer_seen(&from), "me:pass"));
    check(!strstr(peer_seen(&to), "Authorization"));
    peer_close(&from);
    peer_close(&to);
}

FIBER_TEST(a_location_does_not_say_who_asks)
{
    struct peer to = {.scripts = {SCRIPT("<", ">" OK)}};
    char redirect[300], location[200];
    const char *const script[] = {"<", redirect, NULL};
    struct peer from = {.scripts = {script}};
    ed_res *res;

    peer_open(&to);
    peer_open(&from);
    snprintf(location, sizeof(location), "http://me:%%00@%s/", to.host);
    snprintf(redirect, sizeof(redirect),
             ">HTTP/1.1 302 Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
             location);
    check_int(ed_get(&res, from.url), 0);
    check_text(ed_res_url(res), to.url);
    check(!strstr(peer_seen(&to), "Authorization"));
    peer_close(&from);
    peer_close(&to);
}

/* The same host, but nobody protects what is sent there. */
FIBER_TEST(from_https_to_http_nothing_goes_along)
{
    struct peer to = {.scripts = {SCRIPT("<", ">" OK)}};
    char redirect[300];
    const char *const script[] = {"T", "<", TO(302, "/same"), "<", redirect,
                                  "=", NULL};
    ed_tls *server_tls = NULL, *client_tls = NULL;
    ed_jar *jar = ed_jar_new();
    ed_res *res;

    check_int(ed_tls_server(&server_tls, .certificate = certs_path("site.pem"),
                            .key = certs_path("site.key")),
              0);
    check_int(ed_tls_client(&client_tls, .ca = certs_path("ca.pem")), 0);
    ed_client *client = ed_client_new(.tls = client_tls, .jar = jar);
    struct peer from = {.scripts = {script}, .tls = server_tls};
    peer_open(&to);
    peer_open(&from);
    snprintf(redirect, sizeof(redirect),
             ">HTTP/1.1 307 Go\r\nLocation: http://%s/\r\nSet-Cookie: jar=1;"
             " Secure\r\nContent-Length: 0\r\n\r\n",
             to.host);
    char url[ED_ADDR_TEXT + 16];
    snprintf(url, sizeof(url), "https://%s/", from.host);
    check_int(ed_fetch(&res, url, .client = client, .headers = secrets,
                       .user = "me", .password = "word"),
              0);
    check_text(ed_res_text(res), "ok");
    check(tells_secrets(strstr(peer_seen(&from), "GET /same")));
    check(!tells_secrets(peer_seen(&to)));
    check_text(ed_jar_get(jar, url, "jar"), "1");
    ed_client_free(client);
    ed_jar_free(jar);
    peer_close(&from);
    peer_close(&to);
    ed_tls_free(server_tls);
    ed_tls_free(client_tls);
}

/* ---- streams ---- */

FIBER_TEST(responses_on_the_way_to_a_streamed_one_are_closed)
{
    struct peer p = {.scripts = {SCRIPT("<", TO(302, "/b"), "<", ">" OK, "="),
                                 SCRIPT("<",
                                        ">HTTP/1.1 302 Go\r\nLocation: /b\r\n"
                                        "Content-Length: 99999\r\n\r\nx",
                                        "="),
                                 SCRIPT("<", ">" OK, "=")}};
    ed_client *client = ed_client_new();
    struct ed_client_counts counts;
    char text[8] = "";
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .stream = true), 0);
    check_int(ed_res_status(res), 200);
    check_int(ed_res_read(res, text, sizeof(text)), 2);
    check_int(ed_res_redirects(res), 1);
    ed_res_close(res);
    check_int(p.accepted, 1);
    ed_client_free(client);

    /* A long one is not read to its end. */
    client = ed_client_new();
    check_int(ed_fetch(&res, p.url, .client = client, .stream = true), 0);
    check_int(ed_res_status(res), 200);
    check_int(p.accepted, 3);
    ed_res_close(res);
    ed_client_counts(client, &counts);
    check_int(counts.open, 1);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(the_time_counts_from_the_first_request)
{
    struct peer p = {
        .scripts = {SCRIPT("<", "~30", TO(302, "/b"), "<", "~40", ">" OK)}};
    struct ed_res_timing t;
    int64_t began = ed_now();
    ed_res *res;

    peer_open(&p);
    check_int(ed_get(&res, p.url), 0);
    ed_res_timing(res, &t);
    check_int(t.started, began);
    check_int(t.done - began, 70 * ED_MS);
    peer_close(&p);
}

/* ---- what is watched ---- */

struct watched {
    unsigned redirected;
    unsigned done;
    char url[200];
};

static void watch(void *arg, const struct ed_phase_event *event)
{
    struct watched *w = arg;

    check(!strstr(event->url, "word"));
    if (event->phase == ED_PHASE_REDIRECTED) {
        w->redirected++;
        snprintf(w->url, sizeof(w->url), "%s", event->url);
        check_int(event->status, 302);
    }
    w->done += event->phase == ED_PHASE_DONE;
}

FIBER_TEST(a_hook_hears_of_each_redirect_and_of_one_end)
{
    struct peer p = {.scripts = {SCRIPT("<", TO(302, "/b"), "<", ">" OK, "=")}};
    struct watched w = {0};
    ed_client *client = ed_client_new(.hook = watch, .hook_arg = &w);
    char url[200], byte;
    ed_res *res;

    peer_open(&p);
    snprintf(url, sizeof(url), "http://me:word@%s/", p.host);
    check_int(ed_fetch(&res, url, .client = client, .stream = true), 0);
    check_int(w.redirected, 1);
    check_int(w.done, 0);
    check(strstr(w.url, "/b"));
    check_int(ed_res_read(res, &byte, 1), 1);
    ed_res_close(res);
    check_int(w.done, 1);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_hook_hears_of_one_end_of_a_loop_too)
{
    struct peer p = {.scripts = {SCRIPT("<", TO(302, "/a"))}};
    struct watched w = {0};
    ed_client *client = ed_client_new(.hook = watch, .hook_arg = &w);
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .stream = true),
              ED_EREDIRECT);
    check_int(w.redirected, 10);
    check_int(w.done, 1);
    ed_client_free(client);
    peer_close(&p);
}

static ssize_t give_for_ever(void *arg, void *buf, size_t len)
{
    size_t *given = arg;

    memset(buf, 'x', len);
    *given += len;
    return (ssize_t)len;
}

static int begin_anew(void *arg)
{
    *(size_t *)arg = 0;
    return 0;
}

FIBER_TEST(a_server_that_redirects_early_is_not_sent_the_rest)
{
    struct peer p = {.scripts = {SCRIPT("<", TO(307, "/b")),
                                 SCRIPT("<", TO(303, "/c")),
                                 SCRIPT("<", ">" OK, "=")},
                     .large = true};
    size_t given = 0;
    char text[8];
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .send = give_for_ever, .send_arg = &given,
                       .rewind = begin_anew, .stream = true),
              0);
    check_int(ed_res_status(res), 200);
    check_int(ed_res_redirects(res), 2);
    check_int(ed_res_read(res, text, sizeof(text)), 2);
    ed_res_close(res);
    peer_close(&p);
}

static int open_certs(void **state)
{
    (void)state;
    certs_open();
    certs_make(.file = "site", .names = "127.0.0.1");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_and_bodies_change_as_browsers_change_them),
        cmocka_unit_test(a_body_in_pieces_is_sent_again_after_a_rewind),
        cmocka_unit_test(a_body_that_cannot_be_sent_again_fails_and_says_why),
        cmocka_unit_test(a_body_that_is_not_sent_again_needs_no_rewind),
        cmocka_unit_test(a_location_is_resolved_against_the_url),
        cmocka_unit_test(what_leads_nowhere_is_given_as_it_is),
        cmocka_unit_test(a_client_or_a_fetch_may_follow_none),
        cmocka_unit_test(a_relative_redirect_stays_on_its_socket),
        cmocka_unit_test(loops_end_with_an_error_that_names_the_last_url),
        cmocka_unit_test(ten_are_followed_by_default),
        cmocka_unit_test(
            another_origin_hears_nothing_that_was_meant_for_the_first),
        cmocka_unit_test(
            a_password_goes_to_its_origin_alone_and_not_back_either),
        cmocka_unit_test(a_location_does_not_say_who_asks),
        cmocka_unit_test(from_https_to_http_nothing_goes_along),
        cmocka_unit_test(responses_on_the_way_to_a_streamed_one_are_closed),
        cmocka_unit_test(the_time_counts_from_the_first_request),
        cmocka_unit_test(a_hook_hears_of_each_redirect_and_of_one_end),
        cmocka_unit_test(a_hook_hears_of_one_end_of_a_loop_too),
        cmocka_unit_test(a_server_that_redirects_early_is_not_sent_the_rest),
    };
    return cmocka_run_group_tests(tests, open_certs, certs_tear_down);
}
