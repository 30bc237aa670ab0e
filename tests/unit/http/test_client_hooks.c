/*
 * test_client_hooks.c - what the hook of a client hears, and in which order.
 */
#include "peer.h"
#include <eddy/client.h>

#define OK ">HTTP/1.1 200 Ok\r\nContent-Length: 2\r\n\r\nok"

/* The phases heard, a letter for each. */
struct heard {
    char phases[64];
    size_t count;
    int64_t last_at;
    char method[16], url[128];
    unsigned attempt;
    int status, err;
};

static void hear(void *arg, const struct ed_phase_event *event)
{
    static const char letters[] = {
        [ED_PHASE_QUEUED] = 'q',     [ED_PHASE_RESOLVED] = 'r',
        [ED_PHASE_CONNECTED] = 'c',  [ED_PHASE_TLS] = 't',
        [ED_PHASE_SENT] = 's',       [ED_PHASE_FIRST_BYTE] = 'f',
        [ED_PHASE_REDIRECTED] = '>', [ED_PHASE_RETRIED] = '+',
        [ED_PHASE_HEDGED] = '=',     [ED_PHASE_DONE] = 'd',
    };
    struct heard *h = arg;

    if (h->count < sizeof(h->phases) - 1)
        h->phases[h->count++] = letters[event->phase];
    check(event->at >= h->last_at);
    h->last_at = event->at;
    snprintf(h->method, sizeof(h->method), "%s", event->method);
    snprintf(h->url, sizeof(h->url), "%s", event->url);
    h->attempt = event->attempt;
    h->status = event->status;
    h->err = event->err;
}

static ed_client *listened_to(struct heard *h)
{
    *h = (struct heard){0};
    return ed_client_new(.hook = hear, .hook_arg = h, .proxy = "");
}

FIBER_TEST(every_phase_is_heard_in_its_order)
{
    struct peer p = {.scripts = {SCRIPT("<", OK, "<", OK, "=")}};
    struct heard h;
    ed_client *client = listened_to(&h);
    char url[64];
    ed_res *res;

    peer_open(&p);
    snprintf(url, sizeof(url), "http://localhost%.8s/", strchr(p.host, ':'));
    check_int(ed_fetch(&res, url, .client = client), 0);
    check_text(h.phases, "qrcsfd");
    check_text(h.method, "GET");
    check_text(h.url, url);
    check_int(h.attempt, 1);
    check_int(h.status, 200);
    check_int(h.err, 0);
    /* A kept connection needs less. */
    check_int(ed_fetch(&res, url, .client = client, .body = ED_BYTES("x")), 0);
    check_text(h.phases, "qrcsfdqsfd");
    check_text(h.method, "POST");
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(an_address_is_not_resolved)
{
    struct peer p = {.scripts = {SCRIPT("<", OK, "=")}};
    struct heard h;
    ed_client *client = listened_to(&h);
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client), 0);
    check_text(h.phases, "qcsfd");
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_failure_is_heard_once)
{
    struct peer p = {.scripts = {SCRIPT("<")}};
    struct heard h;
    ed_client *client = listened_to(&h);
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client), ED_ECONNLOST);
    check_text(h.phases, "qcsd");
    check_int(h.err, ED_ECONNLOST);
    check_int(h.status, 0);
    ed_client_free(client);

    client = listened_to(&h);
    check_int(ed_fetch(&res, "http://127.0.0.1:1/", .client = client),
              ED_ECONNECT);
    check_text(h.phases, "qd");
    check_int(ed_fetch(&res, "no URL", .client = client), ED_EURL);
    check_text(h.phases, "qdd");
    check_int(h.err, ED_EURL);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_streamed_response_is_done_when_it_is_closed)
{
    struct peer p = {.scripts = {SCRIPT("<", OK, "=")}};
    struct heard h;
    ed_client *client = listened_to(&h);
    char url[ED_ADDR_TEXT + 32];
    char buf[8];
    ed_res *res;

    peer_open(&p);
    memcpy(url, p.url, sizeof(url));
    check_int(ed_fetch(&res, url, .client = client, .stream = true), 0);
    check_text(h.phases, "qcsf");
    memset(url, 'x', sizeof(url) - 1); /* the caller's, and gone */
    check_int(ed_res_read(res, buf, sizeof(buf)), 2);
    check_int(ed_res_read(res, buf, sizeof(buf)), 0);
    ed_res_close(res);
    ed_res_close(res);
    check_text(h.phases, "qcsfd");
    check_text(h.url, p.url);
    check_int(h.status, 200);
    check_int(h.err, 0);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_replaced_connection_is_heard_as_another)
{
    struct peer p = {
        .scripts = {SCRIPT("<", OK, "<", "!"), SCRIPT("<", OK, "=")}};
    struct heard h;
    ed_client *client = listened_to(&h);
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client), 0);
    check_int(ed_fetch(&res, p.url, .client = client), 0);
    check_text(h.phases, "qcsfdqscsfd");
    ed_client_free(client);
    peer_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_phase_is_heard_in_its_order),
        cmocka_unit_test(an_address_is_not_resolved),
        cmocka_unit_test(a_failure_is_heard_once),
        cmocka_unit_test(a_streamed_response_is_done_when_it_is_closed),
        cmocka_unit_test(a_replaced_connection_is_heard_as_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
