/* Fetches handed over: many at once, by clients, in pieces, and failing. */
#include "offloaded.h"

static void many_are_under_way_at_once(void **state)
{
    enum { MANY = 100 };
    ed_ticket *t[MANY];
    int64_t began = ed_now();

    (void)state;
    for (int i = 0; i < MANY; i++)
        t[i] = ed_offload_fetch(backend_url("/sleep?ms=100"));
    assert_int_equal(ed_tickets_wait_all(t, MANY, PATIENCE), 0);
    /* One after the other they would take 10 seconds. */
    assert_true(ed_now() - began < 8 * ED_S);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(ed_res_status(ed_ticket_res(t[i])), 200);
        assert_string_equal(ed_res_text(ed_ticket_res(t[i])), "slept");
        assert_ptr_equal(ed_ticket_value(t[i]), ed_ticket_res(t[i]));
        ed_ticket_free(t[i]);
    }
}

static ed_ticket *fetch_with_what_is_gone(void)
{
    char url[256], field[] = "X-Say: , ", body[] = "world";
    const char *const fields[] = {field, NULL};

    snprintf(url, sizeof url, "%s", backend_url("/hello"));
    ed_ticket *t = ed_offload_fetch(url, .headers = fields, .method = "PUT",
                                    .body = ed_bytes(body));
    memset(url, 'x', sizeof url - 1);
    memset(field, 'x', sizeof field - 1);
    memset(body, 'x', sizeof body - 1);
    return t;
}

static void what_the_caller_gives_is_copied(void **state)
{
    ed_ticket *t = fetch_with_what_is_gone();

    (void)state;
    assert_int_equal(ed_ticket_wait(t, PATIENCE), 0);
    assert_string_equal(ed_res_text(ed_ticket_res(t)), "hello,world");
    ed_ticket_free(t);
}

static void one_call_fetches_and_blocks(void **state)
{
    ed_ticket *t;

    (void)state;
    assert_int_equal(ed_fetch_blocking(&t, backend_url("/status?is=404")), 0);
    assert_int_equal(ed_res_status(ed_ticket_res(t)), 404);
    ed_ticket_free(t);
}

static void the_time_of_a_fetch_bounds_it(void **state)
{
    /* A server that is told of the time would answer in time that it cannot. */
    ed_ticket *client = ed_offload_client(.no_propagation = true);
    ed_ticket *t = ed_offload_fetch_by(client, backend_url("/sleep?ms=60000"),
                                       .timeout = 20 * ED_MS);

    (void)state;
    assert_int_equal(ed_ticket_wait(t, PATIENCE), ED_ETIMEOUT);
    says(ed_ticket_failure(t), "(ED_ETIMEOUT), of 'fetch' at ");
    ed_ticket_free(t);
    ed_ticket_free(client);

    struct door door = DOOR;
    ed_ticket *blocker = block_loop(&door);
    t = ed_offload_fetch(backend_url("/hello"), .timeout = ED_MS);
    usleep(2000);
    pthread_mutex_unlock(&door.lock);
    assert_int_equal(ed_ticket_wait(t, PATIENCE), ED_ETIMEOUT);
    says(ed_ticket_detail(t), "before it began");
    ed_ticket_free(t);
    ed_ticket_free(blocker);
    assert_int_equal(fiber_test_failures, 0);
}

static void a_failure_names_the_host_and_the_place(void **state)
{
    ed_ticket *t = ed_offload_fetch("http://127.0.0.1:1/");

    (void)state;
    assert_int_equal(ed_ticket_wait(t, PATIENCE), ED_ECONNECT);
    assert_null(ed_ticket_res(t));
    says(ed_ticket_failure(t), "127.0.0.1");
    says(ed_ticket_failure(t), __FILE__);
    ed_ticket_free(t);
    t = ed_offload_fetch("no url");
    assert_int_equal(ed_ticket_wait(t, PATIENCE), ED_EURL);
    ed_ticket_free(t);
    assert_int_equal(fiber_test_failures, 0);
}

static void a_cancelled_fetch_ends(void **state)
{
    ed_ticket *t = ed_offload_fetch(backend_url("/sleep?ms=600000"));

    (void)state;
    assert_int_equal(ed_ticket_wait(t, 5 * ED_MS), ED_ETIMEOUT);
    ed_ticket_cancel(t);
    assert_int_equal(ed_ticket_wait(t, PATIENCE), ED_ECANCELED);
    ed_ticket_free(t);
}

/* ---- clients ---- */

static void a_client_is_ready_for_what_is_handed_over_after_it(void **state)
{
    char map[64];
    const char *hosts[] = {map, NULL};

    (void)state;
    snprintf(map, sizeof map, "shop.test=127.0.0.1");
    ed_ticket *client = ed_offload_client(.hosts = hosts);
    memset(map, 'x', sizeof map - 1);
    const char *port = strrchr(backend_url(""), ':');
    char url[128];
    snprintf(url, sizeof url, "http://shop.test%s/hello", port);
    ed_ticket *t = ed_offload_fetch_by(client, url);
    ed_ticket_free(client); /* the fetch keeps it */
    assert_int_equal(ed_ticket_wait(t, PATIENCE), 0);
    assert_string_equal(ed_res_text(ed_ticket_res(t)), "hello");
    ed_ticket_free(t);
}

static void a_client_that_failed_fails_its_fetches(void **state)
{
    ed_ticket *client = ed_offload_client(.proxy = "no proxy at all://");
    ed_ticket *t = ed_offload_fetch_by(client, backend_url("/hello"));

    (void)state;
    assert_int_equal(ed_ticket_wait(t, PATIENCE), ED_EUSAGE);
    says(ed_ticket_failure(t), "proxy");
    assert_int_equal(ed_ticket_wait(client, PATIENCE), ED_EUSAGE);
    ed_ticket_free(t);
    ed_ticket_free(client);
    assert_int_equal(fiber_test_failures, 0);
}

static int open_now(void)
{
    int count = backend_connections();

    for (int i = 0; i < 1000 && count; i++) {
        usleep(1000);
        count = backend_connections();
    }
    return count;
}

static void a_clients_connections_end_with_its_last_ticket(void **state)
{
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    assert_int_equal(ed_offload_start(), 0);
    ed_ticket *client = ed_offload_client();
    ed_ticket *t = ed_offload_fetch_by(client, backend_url("/hello"));

    (void)state;
    assert_int_equal(ed_ticket_wait(t, PATIENCE), 0);
    assert_int_equal(backend_connections(), 1);
    ed_ticket_free(client);
    assert_int_equal(open_now(), 0);
    assert_string_equal(ed_res_text(ed_ticket_res(t)), "hello");
    ed_ticket_free(t);
}

/* ---- in pieces ---- */

static size_t read_all(ed_ticket *fetched, size_t len)
{
    struct ed_res_timing timing;
    size_t sum = 0;

    for (;;) {
        ed_ticket *piece = ed_offload_read(fetched, len);
        /* As its head is, whatever comes meanwhile (under TSan). */
        ed_res_timing(ed_ticket_res(fetched), &timing);
        assert_true(timing.first_byte >= timing.started);
        assert_int_equal(ed_ticket_wait(piece, PATIENCE), 0);
        const struct ed_bytes *bytes = ed_ticket_value(piece);
        size_t got = bytes->len;
        assert_true(got <= len);
        for (size_t i = 0; i < got; i++)
            assert_int_equal(bytes->ptr[i], '0' + (int)((sum + i) % 10));
        ed_ticket_free(piece);
        if (!got)
            return sum;
        sum += got;
    }
}

static void a_body_is_read_in_pieces(void **state)
{
    ed_ticket *t =
        ed_offload_fetch(backend_url("/chunks?n=50000"), .stream = true);

    (void)state;
    assert_int_equal(ed_ticket_wait(t, PATIENCE), 0);
    assert_int_equal(ed_res_status(ed_ticket_res(t)), 200);
    assert_int_equal(read_all(t, 20000), 500000);
    ed_ticket_free(t);
}

static void a_body_may_be_left_unread(void **state)
{
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    assert_int_equal(ed_offload_start(), 0);
    ed_ticket *client = ed_offload_client();
    ed_ticket *t = ed_offload_fetch_by(client, backend_url("/chunks?n=1000000"),
                                       .stream = true);
    ed_ticket *piece = ed_offload_read(t, 1000);

    (void)state;
    ed_ticket_free(client); /* the stream keeps it */
    ed_ticket_free(t);      /* and the read, that */
    int err = ed_ticket_wait(piece, PATIENCE);
    assert_true(err == 0 || err == ED_EUSAGE); /* the latter: too early */
    ed_ticket_free(piece);
    assert_int_equal(open_now(), 0);
}

static void what_streams_nothing_cannot_be_read_on(void **state)
{
    ed_ticket *t;

    (void)state;
    assert_int_equal(ed_fetch_blocking(&t, backend_url("/hello")), 0);
    ed_ticket *piece = ed_offload_read(t, 10);
    assert_int_equal(ed_ticket_wait(piece, PATIENCE), ED_EUSAGE);
    ed_ticket_free(piece);
    piece = ed_offload_read(NULL, 10);
    assert_int_equal(ed_ticket_wait(piece, PATIENCE), ED_EUSAGE);
    ed_ticket_free(piece);
    ed_ticket_free(t);
}

static void a_stop_closes_what_is_still_streamed(void **state)
{
    ed_ticket *t =
        ed_offload_fetch(backend_url("/chunks?n=1000000"), .stream = true);

    (void)state;
    assert_int_equal(ed_ticket_wait(t, PATIENCE), 0);
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    assert_int_equal(backend_connections(), 0);
    assert_int_equal(ed_res_status(ed_ticket_res(t)), 200); /* the head stays */
    assert_int_equal(ed_offload_start(), 0);
    ed_ticket *piece = ed_offload_read(t, 10);
    assert_int_equal(ed_ticket_wait(piece, PATIENCE), ED_ESTOPPED);
    ed_ticket_free(piece);
    ed_ticket_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_are_under_way_at_once),
        cmocka_unit_test(what_the_caller_gives_is_copied),
        cmocka_unit_test(one_call_fetches_and_blocks),
        cmocka_unit_test(the_time_of_a_fetch_bounds_it),
        cmocka_unit_test(a_failure_names_the_host_and_the_place),
        cmocka_unit_test(a_cancelled_fetch_ends),
        cmocka_unit_test(a_client_is_ready_for_what_is_handed_over_after_it),
        cmocka_unit_test(a_client_that_failed_fails_its_fetches),
        cmocka_unit_test(a_clients_connections_end_with_its_last_ticket),
        cmocka_unit_test(a_body_is_read_in_pieces),
        cmocka_unit_test(a_body_may_be_left_unread),
        cmocka_unit_test(what_streams_nothing_cannot_be_read_on),
        cmocka_unit_test(a_stop_closes_what_is_still_streamed),
    };
    backend_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
