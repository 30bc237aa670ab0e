/*
 * test_static_send.c - files on their way: to slow clients, over TLS, while
 * they change, and when they have to be read from the disk.
 */
#include "static_site.h"
#include "../http/contexts.h"

#include <eddy/log.h>

enum { LARGE = 8000000 };

static char *noise;

/* The length of a head that was read to its end. */
static size_t read_head(ed_stream *client)
{
    struct ed_bytes head = {0};
    check_int(ed_stream_read_until(client, ED_BYTES("\r\n\r\n"), 4096, &head),
              0);
    return head.len;
}

/* Reads as long as something comes; the bytes read are as they should be. */
static size_t read_rest(ed_stream *client, size_t from)
{
    static char piece[100000];
    ssize_t n;
    while ((n = ed_stream_read(client, piece, sizeof piece)) > 0) {
        if (!check(from + (size_t)n <= LARGE) ||
            !check(!memcmp(piece, noise + from, (size_t)n)))
            break;
        from += (size_t)n;
    }
    return from;
}

static ed_stream *connect_to(const struct site *s)
{
    ed_stream *client = served_connect(&s->served);
    if (s->client_tls)
        check_int(ed_start_tls(&client, s->client_tls, .server_name = "a.org"),
                  0);
    return client;
}

/* Serves the large file, over TLS or in the clear. */
static void open_large(struct site *s, bool tls)
{
    site_make_directory(s);
    site_bytes(s, "large", noise, LARGE);
    (void)ed_static(s->app, "", s->directory);
    if (tls) {
        s->client_tls = client_tls;
        s->served.tls = server_tls;
    }
    served_open(&s->served, ed_app_handle, .user = s->app,
                .write_timeout = 10 * ED_S);
}

static void a_slow_client_gets_it_whole_(bool tls)
{
    struct site s;
    open_large(&s, tls);
    ed_stream *client = connect_to(&s);
    static char piece[1000000];
    served_ask(client, "/large");
    read_head(client);
    size_t got = 0;
    while (got < LARGE / 2) {
        check_int(ed_sleep(5 * ED_S), 0); /* less than the patience */
        if (!check_int(ed_stream_read_exactly(client, piece, sizeof piece), 0))
            break;
        check(!memcmp(piece, noise + got, sizeof piece));
        got += sizeof piece;
    }
    check_int(served_counts(&s.served).in_flight, 1);
    served_send(client, "GET /large HTTP/1.0\r\n\r\n");
    check_int(ed_stream_read_exactly(client, piece, 100), 0);
    ed_stream_close(client);
    settle();
    check_int(served_counts(&s.served).in_flight, 0);
    site_close(&s);
}

FIBER_TEST(a_slow_client_gets_it_whole)
{
    a_slow_client_gets_it_whole_(false);
    a_slow_client_gets_it_whole_(true);
}

static void a_client_that_takes_nothing_is_given_up_(bool tls)
{
    struct site s;
    open_large(&s, tls);
    ed_stream *client = connect_to(&s);
    served_ask(client, "/large");
    check_int(ed_sleep(ED_S), 0);
    check_int(served_counts(&s.served).in_flight, 1);
    check_int(ed_sleep(20 * ED_S), 0);
    check_int(served_counts(&s.served).in_flight, 0);
    check_int(served_counts(&s.served).open, 0);
    read_head(client);
    check(read_rest(client, 0) < LARGE);
    ed_stream_close(client);
    site_close(&s);
}

FIBER_TEST(a_client_that_takes_nothing_is_given_up)
{
    a_client_that_takes_nothing_is_given_up_(false);
    a_client_that_takes_nothing_is_given_up_(true);
}

static void a_file_cut_while_it_is_sent_cuts_the_connection_(bool tls)
{
    struct site s;
    open_large(&s, tls);
    ed_stream *client = connect_to(&s);
    served_ask(client, "/large");
    settle();
    check_int(truncate(site_path(&s, "large"), 3000000), 0);
    read_head(client);
    /* What was sent is true, and not all that was announced; and the client
     * need not wait to learn that. */
    int64_t began = ed_now();
    size_t got = read_rest(client, 0);
    check(got < LARGE);
    check(ed_now() - began < 5 * ED_S);
    ed_stream_close(client);
    settle();
    check_int(served_counts(&s.served).open, 0);
    site_close(&s);
}

FIBER_TEST(a_file_cut_while_it_is_sent_cuts_the_connection)
{
    a_file_cut_while_it_is_sent_cuts_the_connection_(false);
    a_file_cut_while_it_is_sent_cuts_the_connection_(true);
}

FIBER_TEST(a_small_file_that_is_believed_too_long_cuts_the_connection)
{
    struct site s;
    site_open(&s, .cache = ED_MIN);
    site_file(&s, "a.txt", "hello");
    site_get(&s, "/static/a.txt");
    check_text(s.body, "hello");
    check_int(truncate(site_path(&s, "a.txt"), 2), 0);
    int64_t began = ed_now();
    site_get(&s, "/static/a.txt");
    check(ed_now() - began < 5 * ED_S);
    check_text(site_field(&s, "content-length"), "5");
    check_text(s.body, "he");
    site_close(&s);
}

FIBER_TEST(a_file_replaced_while_it_is_sent_is_sent_as_it_was)
{
    struct site s;
    open_large(&s, false);
    ed_stream *client = connect_to(&s);
    served_send(client, "GET /large HTTP/1.0\r\n\r\n");
    settle();
    check_int(unlink(site_path(&s, "large")), 0);
    site_file(&s, "large", "small");
    read_head(client);
    check_int((long long)read_rest(client, 0), LARGE);
    ed_stream_close(client);
    site_close(&s);
}

/* Has the system forget what it holds of a file, if it can. */
static void make_cold(const struct site *s, const char *name)
{
    int fd = open(site_path(s, name), O_RDONLY | O_CLOEXEC);
    check(fd >= 0);
    check_int(fdatasync(fd), 0);
    check_int(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(fd);
}

FIBER_TEST(what_is_not_in_memory_comes_as_well)
{
    static const size_t sizes[] = {100, 10000, LARGE};
    struct site s;
    open_large(&s, false);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        site_bytes(&s, "cold", noise, sizes[i]);
        make_cold(&s, "cold");
        site_get(&s, "/cold");
        check_int(s.status, 200);
        check_int((long long)s.body_len, (long long)sizes[i]);
        check(!memcmp(s.body, noise, sizes[i]));
    }
    site_close(&s);
}

FIBER_TEST(files_of_every_size_come_whole_over_tls)
{
    static const size_t sizes[] = {1,     8192,  12288,  12289,
                                   65536, 65537, 131073, LARGE};
    struct site s;
    open_large(&s, true);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        site_bytes(&s, "file", noise, sizes[i]);
        ed_stream *client = connect_to(&s);
        served_send(client, "GET /file HTTP/1.0\r\n\r\n");
        read_head(client);
        check_int((long long)read_rest(client, 0), (long long)sizes[i]);
        ed_stream_close(client);
    }
    site_close(&s);
}

/* ---- pieces of a handler's own ---- */

static int piece_file = -1;

static int pieces(ed_req *req)
{
    int64_t length = strcmp(ed_req_path(req), "/chunked") ? 200007 : -1;
    int err = ed_reply_begin(req, 200, length);
    err = err ? err : ed_write_bytes(req, ED_BYTES("<"));
    err = err ? err : ed_write_file(req, piece_file, 5, 200000);
    err = err ? err : ed_write_bytes(req, ED_BYTES("|"));
    err = err ? err : ed_write_file(req, piece_file, 0, 4);
    return err ? err : ed_write_bytes(req, ED_BYTES(">"));
}

FIBER_TEST(a_handler_may_write_parts_of_files_between_bytes)
{
    struct site s;
    site_make_directory(&s);
    site_bytes(&s, "large", noise, LARGE);
    piece_file = open(site_path(&s, "large"), O_RDONLY | O_CLOEXEC);
    ed_route(s.app, "GET /length", pieces);
    ed_route(s.app, "GET /chunked", pieces);
    site_serve(&s);
    site_get(&s, "/length");
    check_int((long long)s.body_len, 200007);
    check_int(s.body[0], '<');
    check(!memcmp(s.body + 1, noise + 5, 200000));
    check_int(s.body[200001], '|');
    check(!memcmp(s.body + 200002, noise, 4));
    check_int(s.body[200006], '>');
    site_get(&s, "/chunked");
    check(!memcmp(s.body, "1\r\n<\r\n30d40\r\n", 13));
    check(!memcmp(s.body + 13, noise + 5, 200000));
    check(!memcmp(s.body + 200013, "\r\n1\r\n|\r\n4\r\n", 11));
    site_ask(&s, "HEAD", "/length", NULL);
    check_text(site_field(&s, "content-length"), "200007");
    check_int((long long)s.body_len, 0);
    site_close(&s);
    check_int(close(piece_file), 0);
}

static int bad_pieces(ed_req *req)
{
    int err = ed_reply_begin(req, 200, 3);
    check_int(err, 0);
    check_int(ed_write_file(req, piece_file, -1, 2), ED_EUSAGE);
    check_int(ed_write_file(req, piece_file, 0, -2), ED_EUSAGE);
    check_int(ed_write_file(req, piece_file, 0, 4), ED_EUSAGE);
    return ed_write_file(req, piece_file, 0, 3);
}

FIBER_TEST(a_part_that_was_not_declared_is_not_sent)
{
    struct site s;
    site_make_directory(&s);
    site_file(&s, "abc", "abc");
    piece_file = open(site_path(&s, "abc"), O_RDONLY | O_CLOEXEC);
    ed_route(s.app, "GET /", bad_pieces);
    site_serve(&s);
    site_get(&s, "/");
    check_text(s.body, "abc");
    site_close(&s);
    check_int(close(piece_file), 0);
}

static int set_up(void **state)
{
    (void)state;
    ed_log_set_level(ED_LOG_OFF);
    noise = site_noise(LARGE);
    certs_open();
    certs_make(.file = "site", .names = "a.org");
    return contexts_open();
}

static int tear_down(void **state)
{
    free(noise);
    return contexts_tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_client_gets_it_whole),
        cmocka_unit_test(a_client_that_takes_nothing_is_given_up),
        cmocka_unit_test(a_file_cut_while_it_is_sent_cuts_the_connection),
        cmocka_unit_test(
            a_small_file_that_is_believed_too_long_cuts_the_connection),
        cmocka_unit_test(a_file_replaced_while_it_is_sent_is_sent_as_it_was),
        cmocka_unit_test(what_is_not_in_memory_comes_as_well),
        cmocka_unit_test(files_of_every_size_come_whole_over_tls),
        cmocka_unit_test(a_handler_may_write_parts_of_files_between_bytes),
        cmocka_unit_test(a_part_that_was_not_declared_is_not_sent),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
