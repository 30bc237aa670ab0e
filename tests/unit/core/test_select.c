/*
 * test_select.c - waiting for several channels at once.
 */
#include "../../fiber_test.h"

#include <eddy/chan.h>
#include <stdlib.h>

enum { CHANNELS = 6 }; /* more than a select keeps on its stack */

static void open_channels(ed_chan **ch, size_t capacity)
{
    for (int i = 0; i < CHANNELS; i++)
        ch[i] = ed_chan_new(sizeof(int), capacity);
}

static void free_channels(ed_chan **ch)
{
    for (int i = 0; i < CHANNELS; i++)
        ed_chan_free(ch[i]);
}

/* Receives from all the channels but one, and sends 100 to that. */
struct chooser {
    ed_chan **ch;
    int sends_to; /* -1: to none */
    int chosen;
    int value;
    int err;
};

static int choose(void *arg)
{
    struct chooser *c = arg;
    const int sent = 100;
    int received = -1;
    struct ed_select_case cases[CHANNELS];
    for (int i = 0; i < CHANNELS; i++) {
        if (i == c->sends_to)
            cases[i] = (struct ed_select_case)ED_SEND(c->ch[i], &sent);
        else
            cases[i] = (struct ed_select_case)ED_RECV(c->ch[i], &received);
    }
    c->chosen = ed_select(cases, CHANNELS);
    c->value = received;
    c->err = c->chosen >= 0 ? cases[c->chosen].err : 0;
    return 0;
}

static void start(ed_scope *s, struct chooser *c, ed_chan **ch, int sends_to)
{
    *c = (struct chooser){.ch = ch, .sends_to = sends_to};
    ed_go(s, choose, c);
    check_int(ed_yield(), 0);
}

FIBER_TEST(a_select_waits_for_whichever_comes_first)
{
    ed_chan *ch[CHANNELS];
    open_channels(ch, 0);
    for (int i = 0; i < CHANNELS; i++) {
        struct chooser c;
        ed_scope(s);
        start(s, &c, ch, -1);
        int value = 40 + i;
        check_int(ed_chan_try_send(ch[i], &value), 0);
        /* It has left all the other lines, before it runs. */
        for (int other = 0; other < CHANNELS; other++)
            check_int(ed_chan_try_send(ch[other], &value), ED_EWOULDBLOCK);
        check_int(ed_wait(s), 0);
        check_int(c.chosen, i);
        check_int(c.value, 40 + i);
    }
    free_channels(ch);
}

FIBER_TEST(a_select_sends_or_receives_but_not_both)
{
    ed_chan *ch[CHANNELS];
    open_channels(ch, 0);
    struct chooser c;
    int got = 0;
    ed_scope(s);
    start(s, &c, ch, 2);
    check_int(ed_chan_try_recv(ch[2], &got), 0);
    check_int(got, 100);
    check_int(ed_chan_try_send(ch[0], &got), ED_EWOULDBLOCK);
    check_int(ed_chan_try_recv(ch[2], &got), ED_EWOULDBLOCK);
    check_int(ed_wait(s), 0);
    check_int(c.chosen, 2);
    check_int(c.value, -1);
    free_channels(ch);
}

FIBER_TEST(two_selects_can_meet)
{
    ed_chan *ch[CHANNELS];
    open_channels(ch, 0);
    struct chooser receives, sends;
    ed_scope(s);
    start(s, &receives, ch, -1);
    start(s, &sends, ch, 3);
    check_int(ed_wait(s), 0);
    check_int(receives.chosen, 3);
    check_int(receives.value, 100);
    check_int(sends.chosen, 3);
    free_channels(ch);
}

FIBER_TEST(a_select_never_meets_itself)
{
    ed_chan *ch ED_CHAN_AUTO = ed_chan_new(sizeof(int), 0);
    int from = 1, into = 0;
    struct ed_select_case cases[] = {ED_SEND(ch, &from), ED_RECV(ch, &into)};
    ed_scope(s, .within = ED_S);
    (void)s;
    check_int(ed_select(cases, 2), ED_ETIMEOUT);
    check_int(into, 0);
}

FIBER_TEST(without_waiting_a_select_says_that_it_would)
{
    ed_chan *a ED_CHAN_AUTO = ed_chan_new(sizeof(int), 1);
    ed_chan *b ED_CHAN_AUTO = ed_chan_new(sizeof(int), 1);
    int value = 5, into = 0;
    struct ed_select_case cases[] = {ED_RECV(a, &into), ED_RECV(b, &into)};
    check_int(ed_try_select(cases, 2), ED_EWOULDBLOCK);
    check_int(ed_try_select(NULL, 0), ED_EWOULDBLOCK);
    check_int(ed_chan_send(b, &value), 0);
    check_int(ed_try_select(cases, 2), 1);
    check_int(into, 5);
}

FIBER_TEST(a_case_without_channel_never_happens)
{
    ed_chan *ch ED_CHAN_AUTO = ed_chan_new(sizeof(int), 1);
    int value = 5, into = 0;
    struct ed_select_case cases[] = {ED_RECV(NULL, &into), ED_RECV(ch, &into)};
    check_int(ed_chan_send(ch, &value), 0);
    check_int(ed_select(cases, 2), 1);
    ed_scope(s, .within = ED_S);
    (void)s;
    check_int(ed_select(cases, 1), ED_ETIMEOUT);
}

FIBER_TEST(a_closed_channel_is_chosen_with_that_error)
{
    ed_chan *ch[CHANNELS];
    open_channels(ch, 0);
    struct chooser waits, comes_late;
    ed_scope(s);
    start(s, &waits, ch, 1);
    ed_chan_close(ch[1]);
    ed_chan_close(ch[4]);
    check_int(ed_yield(), 0);
    check_int(waits.chosen, 1);
    check_int(waits.err, ED_ECLOSED);
    start(s, &comes_late, ch, -1);
    check(comes_late.chosen == 1 || comes_late.chosen == 4);
    check_int(comes_late.err, ED_ECLOSED);
    check_int(ed_wait(s), 0);
    free_channels(ch);
}

FIBER_TEST(a_cancelled_select_leaves_every_line)
{
    ed_chan *ch[CHANNELS];
    open_channels(ch, 0);
    struct chooser c;
    int value = 1;
    ed_scope(s);
    start(s, &c, ch, 3);
    ed_cancel(s);
    for (int i = 0; i < CHANNELS; i++) {
        check_int(ed_chan_try_send(ch[i], &value), ED_EWOULDBLOCK);
        check_int(ed_chan_try_recv(ch[i], &value), ED_EWOULDBLOCK);
    }
    check_int(ed_wait(s), ED_ECANCELED);
    check_int(c.chosen, ED_ECANCELED);
    free_channels(ch);
}

FIBER_TEST(a_select_cancelled_after_its_choice_keeps_it)
{
    ed_chan *ch[CHANNELS];
    open_channels(ch, 0);
    struct chooser c;
    int value = 6;
    ed_scope(s);
    start(s, &c, ch, -1);
    check_int(ed_chan_try_send(ch[5], &value), 0);
    ed_cancel(s);
    check_int(ed_wait(s), ED_ECANCELED);
    check_int(c.chosen, 5);
    check_int(c.value, 6);
    free_channels(ch);
}

/* ---- fairness ---- */

enum { ROUNDS = 3000 };

/* Selects among channels that are all full; notes each choice. */
static void choose_many(uint8_t *choices, int *counts)
{
    ed_chan *ch[CHANNELS];
    const int value = 1;
    int into;
    struct ed_select_case cases[CHANNELS];
    open_channels(ch, 1);
    for (int i = 0; i < CHANNELS; i++) {
        check_int(ed_chan_send(ch[i], &value), 0);
        cases[i] = (struct ed_select_case)ED_RECV(ch[i], &into);
    }
    for (int round = 0; round < ROUNDS; round++) {
        int chosen = ed_select(cases, CHANNELS);
        if (!check(chosen >= 0))
            break;
        choices[round] = (uint8_t)chosen;
        counts[chosen]++;
        check_int(ed_chan_send(ch[chosen], &value), 0);
    }
    free_channels(ch);
}

FIBER_TEST(among_ready_channels_each_is_chosen_as_often_and_repeatably)
{
    uint8_t choices[2][ROUNDS];
    int counts[CHANNELS] = {0};
    choose_many(choices[0], counts);
    for (int i = 0; i < CHANNELS; i++)
        check(abs(counts[i] - ROUNDS / CHANNELS) < ROUNDS / CHANNELS / 5);
    choose_many(choices[1], counts);
    check_int(memcmp(choices[0], choices[1], ROUNDS), 0);
}

/* ---- many selects, cancelled at random ---- */

enum { STRESS_FIBERS = 16, STRESS_VALUES = 1500 };

struct stress {
    ed_chan *ch[CHANNELS];
    uint32_t seed;
    int next;
    int sends;
    uint8_t sent[STRESS_VALUES];
    uint8_t received[STRESS_VALUES];
};

static ed_chan *any_channel(struct stress *st)
{
    return st->ch[test_random(&st->seed, CHANNELS)];
}

/* Selects among some sends of the same new value and some receives. */
static int select_at_random(struct stress *st)
{
    struct ed_select_case cases[CHANNELS];
    int value = st->next++;
    int received = -1;
    size_t count = test_random(&st->seed, CHANNELS) + 1;
    for (size_t i = 0; i < count; i++) {
        ed_chan *ch = any_channel(st);
        if (test_random(&st->seed, 2))
            cases[i] = (struct ed_select_case)ED_SEND(ch, &value);
        else
            cases[i] = (struct ed_select_case)ED_RECV(ch, &received);
    }
    int chosen = ed_select(cases, count);
    if (chosen < 0)
        return chosen;
    check_int(cases[chosen].err, 0);
    if (!cases[chosen].sends) {
        st->received[received]++;
        return 0;
    }
    st->sends++;
    st->sent[value]++;
    return 0;
}

static int keep_selecting(void *arg)
{
    struct stress *st = arg;
    ed_scope(s, .within = (test_random(&st->seed, 9) + 1) * ED_MS);
    (void)s;
    int err = 0;
    while (!err && st->next < STRESS_VALUES) {
        err = select_at_random(st);
        if (!err && test_random(&st->seed, 3) == 0)
            err = ed_sleep(test_random(&st->seed, 3) * ED_MS);
    }
    return 0;
}

static void stress(uint32_t seed)
{
    struct stress st = {.seed = seed};
    int value;
    for (int i = 0; i < CHANNELS; i++)
        st.ch[i] = ed_chan_new(sizeof(int), (size_t)i % 3);
    while (st.next < STRESS_VALUES) {
        ed_scope(s);
        for (int i = 0; i < STRESS_FIBERS; i++)
            ed_go(s, keep_selecting, &st);
        check_int(ed_wait(s), 0);
    }
    for (int i = 0; i < CHANNELS; i++) {
        while (!ed_chan_try_recv(st.ch[i], &value))
            st.received[value]++;
    }
    check(st.sends > STRESS_VALUES / 4);
    for (int i = 0; i < STRESS_VALUES; i++)
        check(st.sent[i] == st.received[i] && st.sent[i] <= 1);
    free_channels(st.ch);
}

FIBER_TEST(no_select_loses_or_doubles_a_value_whoever_is_cancelled_when)
{
    for (uint32_t seed = 1; seed <= 12; seed++)
        stress(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_select_waits_for_whichever_comes_first),
        cmocka_unit_test(a_select_sends_or_receives_but_not_both),
        cmocka_unit_test(two_selects_can_meet),
        cmocka_unit_test(a_select_never_meets_itself),
        cmocka_unit_test(without_waiting_a_select_says_that_it_would),
        cmocka_unit_test(a_case_without_channel_never_happens),
        cmocka_unit_test(a_closed_channel_is_chosen_with_that_error),
        cmocka_unit_test(a_cancelled_select_leaves_every_line),
        cmocka_unit_test(a_select_cancelled_after_its_choice_keeps_it),
        cmocka_unit_test(
            among_ready_channels_each_is_chosen_as_often_and_repeatably),
        cmocka_unit_test(
            no_select_loses_or_doubles_a_value_whoever_is_cancelled_when),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
