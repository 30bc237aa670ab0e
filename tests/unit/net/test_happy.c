/*
 * test_happy.c - the race of connections to the addresses of one name: who
 * starts when, who wins, and that nothing is left of the others.
 *
 * On a virtual clock, so that 250 ms are 250 ms.
 */
#include "../../fiber_test.h"
#include "held.h"
#include "net/happy.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PLACES = 4 };

/* Four addresses of this machine with one port, 127.0.0.1 to 127.0.0.4, each of
 * which listens, refuses or is silent. */
struct place {
    uint16_t port;
    int listening[PLACES];
    int queued[PLACES][8];
};

static int socket_of(uint16_t port, unsigned n, bool listens)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + n),
        .sin_port = htons(port),
    };
    int kind = SOCK_STREAM | SOCK_CLOEXEC | (listens ? 0 : SOCK_NONBLOCK);
    int fd = socket(AF_INET, kind, 0);
    int err = listens ? bind(fd, (struct sockaddr *)&at, sizeof(at))
                      : connect(fd, (struct sockaddr *)&at, sizeof(at));

    check(!err || errno == EINPROGRESS);
    return fd;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in at;
    socklen_t len = sizeof(at);

    check_int(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    return ntohs(at.sin_port);
}

/* 'l' listens, 's' is silent (its queue is full), 'r' refuses. */
static void open_places(struct place *p, const char *kinds)
{
    memset(p, 0, sizeof(*p));
    for (unsigned i = 0; kinds[i]; i++) {
        p->listening[i] = socket_of(p->port, i, true);
        if (!i)
            p->port = port_of(p->listening[i]);
        if (kinds[i] == 'r')
            continue; /* bound, so that nobody else listens there */
        check_int(listen(p->listening[i], kinds[i] == 's' ? 0 : 8), 0);
        for (int n = 0; kinds[i] == 's' && n < 8; n++)
            p->queued[i][n] = socket_of(p->port, i, false);
    }
}

static void close_places(struct place *p)
{
    for (int i = 0; i < PLACES; i++) {
        for (int n = 0; n < 8; n++)
            if (p->queued[i][n])
                close(p->queued[i][n]);
        if (p->listening[i])
            close(p->listening[i]);
    }
}

static struct ed_addrs addresses(const struct place *p, unsigned count)
{
    struct ed_addrs addrs = {.count = count};
    char text[32];

    for (unsigned i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "127.0.0.%u:%u", i + 1, p->port);
        check_int(ed_addr_parse(&addrs.list[i], ed_bytes(text)), 0);
    }
    return addrs;
}

/* What a race came to. */
struct outcome {
    int err;
    int winner; /* last number of its address; 0: none */
    int64_t after;
    char reasons[ED_HAPPY_REASONS];
};

static struct outcome race(const char *kinds)
{
    struct place p;
    struct outcome o = {0};
    struct ed_addr won = {0};
    ed_stream *s = NULL;

    open_places(&p, kinds);
    struct ed_addrs addrs = addresses(&p, (unsigned)strlen(kinds));
    int before = held_descriptors();
    int64_t began = ed_now();
    o.err = ed_happy_connect(&s, &won, &addrs, NULL, o.reasons);
    o.after = (ed_now() - began) / ED_MS;
    if (!o.err)
        o.winner = (int)(ntohl(won.v4.sin_addr.s_addr) & 0xff);
    ed_stream_close(s);
    check_int(held_descriptors(), before);
    close_places(&p);
    return o;
}

FIBER_TEST(the_first_address_wins_if_it_answers)
{
    struct outcome o = race("ll");

    check_int(o.err, 0);
    check_int(o.winner, 1);
    check_int(o.after, 0);
}

FIBER_TEST(the_next_is_tried_at_once_when_one_refuses)
{
    struct outcome o = race("rrl");

    check_int(o.err, 0);
    check_int(o.winner, 3);
    check_int(o.after, 0);
}

FIBER_TEST(the_next_is_tried_after_250_ms_of_silence)
{
    struct outcome o = race("sl");

    check_int(o.err, 0);
    check_int(o.winner, 2);
    check_int(o.after, 250);
}

FIBER_TEST(every_silent_address_costs_250_ms_more)
{
    struct outcome o = race("sssl");

    check_int(o.winner, 4);
    check_int(o.after, 750);
}

FIBER_TEST(a_refusal_does_not_wait_for_those_that_are_silent)
{
    struct outcome o = race("srl");

    check_int(o.winner, 3);
    check_int(o.after, 250);
}

FIBER_TEST(all_refusals_are_told_in_their_order)
{
    struct outcome o = race("rrr");
    const char *first = strstr(o.reasons, "127.0.0.1:");
    const char *last = strstr(o.reasons, "127.0.0.3:");

    check_int(o.err, ED_ECONNECT);
    check(first && last && first < last);
    check(strstr(o.reasons, "127.0.0.2:") != NULL);
    check(strstr(o.reasons, "refused; ") != NULL);
}

FIBER_TEST(a_deadline_names_those_that_were_silent_and_the_refusals)
{
    ed_scope(s, .within = 600 * ED_MS);
    (void)s;
    struct outcome o = race("srs");

    check_int(o.err, ED_ETIMEOUT);
    check_int(o.after, 600);
    check(strstr(o.reasons, "127.0.0.1:") != NULL);
    check(strstr(o.reasons, "refused") != NULL);
    check(strstr(o.reasons, "127.0.0.3:") != NULL);
    check(strstr(o.reasons, "deadline passed") != NULL);
}

static int race_to_be_cancelled(void *arg)
{
    *(struct outcome *)arg = race("sss");
    return 0;
}

FIBER_TEST(a_cancelled_race_leaves_nothing_behind)
{
    struct outcome o = {0};

    ed_scope(s);
    ed_go(s, race_to_be_cancelled, &o);
    check_int(ed_sleep(300 * ED_MS), 0); /* two of them are running */
    ed_cancel(s);
    check_int(ed_wait(s), ED_ECANCELED);
    check_int(o.err, ED_ECANCELED);
}

FIBER_TEST(a_race_that_is_cancelled_before_does_not_begin)
{
    struct outcome o;

    ed_scope(s);
    ed_cancel(s);
    o = race("ll");
    check_int(o.err, ED_ECANCELED);
}

FIBER_TEST(the_local_address_holds_for_every_address)
{
    struct place p;
    struct ed_addr from, won;
    char reasons[ED_HAPPY_REASONS], local[ED_ADDR_TEXT];
    ed_stream *s = NULL;

    open_places(&p, "rl");
    struct ed_addrs addrs = addresses(&p, 2);
    check_int(ed_addr_parse(&from, ED_BYTES("127.0.0.9:0")), 0);
    if (check_int(ed_happy_connect(&s, &won, &addrs, &from, reasons), 0)) {
        ed_stream_local(s, local);
        check(!strncmp(local, "127.0.0.9:", 10));
    }
    ed_stream_close(s);
    close_places(&p);
}

FIBER_TEST(without_descriptors_no_further_address_is_tried)
{
    struct rlimit before, few;
    struct place p;
    struct ed_addr won;
    char reasons[ED_HAPPY_REASONS];
    ed_stream *s = NULL;

    open_places(&p, "ll");
    struct ed_addrs addrs = addresses(&p, 2);
    int next = dup(0);
    close(next);
    getrlimit(RLIMIT_NOFILE, &before);
    few = (struct rlimit){(rlim_t)next, before.rlim_max};
    check_int(setrlimit(RLIMIT_NOFILE, &few), 0);
    check_int(ed_happy_connect(&s, &won, &addrs, NULL, reasons), -EMFILE);
    check_int(setrlimit(RLIMIT_NOFILE, &before), 0);
    check(strstr(reasons, "127.0.0.1:") && !strstr(reasons, "127.0.0.2:"));
    close_places(&p);
}

/* ---- the order ---- */

/* Sorted as in `from`, a letter for each address, upper case for IPv6. */
static void order(const char *from, const char *want)
{
    struct ed_addrs addrs = {.count = (unsigned)strlen(from)};
    char got[ED_ADDRS_MAX + 1] = "";

    for (unsigned i = 0; i < addrs.count; i++) {
        bool six = from[i] < 'a';
        addrs.list[i].any.sa_family = six ? AF_INET6 : AF_INET;
        addrs.list[i].len = (socklen_t)from[i];
    }
    ed_happy_order(&addrs);
    for (unsigned i = 0; i < addrs.count; i++)
        got[i] = (char)addrs.list[i].len;
    check_text(got, want);
}

FIBER_TEST(the_families_take_turns_and_the_best_address_stays_first)
{
    order("", "");
    order("a", "a");
    order("ABab", "AaBb");
    order("ABCa", "AaBC");
    order("abAB", "aAbB");
    order("aABCb", "aAbBC");
    order("abc", "abc");
    order("ABCDEFGHabcdefgh", "AaBbCcDdEeFfGgHh");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_address_wins_if_it_answers),
        cmocka_unit_test(the_next_is_tried_at_once_when_one_refuses),
        cmocka_unit_test(the_next_is_tried_after_250_ms_of_silence),
        cmocka_unit_test(every_silent_address_costs_250_ms_more),
        cmocka_unit_test(a_refusal_does_not_wait_for_those_that_are_silent),
        cmocka_unit_test(all_refusals_are_told_in_their_order),
        cmocka_unit_test(
            a_deadline_names_those_that_were_silent_and_the_refusals),
        cmocka_unit_test(a_cancelled_race_leaves_nothing_behind),
        cmocka_unit_test(a_race_that_is_cancelled_before_does_not_begin),
        cmocka_unit_test(the_local_address_holds_for_every_address),
        cmocka_unit_test(without_descriptors_no_further_address_is_tried),
        cmocka_unit_test(
            the_families_take_turns_and_the_best_address_stays_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
