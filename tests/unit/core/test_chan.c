/*
 * test_chan.c - sending and receiving, one channel at a time.
 */
#include "../../fiber_test.h"

#include <eddy/chan.h>

struct sender {
    ed_chan *chan;
    int value;
    int err;
    bool ended;
};

static int send_one(void *arg)
{
    struct sender *s = arg;
    s->err = ed_chan_send(s->chan, &s->value);
    s->ended = true;
    return 0;
}

struct receiver {
    ed_chan *chan;
    int value;
    int err;
    bool ended;
};

static int recv_one(void *arg)
{
    struct receiver *r = arg;
    r->err = ed_chan_recv(r->chan, &r->value);
    r->ended = true;
    return 0;
}

static void start_senders(ed_scope *s, ed_chan *ch, struct sender *senders,
                          int n)
{
    for (int i = 0; i < n; i++) {
        senders[i] = (struct sender){.chan = ch, .value = i};
        ed_go(s, send_one, &senders[i]);
    }
    check_int(ed_yield(), 0);
}

static void start_receivers(ed_scope *s, ed_chan *ch,
                            struct receiver *receivers, int n)
{
    for (int i = 0; i < n; i++) {
        receivers[i] = (struct receiver){.chan = ch, .value = -1};
        ed_go(s, recv_one, &receivers[i]);
    }
    check_int(ed_yield(), 0);
}

static void check_receives(ed_chan *ch, int expected)
{
    int got = -1;
    check_int(ed_chan_recv(ch, &got), 0);
    check_int(got, expected);
}

FIBER_TEST(a_channel_gives_out_what_was_put_in_in_order)
{
    ed_chan *ch ED_CHAN_AUTO = ed_chan_new(sizeof(int), 3);
    for (int round = 0; round < 5; round++) { /* goes around the ring */
        for (int i = 0; i < 2; i++)
            check_int(ed_chan_send(ch, &i), 0);
        check_int(ed_chan_count(ch), 2);
        check_receives(ch, 0);
        check_receives(ch, 1);
    }
    check_int(ed_chan_count(ch), 0);
}

FIBER_TEST(trying_never_waits)
{
    ed_chan *ch ED_CHAN_AUTO = ed_chan_new(sizeof(int), 1);
    int value = 4;
    int got = 0;
    check_int(ed_chan_try_recv(ch, &got), ED_EWOULDBLOCK);
    check_int(ed_chan_try_send(ch, &value), 0);
    check_int(ed_chan_try_send(ch, &value), ED_EWOULDBLOCK);
    check_int(ed_chan_try_recv(ch, &got), 0);
    check_int(got, 4);
}

FIBER_TEST(a_full_channel_lets_its_senders_in_in_order)
{
    ed_chan *ch ED_CHAN_AUTO = ed_chan_new(sizeof(int), 2);
    struct sender senders[6];
    ed_scope(s);
    start_senders(s, ch, senders, 6);
    check(senders[1].ended && !senders[2].ended);
    for (int i = 0; i < 6; i++)
        check_receives(ch, i);
    check_int(ed_wait(s), 0);
}

FIBER_TEST(waiting_receivers_are_served_in_order)
{
    ed_chan *ch ED_CHAN_AUTO = ed_chan_new(sizeof(int), 2);
    struct receiver receivers[4];
    ed_scope(s);
    start_receivers(s, ch, receivers, 4);
    for (int i = 0; i < 4; i++)
        check_int(ed_chan_try_send(ch, &i), 0);
    check_int(ed_chan_count(ch), 0); /* handed over, not stored */
    check_int(ed_wait(s), 0);
    for (int i = 0; i < 4; i++)
        check_int(receivers[i].value, i);
}

FIBER_TEST(without_capacity_sender_and_receiver_meet)
{
    ed_chan *ch ED_CHAN_AUTO = ed_chan_new(sizeof(int), 0);
    struct sender senders[2];
    struct receiver receiver;
    int value = 9;
    ed_scope(s);
    check_int(ed_chan_try_send(ch, &value), ED_EWOULDBLOCK);
    start_senders(s, ch, senders, 2);
    check(!senders[0].ended);
    check_receives(ch, 0);
    check_int(ed_yield(), 0);
    check(senders[0].ended && !senders[1].ended);
    check_int(ed_chan_try_recv(ch, &value), 0);
    check_int(value, 1);
    start_receivers(s, ch, &receiver, 1);
    check_int(ed_chan_try_send(ch, &value), 0);
    check_int(ed_wait(s), 0);
    check_int(receiver.value, 1);
}

FIBER_TEST(a_channel_of_empty_elements_carries_tokens)
{
    ed_chan *ch ED_CHAN_AUTO = ed_chan_new(0, 2);
    check_int(ed_chan_send(ch, NULL), 0);
    check_int(ed_chan_try_send(ch, NULL), 0);
    check_int(ed_chan_try_send(ch, NULL), ED_EWOULDBLOCK);
    check_int(ed_chan_recv(ch, NULL), 0);
}

FIBER_TEST(a_channel_too_large_for_memory_is_refused)
{
    check(ed_chan_new(SIZE_MAX / 2, 3) == NULL);
    check(ed_chan_new(1, SIZE_MAX) == NULL);
}

/* ---- closing ---- */

FIBER_TEST(what_a_closed_channel_holds_can_still_be_received)
{
    ed_chan *ch ED_CHAN_AUTO = ed_chan_new(sizeof(int), 2);
    int value = 3;
    check_int(ed_chan_send(ch, &value), 0);
    ed_chan_close(ch);
    ed_chan_close(ch);
    check_int(ed_chan_send(ch, &value), ED_ECLOSED);
    check_receives(ch, 3);
    check_int(ed_chan_recv(ch, &value), ED_ECLOSED);
    check_int(ed_chan_try_recv(ch, &value), ED_ECLOSED);
}

FIBER_TEST(closing_ends_all_who_wait)
{
    ed_chan *full ED_CHAN_AUTO = ed_chan_new(sizeof(int), 0);
    ed_chan *empty ED_CHAN_AUTO = ed_chan_new(sizeof(int), 0);
    struct sender senders[2];
    struct receiver receivers[2];
    ed_scope(s);
    start_senders(s, full, senders, 2);
    start_receivers(s, empty, receivers, 2);
    ed_chan_close(full);
    ed_chan_close(empty);
    check_int(ed_wait(s), 0);
    for (int i = 0; i < 2; i++) {
        check_int(senders[i].err, ED_ECLOSED);
        check_int(receivers[i].err, ED_ECLOSED);
        check_int(receivers[i].value, -1);
    }
}

FIBER_TEST(a_channel_can_be_freed_while_fibers_wait_on_it)
{
    ed_chan *ch = ed_chan_new(sizeof(int), 1);
    struct sender senders[3];
    ed_scope(s);
    start_senders(s, ch, senders, 3);
    ed_chan_free(ch);
    check_int(ed_wait(s), 0);
    check_int(senders[0].err, 0);
    check_int(senders[1].err, ED_ECLOSED);
    check_int(senders[2].err, ED_ECLOSED);
    ed_chan_free(NULL);
}

/* ---- cancellation ---- */

FIBER_TEST(a_cancelled_send_has_not_happened)
{
    ed_chan *ch ED_CHAN_AUTO = ed_chan_new(sizeof(int), 0);
    struct sender sender;
    int got;
    {
        ed_scope(s, .within = ED_S);
        start_senders(s, ch, &sender, 1);
        check_int(ed_wait(s), ED_ETIMEOUT);
    }
    check_int(sender.err, ED_ETIMEOUT);
    check_int(ed_chan_try_recv(ch, &got), ED_EWOULDBLOCK);
}

FIBER_TEST(a_cancelled_receive_takes_nothing)
{
    ed_chan *ch ED_CHAN_AUTO = ed_chan_new(sizeof(int), 1);
    struct receiver receiver;
    int value = 8;
    {
        ed_scope(s);
        start_receivers(s, ch, &receiver, 1);
        ed_cancel(s);
        check_int(ed_chan_try_send(ch, &value), 0);
    }
    check_int(receiver.err, ED_ECANCELED);
    check_int(receiver.value, -1);
    check_receives(ch, 8);
}

FIBER_TEST(a_value_handed_to_a_fiber_cancelled_in_the_same_turn_is_not_lost)
{
    ed_chan *ch ED_CHAN_AUTO = ed_chan_new(sizeof(int), 0);
    struct receiver receiver;
    struct sender sender;
    int value = 8;
    {
        ed_scope(s);
        start_receivers(s, ch, &receiver, 1);
        check_int(ed_chan_try_send(ch, &value), 0);
        ed_cancel(s);
    }
    check_int(receiver.err, 0);
    check_int(receiver.value, 8);
    {
        ed_scope(s);
        start_senders(s, ch, &sender, 1);
        check_int(ed_chan_try_recv(ch, &value), 0);
        ed_cancel(s);
    }
    check_int(sender.err, 0);
}

FIBER_TEST(a_cancelled_fiber_neither_sends_nor_receives)
{
    ed_chan *ch ED_CHAN_AUTO = ed_chan_new(sizeof(int), 2);
    int value = 1;
    check_int(ed_chan_send(ch, &value), 0);
    ed_scope(s);
    ed_cancel(s);
    check_int(ed_chan_send(ch, &value), ED_ECANCELED);
    check_int(ed_chan_recv(ch, &value), ED_ECANCELED);
    check_int(ed_chan_count(ch), 1);
}

/* ---- many fibers, cancelled at random ---- */

enum { STRESS_FIBERS = 24, STRESS_VALUES = 1200 };

struct stress {
    ed_chan *chan;
    uint32_t seed;
    int next; /* value nobody has tried to send yet */
    int sends;
    uint8_t sent[STRESS_VALUES];
    uint8_t received[STRESS_VALUES];
    bool close_seen;
};

static int pause_at_random(struct stress *st)
{
    switch (test_random(&st->seed, 4)) {
    case 0:
        return ed_yield();
    case 1:
        return ed_sleep(test_random(&st->seed, 5) * ED_MS);
    default:
        return 0;
    }
}

static int send_values(void *arg)
{
    struct stress *st = arg;
    ed_scope(s, .within = test_random(&st->seed, 20) * ED_MS + 1);
    (void)s;
    int err = 0;
    while (!err && st->next < STRESS_VALUES) {
        int value = st->next++;
        err = ed_chan_send(st->chan, &value);
        st->sent[value] += !err;
        st->sends += !err;
        if (!err)
            err = pause_at_random(st);
    }
    return 0;
}

static int recv_values(void *arg)
{
    struct stress *st = arg;
    ed_scope(s, .within = test_random(&st->seed, 20) * ED_MS + 1);
    (void)s;
    int value;
    int err = 0;
    while (!err && !(err = ed_chan_recv(st->chan, &value))) {
        st->received[value]++;
        err = pause_at_random(st);
    }
    st->close_seen |= err == ED_ECLOSED;
    return 0;
}

static void drain(struct stress *st)
{
    int value;
    while (!ed_chan_try_recv(st->chan, &value))
        st->received[value]++;
}

static void stress(size_t capacity, uint32_t seed)
{
    ed_chan *ch ED_CHAN_AUTO = ed_chan_new(sizeof(int), capacity);
    struct stress st = {.chan = ch, .seed = seed};
    while (st.next < STRESS_VALUES) {
        ed_scope(s);
        for (int i = 0; i < STRESS_FIBERS; i++)
            ed_go(s, test_random(&st.seed, 2) ? send_values : recv_values, &st);
        check_int(ed_sleep(10 * ED_MS), 0);
        if (test_random(&st.seed, 3) == 0)
            ed_cancel(s);
    }
    ed_chan_close(ch);
    drain(&st);
    check(st.sends > STRESS_VALUES / 4);
    for (int i = 0; i < STRESS_VALUES; i++)
        check(st.sent[i] == st.received[i] && st.sent[i] <= 1);
}

FIBER_TEST(no_value_is_lost_or_doubled_whoever_is_cancelled_when)
{
    for (uint32_t seed = 1; seed <= 12; seed++)
        stress(seed % 4, seed);
}

FIBER_TEST(a_close_amid_many_fibers_lets_all_of_them_end)
{
    ed_chan *ch ED_CHAN_AUTO = ed_chan_new(sizeof(int), 3);
    struct stress st = {.chan = ch, .seed = 7};
    {
        ed_scope(s);
        for (int i = 0; i < STRESS_FIBERS; i++)
            ed_go(s, i % 2 ? send_values : recv_values, &st);
        check_int(ed_sleep(2 * ED_MS), 0);
        ed_chan_close(ch);
        check_int(ed_wait(s), 0);
    }
    drain(&st);
    check(st.close_seen);
    check_int(memcmp(st.sent, st.received, sizeof st.sent), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_channel_gives_out_what_was_put_in_in_order),
        cmocka_unit_test(trying_never_waits),
        cmocka_unit_test(a_full_channel_lets_its_senders_in_in_order),
        cmocka_unit_test(waiting_receivers_are_served_in_order),
        cmocka_unit_test(without_capacity_sender_and_receiver_meet),
        cmocka_unit_test(a_channel_of_empty_elements_carries_tokens),
        cmocka_unit_test(a_channel_too_large_for_memory_is_refused),
        cmocka_unit_test(what_a_closed_channel_holds_can_still_be_received),
        cmocka_unit_test(closing_ends_all_who_wait),
        cmocka_unit_test(a_channel_can_be_freed_while_fibers_wait_on_it),
        cmocka_unit_test(a_cancelled_send_has_not_happened),
        cmocka_unit_test(a_cancelled_receive_takes_nothing),
        cmocka_unit_test(
            a_value_handed_to_a_fiber_cancelled_in_the_same_turn_is_not_lost),
        cmocka_unit_test(a_cancelled_fiber_neither_sends_nor_receives),
        cmocka_unit_test(no_value_is_lost_or_doubled_whoever_is_cancelled_when),
        cmocka_unit_test(a_close_amid_many_fibers_lets_all_of_them_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
