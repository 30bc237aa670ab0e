/*
 * test_jar.c - which cookies are kept, and who is sent them.
 */
#include "peer.h"
#include "http/jar.h"
#include <eddy/client.h>
#include <eddy/clock.h>
#include <errno.h>
#include <sys/stat.h>

/* The names of the cookies a URL is sent, in their order. */
static const char *sent(ed_jar *jar, const char *text)
{
    static char names[8192];
    struct ed_cookie *cookies[ED_JAR_SITE_MAX];
    struct ed_jar_place to;
    struct ed_url url;
    const char *why;

    size_t len = 0;
    check_int(ed_url_parse(&url, ed_bytes(text), &why), 0);
    check(ed_jar_place(&to, url.host, url.path, url.secure));
    size_t count = ed_jar_find(jar, &to, ed_clock_realtime() / ED_S, cookies);
    *names = '\0';
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s",
                                i ? " " : "", cookies[i]->name.ptr);
    return names;
}

static unsigned count(const ed_jar *jar)
{
    struct ed_jar_cookie cookie;
    unsigned n = 0;

    while (ed_jar_at(jar, n, &cookie))
        n++;
    return n;
}

static void refuses(ed_jar *jar, const char *url, const char *cookie,
                    const char *why)
{
    unsigned before = count(jar);

    check_int(ed_jar_set(jar, url, cookie), ED_EFORBIDDEN);
    check_(strstr(ed_error(), why) != NULL, "%s: '%s' instead of '%s'", cookie,
           ed_error(), why);
    check_int(count(jar), before);
}

FIBER_TEST(a_cookie_goes_back_to_where_it_came_from)
{
    ed_jar *jar = ed_jar_new();

    check_int(ed_jar_set(jar, "http://a.org/x/y", "n=v"), 0);
    check_text(ed_jar_get(jar, "http://A.ORG/x/z", "n"), "v");
    check_text(ed_jar_get(jar, "https://a.org:8443/x", "n"), "v");
    check(!ed_jar_get(jar, "http://a.org/", "n"));
    check(!ed_jar_get(jar, "http://b.org/x/y", "n"));
    check(!ed_jar_get(jar, "http://sub.a.org/x/y", "n"));
    check(!ed_jar_get(jar, "http://a.org/x/y", "N"));
    check(!ed_jar_get(jar, "no url", "n"));
    check_int(ed_jar_set(jar, "no url", "n=v"), ED_EURL);
    check_int(ed_jar_set(jar, "http://a.org/", "="), ED_EPARSE);
    check(strstr(ed_error(), "neither name nor value"));
    ed_jar_free(jar);
    ed_jar_free(NULL);
}

FIBER_TEST(a_domain_covers_names_below_it)
{
    ed_jar *jar = ed_jar_new();

    check_int(ed_jar_set(jar, "http://x.a.org/", "n=v; Domain=.A.org"), 0);
    check_text(sent(jar, "http://a.org/"), "n");
    check_text(sent(jar, "http://y.a.org/"), "n");
    check_text(sent(jar, "http://b.org/"), "");
    check_text(sent(jar, "http://xa.org/"), "");
    refuses(jar, "http://a.org/", "n=v; Domain=b.org", "host is not in");
    refuses(jar, "http://a.org/", "n=v; Domain=x.a.org", "host is not in");
    ed_jar_free(jar);
}

FIBER_TEST(nobody_has_all_of_a_public_suffix)
{
    ed_jar *jar = ed_jar_new();

    refuses(jar, "http://a.org/", "n=v; Domain=org", "public suffix");
    refuses(jar, "http://a.co.uk/", "n=v; Domain=co.uk", "public suffix");
    refuses(jar, "http://a.github.io/", "n=v; Domain=github.io",
            "public suffix");
    refuses(jar, "http://a.unheard/", "n=v; Domain=unheard", "public suffix");
    refuses(jar, "http://a.co.uk./", "n=v; Domain=co.uk.", "public suffix");
    refuses(jar, "http://a.org./", "n=v; Domain=org.", "public suffix");
    /* Whoever is one can have cookies of its own. */
    check_int(ed_jar_set(jar, "http://github.io/", "n=v; Domain=github.io"), 0);
    check_text(sent(jar, "http://github.io/"), "n");
    check_text(sent(jar, "http://a.github.io/"), "");
    check_int(ed_jar_set(jar, "http://localhost/", "l=v; Domain=localhost"), 0);
    check_text(sent(jar, "http://localhost/"), "l");
    ed_jar_free(jar);
}

FIBER_TEST(addresses_have_no_names_below_them)
{
    ed_jar *jar = ed_jar_new();

    check_int(ed_jar_set(jar, "http://10.0.0.7/", "n=v; Domain=10.0.0.7"), 0);
    check_int(ed_jar_set(jar, "http://[::1]/", "m=v"), 0);
    check_text(sent(jar, "http://10.0.0.7/"), "n");
    check_text(sent(jar, "http://[::1]/"), "m");
    refuses(jar, "http://10.0.0.7/", "n=v; Domain=0.0.7", "host is not in");
    refuses(jar, "http://10.0.0.7/", "n=v; Domain=7", "host is not in");
    ed_jar_free(jar);
}

FIBER_TEST(a_unix_socket_has_cookies_of_its_own)
{
    ed_jar *jar = ed_jar_new();

    check_int(ed_jar_set(jar, "http+unix://%2Frun%2Fx.sock/", "n=v"), 0);
    check_text(ed_jar_get(jar, "http+unix://%2Frun%2Fx.sock/a", "n"), "v");
    check(!ed_jar_get(jar, "http+unix://%2Frun%2Fy.sock/a", "n"));
    check(!ed_jar_get(jar, "http://localhost/", "n"));
    refuses(jar, "http+unix://%2Frun%2Fx.sock/", "n=v; Domain=localhost",
            "host is not in");
    ed_jar_free(jar);
}

FIBER_TEST(secure_cookies_come_and_go_by_tls_only)
{
    ed_jar *jar = ed_jar_new();

    check_int(ed_jar_set(jar, "https://a.org/", "n=v; Secure"), 0);
    check_text(sent(jar, "https://a.org/"), "n");
    check_text(sent(jar, "http://a.org/"), "");
    refuses(jar, "http://a.org/", "m=v; Secure", "in the clear");
    /* Nor does one in the clear take its place, or stand before it. */
    refuses(jar, "http://a.org/", "n=evil", "instead of a Secure one");
    refuses(jar, "http://a.org/", "n=evil; Path=/x", "instead of a Secure one");
    refuses(jar, "http://x.a.org/", "n=evil; Domain=a.org",
            "instead of a Secure one");
    check_text(ed_jar_get(jar, "https://a.org/", "n"), "v");
    check_int(ed_jar_set(jar, "http://a.org/", "other=v"), 0);
    ed_jar_free(jar);
}

FIBER_TEST(names_keep_what_their_prefix_promises)
{
    ed_jar *jar = ed_jar_new();

    refuses(jar, "https://a.org/", "__Secure-n=v", "not Secure");
    refuses(jar, "https://a.org/", "__SECURE-n=v", "not Secure");
    refuses(jar, "http://a.org/", "__Secure-n=v", "not Secure");
    check_int(ed_jar_set(jar, "https://a.org/", "__Secure-n=v; Secure"), 0);
    refuses(jar, "https://a.org/", "__Host-n=v; Path=/", "not Secure");
    refuses(jar, "https://a.org/", "__Host-n=v; Secure", "another Path");
    refuses(jar, "https://a.org/", "__Host-n=v; Secure; Path=/x",
            "another Path");
    refuses(jar, "https://a.org/", "__host-n=v; Secure; Path=/; Domain=a.org",
            "with a Domain");
    refuses(jar, "https://a.org/", "=__Host-n=v; Secure; Path=/",
            "looks like a name");
    check_int(ed_jar_set(jar, "https://a.org/", "__Host-n=v; Secure; Path=/"),
              0);
    ed_jar_free(jar);
}

FIBER_TEST(longer_paths_come_first_and_then_older_cookies)
{
    ed_jar *jar = ed_jar_new();
    const char *const url = "http://a.org/x/y/z";

    check_int(ed_jar_set(jar, url, "first=1; Path=/"), 0);
    check_int(ed_jar_set(jar, url, "deep=1; Path=/x/y"), 0);
    check_int(ed_jar_set(jar, url, "second=1; Path=/"), 0);
    check_int(ed_jar_set(jar, url, "middle=1; Path=/x"), 0);
    check_text(sent(jar, url), "deep middle first second");
    /* Its place in the order is that of the cookie it replaces. */
    check_int(ed_jar_set(jar, url, "first=2; Path=/"), 0);
    check_text(sent(jar, url), "deep middle first second");
    check_text(ed_jar_get(jar, url, "first"), "2");
    check_int(count(jar), 4);
    ed_jar_free(jar);
}

FIBER_TEST(a_cookie_of_the_past_takes_the_one_there_away)
{
    ed_jar *jar = ed_jar_new();
    const char *const url = "http://a.org/";

    check_int(ed_jar_set(jar, url, "n=1"), 0);
    check_int(ed_jar_set(jar, url, "n=; Max-Age=0; Path=/other"), 0);
    check_int(count(jar), 1);
    check_int(ed_jar_set(jar, url, "n=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
              0);
    check_int(count(jar), 0);
    ed_jar_free(jar);
}

FIBER_TEST(an_expired_cookie_is_sent_no_more)
{
    ed_jar *jar = ed_jar_new();
    struct ed_cookie *found[ED_JAR_SITE_MAX];
    struct ed_jar_place place;
    struct ed_set_cookie cookie;
    const char *why;

    check(ed_jar_place(&place, ed_bytes("a.org"), ed_bytes("/"), false));
    check_int(
        ed_set_cookie_parse(&cookie, ed_bytes("n=v; Max-Age=10"), 1000, &why),
        0);
    check_int(ed_jar_keep(jar, &place, &cookie, 1000, &why), 0);
    check_int(ed_jar_find(jar, &place, 1009, found), 1);
    check_int(ed_jar_find(jar, &place, 1010, found), 0);
    ed_jar_free(jar);
}

FIBER_TEST(a_site_keeps_180_and_drops_the_longest_unused)
{
    ed_jar *jar = ed_jar_new();
    char text[64];

    for (int i = 0; i < ED_JAR_SITE_MAX; i++) {
        /* However many names below it they come from. */
        snprintf(text, sizeof(text), "c%d=v; Domain=a.org", i);
        check_int(
            ed_jar_set(jar, i % 2 ? "http://x.a.org/" : "http://a.org/", text),
            0);
    }
    check_int(ed_jar_set(jar, "http://b.org/", "mine=v"), 0);
    check_int(count(jar), 181);
    check_int(ed_jar_set(jar, "http://a.org/", "new=v"), 0);
    check_int(count(jar), 181);
    check(!ed_jar_get(jar, "http://a.org/", "c0"));
    check(ed_jar_get(jar, "http://a.org/", "c1") != NULL);
    check(ed_jar_get(jar, "http://b.org/", "mine") != NULL);
    ed_jar_free(jar);
}

FIBER_TEST(a_jar_keeps_3000_and_drops_the_longest_unused)
{
    ed_jar *jar = ed_jar_new();
    char url[64];

    for (int i = 0; i < ED_JAR_MAX + 5; i++) {
        snprintf(url, sizeof(url), "http://a%d.org/", i);
        check_int(ed_jar_set(jar, url, "n=v"), 0);
    }
    check_int(count(jar), ED_JAR_MAX);
    check(!ed_jar_get(jar, "http://a4.org/", "n"));
    check(ed_jar_get(jar, "http://a5.org/", "n") != NULL);
    ed_jar_free(jar);
}

FIBER_TEST(a_domain_can_be_cleared)
{
    ed_jar *jar = ed_jar_new();

    check_int(ed_jar_set(jar, "http://a.org/", "n=v"), 0);
    check_int(ed_jar_set(jar, "http://x.a.org/", "n=v"), 0);
    check_int(ed_jar_set(jar, "http://ba.org/", "n=v"), 0);
    ed_jar_clear(jar, "A.org");
    check_int(count(jar), 1);
    ed_jar_clear(jar, NULL);
    check_int(count(jar), 0);
    ed_jar_free(jar);
}

/* ---- files ---- */

static const char *temporary(void)
{
    static char path[64];

    snprintf(path, sizeof(path), "/tmp/eddy-jar-%d", getpid());
    return path;
}

static void write_file(const char *text)
{
    FILE *file = fopen(temporary(), "w");

    fputs(text, file);
    fclose(file);
}

FIBER_TEST(what_is_saved_is_loaded)
{
    ed_jar *jar = ed_jar_new(), *again = ed_jar_new();
    struct ed_jar_cookie c;
    struct stat status;

    check_int(ed_jar_set(jar, "https://x.a.org/p/",
                         "n=a\tb; Domain=a.org; Max-Age=100; Secure; HttpOnly"),
              0);
    check_int(ed_jar_set(jar, "http://a.org/", "session=1"), 0);
    check_int(ed_jar_set(jar, "http://a.org/", "=nameless; Max-Age=9"), 0);
    write_file("something else");
    check_int(chmod(temporary(), 0644), 0);
    check_int(ed_jar_save(jar, temporary(), false), 0);
    check_int(stat(temporary(), &status), 0);
    check_int(status.st_mode & 0777, 0600);
    check_int(ed_jar_load(again, temporary()), 0);
    check_int(count(again), 2);
    check(ed_jar_at(again, 0, &c));
    check_text(c.name, "n");
    check_text(c.value, "a\tb");
    check_text(c.domain, "a.org");
    check_text(c.path, "/p");
    check(c.expires > ed_clock_realtime() / ED_S + 90);
    check(!c.host_only && c.secure && c.http_only);
    check_text(ed_jar_get(again, "http://a.org/", ""), "nameless");

    check_int(ed_jar_save(jar, temporary(), true), 0);
    check_int(ed_jar_load(again, temporary()), 0);
    check_int(count(again), 3);
    check_text(ed_jar_get(again, "http://a.org/", "session"), "1");
    ed_jar_free(jar);
    ed_jar_free(again);
    unlink(temporary());
}

FIBER_TEST(files_of_others_are_read)
{
    ed_jar *jar = ed_jar_new();
    struct ed_jar_cookie c;

    write_file("# Netscape HTTP Cookie File\r\n\n"
               ".a.org\tTRUE\t/\tFALSE\t4102444800\tlong\tv\r\n"
               "#HttpOnly_b.org\tFALSE\t/x\tTRUE\t0\tsession\t\n"
               "c.org\tFALSE\t/\tFALSE\t1\tpast\tv\n"
               "d.org\tFALSE\t/\tFALSE\t0\tno-value");
    check_int(ed_jar_load(jar, temporary()), 0);
    check_int(count(jar), 3);
    check(ed_jar_at(jar, 1, &c));
    check(c.http_only && c.secure && c.host_only && !c.expires);
    check_text(c.value, "");
    check(ed_jar_get(jar, "http://x.a.org/", "long") != NULL);
    check(ed_jar_get(jar, "http://d.org/", "no-value") != NULL);
    ed_jar_free(jar);
    unlink(temporary());
}

static void load_fails(const char *line, const char *why)
{
    ed_jar *jar = ed_jar_new();
    char text[512], want[256];

    snprintf(text, sizeof(text), "# x\na.org\tFALSE\t/\tFALSE\t0\tn\tv\n%s\n",
             line);
    snprintf(want, sizeof(want), "%s:3: %s", temporary(), why);
    write_file(text);
    check_int(ed_jar_load(jar, temporary()), ED_EPARSE);
    check_(strstr(ed_error(), want) != NULL, "'%s' instead of '%s'", ed_error(),
           want);
    check_int(count(jar), 1);
    ed_jar_free(jar);
    unlink(temporary());
}

FIBER_TEST(a_malformed_line_is_named)
{
    load_fails("a.org FALSE / FALSE 0 n v", "less than six parts");
    load_fails("a.org\tFALSE\t/\tFALSE\t0", "less than six parts");
    load_fails("\tFALSE\t/\tFALSE\t0\tn\tv", "no domain");
    load_fails("a.org\tNO\t/\tFALSE\t0\tn\tv", "neither TRUE nor FALSE");
    load_fails("a.org\tTRUE\t/\tFALSE\tsoon\tn\tv", "a time");
    load_fails("a.org\tTRUE\t/\tFALSE\t0\tn\tv\x01", "a control character");
    load_fails("a.org\tTRUE\t/\tFALSE\t0\t\t", "no cookie");
    load_fails("a.org\tFALSE\t/\tFALSE\t0\t__Host-n\tv", "a __Secure-");
}

FIBER_TEST(a_file_that_is_not_there_is_told_of)
{
    ed_jar *jar = ed_jar_new();

    check_int(ed_jar_load(jar, "/tmp/no/such/jar"), -ENOENT);
    check(strstr(ed_error(), "/tmp/no/such/jar"));
    check_int(ed_jar_save(jar, "/tmp/no/such/jar", true), -ENOENT);
    check(strstr(ed_error(), "/tmp/no/such/jar"));
    ed_jar_free(jar);
}

/* ---- fetching ---- */

FIBER_TEST(a_client_sends_what_its_jar_holds_and_keeps_what_is_set)
{
    struct peer p = {
        .scripts = {SCRIPT(
            "<",
            ">HTTP/1.1 302 Go\r\nLocation: /b\r\nSet-Cookie: one=1\r\n"
            "set-cookie: two=2; Path=/b\r\nContent-Length: 0\r\n\r\n",
            "<",
            ">HTTP/1.1 401 No\r\nSet-Cookie: three=3; Path=/\r\n"
            "Content-Length: 0\r\n\r\n",
            "<", ">HTTP/1.1 204 No\r\nSet-Cookie: bad=1; Domain=org\r\n\r\n",
            "<", ">HTTP/1.1 204 No\r\n\r\n", "=")}};
    static const char *const own[] = {"cookie: mine=1", NULL};
    ed_jar *jar = ed_jar_new();
    ed_client *client = ed_client_new(.jar = jar);
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client), 0);
    check_int(ed_res_status(res), 401);
    const char *second = strstr(peer_seen(&p), "GET /b ");
    check(second && strstr(second, "\r\nCookie: two=2; one=1\r\n"));
    check_int(ed_fetch(&res, p.url, .client = client), 0);
    check(strstr(peer_seen(&p), "\r\nCookie: one=1; three=3\r\n"));
    check_int(count(jar), 3);
    /* The caller's own take their place. */
    check_int(ed_fetch(&res, p.url, .client = client, .headers = own), 0);
    const char *last = strstr(peer_seen(&p), "cookie: mine=1");
    check(last && !strstr(last, "Cookie: one"));
    ed_client_free(client);
    ed_jar_free(jar);
    peer_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cookie_goes_back_to_where_it_came_from),
        cmocka_unit_test(a_domain_covers_names_below_it),
        cmocka_unit_test(nobody_has_all_of_a_public_suffix),
        cmocka_unit_test(addresses_have_no_names_below_them),
        cmocka_unit_test(a_unix_socket_has_cookies_of_its_own),
        cmocka_unit_test(secure_cookies_come_and_go_by_tls_only),
        cmocka_unit_test(names_keep_what_their_prefix_promises),
        cmocka_unit_test(longer_paths_come_first_and_then_older_cookies),
        cmocka_unit_test(a_cookie_of_the_past_takes_the_one_there_away),
        cmocka_unit_test(an_expired_cookie_is_sent_no_more),
        cmocka_unit_test(a_site_keeps_180_and_drops_the_longest_unused),
        cmocka_unit_test(a_jar_keeps_3000_and_drops_the_longest_unused),
        cmocka_unit_test(a_domain_can_be_cleared),
        cmocka_unit_test(what_is_saved_is_loaded),
        cmocka_unit_test(files_of_others_are_read),
        cmocka_unit_test(a_malformed_line_is_named),
        cmocka_unit_test(a_file_that_is_not_there_is_told_of),
        cmocka_unit_test(
            a_client_sends_what_its_jar_holds_and_keeps_what_is_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
