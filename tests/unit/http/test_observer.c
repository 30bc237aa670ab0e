/*
 * test_observer.c - what a server tells who observes it, and the lists of its
 * requests and connections.
 */
#include "served_handlers.h"
#include "http/observer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <eddy/log.h>

struct seen {
    struct ed_server_observer observer;
    unsigned began, over, refused;
    char peer[ED_ADDR_TEXT]; /* of what was refused */
    unsigned before; /* requests that began and were not over when one did */
    int status;      /* of the last */
    int err;
    int64_t bytes;
    int64_t took;
    char target[64];
};

static void began(struct ed_server_observer *o, ed_req *req)
{
    struct seen *seen = ED_CONTAINER(o, struct seen, observer);
    check(ed_fiber_self() && ed_fiber_self()->work == req);
    seen->before = seen->began - seen->over;
    seen->began++;
    snprintf(seen->target, sizeof seen->target, "%s", req->target);
}

static void over(struct ed_server_observer *o, ed_req *req, int status, int err)
{
    struct seen *seen = ED_CONTAINER(o, struct seen, observer);
    seen->over++;
    seen->status = status;
    seen->err = err;
    seen->bytes = req->sent_bytes;
    seen->took = ed_now() - req->came;
}

static void refused(struct ed_server_observer *o, int status, const char *peer)
{
    struct seen *seen = ED_CONTAINER(o, struct seen, observer);
    seen->refused++;
    seen->status = status;
    snprintf(seen->peer, sizeof seen->peer, "%s", peer);
}

#define SEEN                                                            \
    {                                                                   \
        .observer = {.began = began, .over = over, .refused = refused}, \
    }

static ed_stream *observed(struct served *s, struct seen *seen,
                           ed_handler *handler)
{
    served_open(s, handler);
    ed_server_observe(s->server, &seen->observer);
    return served_connect(s);
}

FIBER_TEST(an_observer_is_told_of_each_request_once)
{
    struct served s = {0};
    struct seen seen = SEEN;
    ed_stream *client = observed(&s, &seen, served_by_path);

    served_ask(client, "/one?a=b");
    served_says(client, "Hello");
    check_int(seen.began, 1);
    check_int(seen.over, 1);
    check_int(seen.status, 200);
    check_int(seen.err, 0);
    check_int(seen.bytes, 6);
    check_text(seen.target, "/one?a=b");

    served_ask(client, "/sleep");
    settle();
    check_int(seen.began, 2);
    check_int(seen.over, 1);
    check_int(ed_sleep(6 * ED_S), 0);
    check_int(seen.over, 2);
    check(seen.took >= 5 * ED_S && seen.took < 6 * ED_S);
    ed_stream_close(client);
    served_close(&s);
    check_int(seen.refused, 0);
}

FIBER_TEST(requests_that_came_in_one_piece_are_told_one_by_one)
{
    struct served s = {0};
    struct seen seen = SEEN;
    ed_stream *client = observed(&s, &seen, served_by_path);

    served_send(client, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
                        "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    settle();
    check_int(seen.began, 2);
    check_int(seen.before, 0);
    check_int(seen.over, 2);
    check_text(seen.target, "/2");
    ed_stream_close(client);
    served_close(&s);
}

FIBER_TEST(a_client_that_left_is_told_as_a_cancellation_without_a_status)
{
    struct served s = {0};
    struct seen seen = SEEN;
    ed_stream *client = observed(&s, &seen, served_by_path);

    served_ask(client, "/sleep");
    settle();
    ed_stream_close(client);
    settle();
    check_int(seen.over, 1);
    check_int(seen.status, 0);
    check_int(seen.err, ED_ECANCELED);
    check_int(seen.bytes, 0);
    served_close(&s);
}

FIBER_TEST(what_is_no_request_is_told_as_refused)
{
    char peer[ED_ADDR_TEXT];
    struct served s = {0};
    struct seen seen = SEEN;
    ed_stream *client = observed(&s, &seen, served_by_path);

    ed_stream_local(client, peer);
    served_send(client, "nonsense\r\n\r\n");
    served_says(client, "HTTP/1.1 400");
    check_int(seen.refused, 1);
    check_int(seen.status, 400);
    check_text(seen.peer, peer);
    check_int(seen.began, 0);
    check_int(seen.over, 0);
    ed_stream_close(client);
    served_close(&s);
}

FIBER_TEST(nobody_is_told_any_more_once_the_observer_is_taken_away)
{
    struct served s = {0};
    struct seen seen = SEEN;
    ed_stream *client = observed(&s, &seen, served_by_path);

    ed_server_observe(s.server, NULL);
    served_ask(client, "/");
    served_says(client, "Hello");
    check_int(seen.began, 0);
    check_int(seen.over, 0);
    ed_stream_close(client);
    served_close(&s);
}

/* ---- bytes of the body ---- */

enum { FILE_BYTES = 300 * 1000 };

/* By path: /file, /chunks, /head. */
static int reply_bytes(ed_req *req)
{
    static char zeros[FILE_BYTES];
    int err = 0;
    if (!strcmp(ed_req_path(req), "/chunks")) {
        for (int i = 0; i < 3 && !err; i++)
            err = ed_write(req, "12345");
        return err;
    }
    if (strcmp(ed_req_path(req), "/file"))
        return ed_reply(req, 200, "1234567");
    FILE *file = tmpfile();
    if (fwrite(zeros, 1, sizeof zeros, file) != sizeof zeros || fflush(file))
        err = -EIO;
    err = err ? err : ed_reply_begin(req, 200, FILE_BYTES);
    err = err ? err : ed_write_file(req, fileno(file), 0, FILE_BYTES);
    (void)fclose(file);
    return err;
}

static int64_t bytes_of(const char *method, const char *path)
{
    struct served s = {0};
    struct seen seen = SEEN;
    ed_stream *client = observed(&s, &seen, reply_bytes);

    check_int(ed_stream_printf(client, "%s %s HTTP/1.1\r\nHost: a\r\n\r\n",
                               method, path),
              0);
    for (int i = 0; i < 100 && !seen.over; i++)
        (void)served_drain(client);
    check_int(seen.over, 1);
    ed_stream_close(client);
    served_close(&s);
    return seen.bytes;
}

FIBER_TEST(bytes_are_those_of_the_body_that_went_out)
{
    check_int(bytes_of("GET", "/"), 7);
    check_int(bytes_of("HEAD", "/"), 0);
    check_int(bytes_of("GET", "/chunks"), 15);
    check_int(bytes_of("GET", "/file"), FILE_BYTES);
}

/* ---- lists ---- */

struct listed {
    unsigned count, most;
    char text[256];
};

static bool list_request(ed_req *req, const ed_fiber *fiber, void *arg)
{
    struct listed *l = arg;
    size_t len = strlen(l->text);
    snprintf(l->text + len, sizeof l->text - len, "%s %s in %s;", req->method,
             req->path, fiber->what ? fiber->what : "-");
    return ++l->count < l->most;
}

FIBER_TEST(each_request_under_way_is_listed)
{
    struct served s = {0};
    struct listed none = {.most = 9}, all = {.most = 9}, first = {.most = 1};

    served_open(&s, served_by_path);
    ed_stream *idle = served_connect(&s);
    ed_stream *one = served_connect(&s);
    ed_stream *other = served_connect(&s);
    served_ask(idle, "/");
    served_says(idle, "Hello");
    ed_server_each_request(s.server, list_request, &none);
    check_int(none.count, 0);

    served_ask(one, "/sleep");
    settle();
    served_ask(other, "/shielded");
    settle();
    ed_server_each_request(s.server, list_request, &all);
    check_text(all.text, "GET /sleep in sleep;GET /shielded in sleep;");
    ed_server_each_request(s.server, list_request, &first);
    check_int(first.count, 1);
    ed_stream_close(one);
    ed_stream_close(other);
    ed_stream_close(idle);
    served_close(&s);
}

FIBER_TEST(fibers_a_request_started_are_not_listed_beside_it)
{
    struct served s = {0};
    struct listed all = {.most = 9};

    served_open(&s, served_by_path);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/long");
    settle();
    ed_server_each_request(s.server, list_request, &all);
    check_int(all.count, 1);
    ed_stream_close(client);
    served_close(&s);
}

static bool list_conn(const struct ed_conn_seen *seen, void *arg)
{
    struct listed *l = arg;
    size_t len = strlen(l->text);
    check(strstr(seen->local, "eddy-served"));
    check(seen->since <= ed_now());
    snprintf(l->text + len, sizeof l->text - len, "%s %d;", seen->state,
             (int)seen->requests);
    return ++l->count < l->most;
}

FIBER_TEST(each_connection_is_listed_with_what_it_waits_for)
{
    struct served s = {0};
    struct listed all = {.most = 9}, first = {.most = 1};
    ed_stream *clients[3];

    served_open(&s, served_by_path);
    for (int i = 0; i < 3; i++)
        clients[i] = served_connect(&s);
    settle();
    served_ask(clients[0], "/");
    served_ask(clients[0], "/");
    settle();
    served_ask(clients[1], "/sleep");
    settle();
    served_send(clients[2], "GET / HT");
    settle();
    ed_server_each_conn(s.server, list_conn, &all);
    check_text(all.text, "handler 1;idle 2;head 0;");
    ed_server_each_conn(s.server, list_conn, &first);
    check_int(first.count, 1);
    for (int i = 0; i < 3; i++)
        ed_stream_close(clients[i]);
    served_close(&s);
}

FIBER_TEST(a_report_tells_what_is_under_way_and_where_it_waits)
{
    struct served s = {0};
    char said[4096] = "";

    served_open(&s, served_by_path);
    int fd = memfd_create("log", MFD_CLOEXEC);
    ed_stream *one = served_connect(&s);
    ed_stream *other = served_connect(&s);
    served_ask(one, "/sleep?a=b");
    settle();
    served_ask(other, "/long");
    settle();
    ed_log_set_level(ED_LOG_ERROR);
    ed_log_set_fd(fd);
    ed_server_report(s.server);
    ed_log_set_fd(2);
    check(pread(fd, said, sizeof said - 1, 0) > 0);
    close(fd);
    check(strstr(said, "requests in flight: 2\n"));
    check(strstr(said, "    GET /long, for "));
    check(strstr(said, " s, waits for sleep\n"));
    check(strstr(said, ") waits for sleep\n"));
    check(strstr(said, "    GET /sleep?a=b, for "));
    ed_stream_close(one);
    ed_stream_close(other);
    served_close(&s);
}

#define TEST(name) cmocka_unit_test_setup(name, served_forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_observer_is_told_of_each_request_once),
        TEST(requests_that_came_in_one_piece_are_told_one_by_one),
        TEST(a_client_that_left_is_told_as_a_cancellation_without_a_status),
        TEST(what_is_no_request_is_told_as_refused),
        TEST(nobody_is_told_any_more_once_the_observer_is_taken_away),
        TEST(bytes_are_those_of_the_body_that_went_out),
        TEST(each_request_under_way_is_listed),
        TEST(fibers_a_request_started_are_not_listed_beside_it),
        TEST(each_connection_is_listed_with_what_it_waits_for),
        TEST(a_report_tells_what_is_under_way_and_where_it_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
