/*
 * test_queue.c - queues of work: order, bounds, join, closing, cancellation.
 */
#include "../../fiber_test.h"

#include <eddy/queue.h>

struct job {
    int urgency;
    int id;
};

static bool more_urgent(const void *a, const void *b)
{
    const struct job *x = a;
    const struct job *y = b;
    return x->urgency > y->urgency;
}

struct putter {
    ed_queue *queue;
    struct job job;
    int err;
    bool ended;
};

static int put_one(void *arg)
{
    struct putter *p = arg;
    p->err = ed_queue_put(p->queue, &p->job);
    p->ended = true;
    return 0;
}

struct getter {
    ed_queue *queue;
    void *item;
    int err;
    bool ended;
};

static int get_one(void *arg)
{
    struct getter *g = arg;
    g->err = ed_queue_get(g->queue, &g->item);
    g->ended = true;
    return 0;
}

static void start_putters(ed_scope *s, ed_queue *q, struct putter *putters,
                          int n)
{
    for (int i = 0; i < n; i++) {
        putters[i] = (struct putter){.queue = q, .job = {.id = i}};
        ed_go(s, put_one, &putters[i]);
    }
    check_int(ed_yield(), 0);
}

static void start_getters(ed_scope *s, ed_queue *q, struct getter *getters,
                          int n)
{
    for (int i = 0; i < n; i++) {
        getters[i] = (struct getter){.queue = q};
        ed_go(s, get_one, &getters[i]);
    }
    check_int(ed_yield(), 0);
}

static int next_id(ed_queue *q)
{
    void *item;
    int err = ed_queue_try_get(q, &item);
    return err ? err : ((struct job *)item)->id;
}

/* ---- order ---- */

enum { MANY = 100 }; /* makes the array grow some times */

static void put_many(ed_queue *q, struct job *jobs)
{
    uint32_t seed = 5;
    for (int i = 0; i < MANY; i++) {
        jobs[i] = (struct job){(int)test_random(&seed, 7), i};
        check_int(ed_queue_put(q, &jobs[i]), 0);
    }
    check_int(ed_queue_count(q), MANY);
}

FIBER_TEST(the_default_is_first_in_first_out)
{
    ed_queue *q ED_QUEUE_AUTO = ed_queue_new();
    struct job jobs[MANY];
    struct job early[10] = {0};
    for (int i = 0; i < 10; i++) { /* so that the ring does not begin at 0 */
        check_int(ed_queue_put(q, &early[i]), 0);
        check(next_id(q) != ED_EWOULDBLOCK);
    }
    put_many(q, jobs);
    for (int i = 0; i < MANY; i++)
        check_int(next_id(q), i);
    check_int(next_id(q), ED_EWOULDBLOCK);
}

FIBER_TEST(a_lifo_queue_gives_the_newest_first)
{
    ed_queue *q ED_QUEUE_AUTO = ed_queue_new(.lifo = true);
    struct job jobs[MANY];
    put_many(q, jobs);
    for (int i = MANY; i-- > 0;)
        check_int(next_id(q), i);
    check_int(next_id(q), ED_EWOULDBLOCK);
}

static void check_priorities(ed_queue *q, bool newest_first)
{
    struct job jobs[MANY];
    void *item;
    const struct job *before = NULL;
    put_many(q, jobs);
    for (int i = 0; i < MANY; i++) {
        if (!check_int(ed_queue_try_get(q, &item), 0))
            return;
        const struct job *job = item;
        if (before) {
            check(before->urgency >= job->urgency);
            if (before->urgency == job->urgency)
                check(newest_first == (before->id > job->id));
        }
        before = job;
    }
    check_int(next_id(q), ED_EWOULDBLOCK);
}

FIBER_TEST(a_priority_queue_keeps_the_age_among_equals)
{
    ed_queue *q ED_QUEUE_AUTO = ed_queue_new(.before = more_urgent);
    check_priorities(q, false);
}

FIBER_TEST(a_lifo_priority_queue_gives_the_newest_among_equals)
{
    ed_queue *q ED_QUEUE_AUTO =
        ed_queue_new(.before = more_urgent, .lifo = true);
    check_priorities(q, true);
}

/* ---- waiting ---- */

FIBER_TEST(a_full_queue_lets_its_putters_in_in_order)
{
    ed_queue *q ED_QUEUE_AUTO = ed_queue_new(.max = 2);
    struct putter putters[5];
    ed_scope(s);
    start_putters(s, q, putters, 5);
    check(putters[1].ended && !putters[2].ended);
    check_int(ed_queue_try_put(q, &putters[0].job), ED_EWOULDBLOCK);
    for (int i = 0; i < 5; i++)
        check_int(next_id(q), i);
    check_int(ed_wait(s), 0);
    check_int(putters[4].err, 0);
}

FIBER_TEST(waiting_getters_are_served_in_order)
{
    ed_queue *q ED_QUEUE_AUTO = ed_queue_new(.lifo = true);
    struct getter getters[3];
    struct job jobs[3];
    ed_scope(s);
    start_getters(s, q, getters, 3);
    for (int i = 0; i < 3; i++)
        check_int(ed_queue_try_put(q, &jobs[i]), 0);
    check_int(ed_queue_count(q), 0); /* handed over, not stored */
    check_int(ed_wait(s), 0);
    for (int i = 0; i < 3; i++)
        check(getters[i].item == &jobs[i]);
}

FIBER_TEST(a_get_gives_up_at_the_deadline)
{
    ed_queue *q ED_QUEUE_AUTO = ed_queue_new();
    struct getter getter;
    struct job job;
    {
        ed_scope(s, .within = ED_S);
        start_getters(s, q, &getter, 1);
        check_int(ed_wait(s), ED_ETIMEOUT);
    }
    check(getter.err == ED_ETIMEOUT && !getter.item);
    check_int(ed_queue_try_put(q, &job), 0);
    check_int(ed_queue_count(q), 1);
}

FIBER_TEST(a_cancelled_put_has_not_happened)
{
    ed_queue *q ED_QUEUE_AUTO = ed_queue_new(.max = 1);
    struct putter putters[2];
    {
        ed_scope(s);
        start_putters(s, q, putters, 2);
        ed_cancel(s);
        check_int(next_id(q), 0);
    }
    check_int(putters[1].err, ED_ECANCELED);
    check_int(next_id(q), ED_EWOULDBLOCK);
    check_int(ed_queue_task_done(q), 0);
    check_int(ed_queue_join(q), 0); /* it does not count as work */
}

FIBER_TEST(an_item_handed_to_a_fiber_cancelled_in_the_same_turn_is_not_lost)
{
    ed_queue *q ED_QUEUE_AUTO = ed_queue_new(.max = 1);
    struct getter getter;
    struct putter putters[2];
    struct job job;
    {
        ed_scope(s);
        start_getters(s, q, &getter, 1);
        check_int(ed_queue_try_put(q, &job), 0);
        ed_cancel(s);
    }
    check(getter.err == 0 && getter.item == &job);
    {
        ed_scope(s);
        start_putters(s, q, putters, 2);
        check_int(next_id(q), 0);
        ed_cancel(s);
    }
    check_int(putters[1].err, 0);
    check_int(next_id(q), 1);
}

/* ---- join ---- */

static int work_slowly(void *arg)
{
    ed_queue *q = arg;
    void *item;
    int err;
    while (!(err = ed_queue_get(q, &item))) {
        err = ed_sleep(ED_S);
        check_int(ed_queue_task_done(q), 0);
        if (err)
            return err;
    }
    return err == ED_ECLOSED ? 0 : err;
}

FIBER_TEST(join_waits_until_all_was_dealt_with)
{
    ed_queue *q ED_QUEUE_AUTO = ed_queue_new(.max = 2);
    struct job job;
    int64_t began = ed_now();
    ed_scope(s);
    ed_go(s, work_slowly, q);
    ed_go(s, work_slowly, q);
    check_int(ed_queue_join(q), 0); /* nothing yet to deal with */
    for (int i = 0; i < 6; i++)
        check_int(ed_queue_put(q, &job), 0);
    check_int(ed_queue_join(q), 0);
    check_int(ed_now() - began, 3 * ED_S);
    check_int(ed_queue_task_done(q), ED_EUSAGE);
    ed_queue_close(q);
    check_int(ed_wait(s), 0);
}

FIBER_TEST(a_join_gives_up_at_the_deadline)
{
    ed_queue *q ED_QUEUE_AUTO = ed_queue_new();
    struct job job;
    check_int(ed_queue_put(q, &job), 0);
    {
        ed_scope(s, .within = ED_S);
        (void)s;
        check_int(ed_queue_join(q), ED_ETIMEOUT);
    }
    check_int(ed_queue_task_done(q), 0);
}

/* ---- closing ---- */

FIBER_TEST(what_a_closed_queue_holds_can_still_be_got)
{
    ed_queue *q ED_QUEUE_AUTO = ed_queue_new(.max = 1);
    struct putter putters[2];
    struct getter getter;
    ed_scope(s);
    start_putters(s, q, putters, 2);
    ed_queue_close(q);
    check_int(ed_yield(), 0);
    check_int(putters[1].err, ED_ECLOSED);
    check_int(ed_queue_try_put(q, &putters[1].job), ED_ECLOSED);
    start_getters(s, q, &getter, 1);
    check_int(getter.err, 0);
    start_getters(s, q, &getter, 1);
    check_int(getter.err, ED_ECLOSED);
    check_int(ed_wait(s), 0);
}

static int join_queue(void *arg)
{
    check_int(ed_queue_join(arg), ED_ECLOSED);
    return 0;
}

FIBER_TEST(a_queue_can_be_freed_while_fibers_wait_on_it)
{
    ed_queue *q = ed_queue_new(.max = 1);
    ed_queue *empty = ed_queue_new();
    struct putter putters[3];
    struct getter getters[2];
    ed_scope(s);
    start_putters(s, q, putters, 3);
    start_getters(s, empty, getters, 2);
    ed_go(s, join_queue, q);
    check_int(ed_yield(), 0);
    ed_queue_free(q);
    ed_queue_free(empty);
    check_int(ed_wait(s), 0);
    check_int(putters[2].err, ED_ECLOSED);
    check_int(getters[1].err, ED_ECLOSED);
    ed_queue_free(NULL);
}

/* ---- many fibers, cancelled at random ---- */

enum { STRESS_FIBERS = 24, STRESS_JOBS = 1200 };

struct stress {
    ed_queue *queue;
    uint32_t seed;
    int next;
    int put_in;
    struct job jobs[STRESS_JOBS];
    uint8_t put[STRESS_JOBS];
    uint8_t got[STRESS_JOBS];
};

static int put_jobs(void *arg)
{
    struct stress *st = arg;
    ed_scope(s, .within = (test_random(&st->seed, 20) + 1) * ED_MS);
    (void)s;
    int err = 0;
    while (!err && st->next < STRESS_JOBS) {
        int id = st->next++;
        st->jobs[id] = (struct job){(int)test_random(&st->seed, 5), id};
        err = ed_queue_put(st->queue, &st->jobs[id]);
        st->put[id] += !err;
        st->put_in += !err;
        if (!err)
            err = ed_sleep(test_random(&st->seed, 4) * ED_MS);
    }
    return 0;
}

static void note_got(struct stress *st, void *item)
{
    st->got[((struct job *)item)->id]++;
    check_int(ed_queue_task_done(st->queue), 0);
}

static int get_jobs(void *arg)
{
    struct stress *st = arg;
    ed_scope(s, .within = (test_random(&st->seed, 20) + 1) * ED_MS);
    (void)s;
    void *item;
    while (!ed_queue_get(st->queue, &item)) {
        note_got(st, item);
        if (ed_sleep(test_random(&st->seed, 4) * ED_MS))
            break;
    }
    return 0;
}

static void stress(uint32_t seed, ed_queue *q)
{
    struct stress st = {.queue = q, .seed = seed};
    void *item;
    while (st.next < STRESS_JOBS) {
        ed_scope(s);
        for (int i = 0; i < STRESS_FIBERS; i++)
            ed_go(s, test_random(&st.seed, 2) ? put_jobs : get_jobs, &st);
        check_int(ed_sleep(10 * ED_MS), 0);
        if (test_random(&st.seed, 3) == 0)
            ed_cancel(s);
    }
    while (!ed_queue_try_get(q, &item))
        note_got(&st, item);
    check(st.put_in > STRESS_JOBS / 4);
    check_int(memcmp(st.put, st.got, sizeof st.put), 0);
    check_int(ed_queue_join(q), 0);
    ed_queue_free(q);
}

FIBER_TEST(no_item_is_lost_or_doubled_whoever_is_cancelled_when)
{
    for (uint32_t seed = 1; seed <= 4; seed++) {
        stress(seed, ed_queue_new(.max = seed));
        stress(seed, ed_queue_new(.max = seed, .lifo = true));
        stress(seed, ed_queue_new(.max = seed, .before = more_urgent));
        stress(seed, ed_queue_new());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_is_first_in_first_out),
        cmocka_unit_test(a_lifo_queue_gives_the_newest_first),
        cmocka_unit_test(a_priority_queue_keeps_the_age_among_equals),
        cmocka_unit_test(a_lifo_priority_queue_gives_the_newest_among_equals),
        cmocka_unit_test(a_full_queue_lets_its_putters_in_in_order),
        cmocka_unit_test(waiting_getters_are_served_in_order),
        cmocka_unit_test(a_get_gives_up_at_the_deadline),
        cmocka_unit_test(a_cancelled_put_has_not_happened),
        cmocka_unit_test(
            an_item_handed_to_a_fiber_cancelled_in_the_same_turn_is_not_lost),
        cmocka_unit_test(join_waits_until_all_was_dealt_with),
        cmocka_unit_test(a_join_gives_up_at_the_deadline),
        cmocka_unit_test(what_a_closed_queue_holds_can_still_be_got),
        cmocka_unit_test(a_queue_can_be_freed_while_fibers_wait_on_it),
        cmocka_unit_test(no_item_is_lost_or_doubled_whoever_is_cancelled_when),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
