/*
 * test_crew.c - who takes whose place among workers that are no processes: the
 * operations only note what they were asked to do.
 */
#include "serve/crew.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static struct {
    struct ed_crew crew;
    int64_t now;
    unsigned spawned, drained, quit, killed, forgotten;
    unsigned done, failed, cut; /* roll-outs */
    bool cannot_spawn;
} t;

static int spawn(struct ed_member *m)
{
    if (t.cannot_spawn)
        return -1;
    m->pid = (pid_t)++t.spawned;
    return 0;
}

static void drain(struct ed_member *m)
{
    (void)m;
    t.drained++;
}

static void quit(struct ed_member *m)
{
    (void)m;
    t.quit++;
}

static void kill_it(struct ed_member *m)
{
    (void)m;
    t.killed++;
}

static void forget(struct ed_member *m)
{
    (void)m;
    t.forgotten++;
}

static void rolled_out(struct ed_crew *crew, enum ed_rollout how)
{
    (void)crew;
    t.done += how == ED_ROLLOUT_DONE;
    t.failed += how == ED_ROLLOUT_FAILED;
    t.cut += how == ED_ROLLOUT_CUT;
}

static const struct ed_crew_ops ops = {
    .spawn = spawn,
    .drain = drain,
    .quit = quit,
    .kill = kill_it,
    .forget = forget,
    .rolled_out = rolled_out,
};

/* ---- what happens ---- */

static struct ed_member *member(pid_t pid)
{
    ed_list_each (node, &t.crew.members) {
        if (ed_member_at(node)->pid == pid)
            return ed_member_at(node);
    }
    return NULL;
}

static void ready(pid_t pid)
{
    ed_member_ready(member(pid), t.now);
}

static void gone(pid_t pid, enum ed_member_end how)
{
    ed_member_gone(member(pid), how, t.now);
}

static unsigned count(enum ed_member_state state)
{
    unsigned members = 0;

    ed_list_each (node, &t.crew.members)
        members += ed_member_at(node)->state == state;
    return members;
}

static int64_t tick(int64_t after)
{
    t.now += after;
    return ed_crew_tick(&t.crew, t.now);
}

/* Members 1 and 2, ready. */
static void start(unsigned wanted)
{
    memset(&t, 0, sizeof t);
    t.now = 1000 * ED_S;
    ed_crew_init(&t.crew, &ops, NULL);
    t.crew.times =
        (struct ed_crew_times){.start = 5 * ED_S, .drain = ED_S, .quit = ED_S};
    t.crew.wanted = wanted;
    assert_true(ed_crew_roll_out(&t.crew, false, t.now));
    for (unsigned i = 1; i <= wanted; i++)
        ready((pid_t)i);
    assert_int_equal(t.done, 1);
    t.now += 60 * ED_S;
}

static int end(void **state)
{
    (void)state;
    while (!ed_list_empty(&t.crew.members)) {
        t.crew.mode = ED_CREW_END;
        ed_member_gone(ed_member_at(ed_list_first(&t.crew.members)),
                       ED_MEMBER_LEFT, t.now);
    }
    assert_int_equal(t.forgotten >= t.spawned, 1);
    return 0;
}

/* ---- starting and dying ---- */

static void as_many_start_as_are_wanted(void **state)
{
    (void)state;
    start(3);
    assert_int_equal(t.spawned, 3);
    assert_int_equal(count(ED_MEMBER_READY), 3);
}

static void one_that_dies_is_replaced_at_once(void **state)
{
    (void)state;
    start(2);
    gone(1, ED_MEMBER_CRASHED);
    assert_int_equal(t.spawned, 3);
}

static void those_that_die_soon_come_later_each_time(void **state)
{
    (void)state;
    start(1);
    gone(1, ED_MEMBER_CRASHED); /* lived long */
    ready(2);
    gone(2, ED_MEMBER_CRASHED); /* did not */
    assert_int_equal(t.spawned, 2);
    int64_t first = tick(0) - t.now;
    assert_true(first > 0 && first < ED_S);
    tick(first);
    assert_int_equal(t.spawned, 3);
    ready(3);
    gone(3, ED_MEMBER_FAILED);
    int64_t second = tick(0) - t.now;
    assert_true(second > first);
    for (pid_t pid = 4; pid < 20; pid++) {
        tick(60 * ED_S);
        ready(pid);
        gone(pid, ED_MEMBER_FAILED);
        assert_true(tick(0) - t.now < 60 * ED_S);
    }
}

static void one_that_leaves_by_itself_is_no_failure(void **state)
{
    (void)state;
    start(1);
    for (pid_t pid = 1; pid < 6; pid++) {
        gone(pid, ED_MEMBER_LEFT);
        assert_int_equal(t.spawned, pid + 1);
        ready(pid + 1);
    }
}

static void the_first_that_cannot_start_ends_the_roll_out(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    ed_crew_init(&t.crew, &ops, NULL);
    t.crew.wanted = 2;
    ed_crew_roll_out(&t.crew, false, 1);
    gone(1, ED_MEMBER_FAILED);
    assert_int_equal(t.failed, 1);
    assert_int_equal(t.quit, 1); /* the other that was starting */
    gone(2, ED_MEMBER_LEFT);
}

static void one_that_is_not_ready_in_time_has_failed(void **state)
{
    (void)state;
    start(1);
    ed_crew_roll_out(&t.crew, false, t.now);
    assert_int_equal(tick(0), t.now + 5 * ED_S);
    tick(5 * ED_S);
    assert_int_equal(t.killed, 1);
    gone(2, ED_MEMBER_CRASHED);
    assert_int_equal(t.failed, 1);
    assert_int_equal(count(ED_MEMBER_READY), 1);
    assert_int_equal(t.drained, 0);
}

/* ---- reloading ---- */

static void old_ones_leave_when_all_new_ones_are_ready(void **state)
{
    (void)state;
    start(2);
    assert_true(ed_crew_roll_out(&t.crew, false, t.now));
    assert_int_equal(t.spawned, 4);
    assert_false(ed_crew_roll_out(&t.crew, false, t.now));
    ready(3);
    assert_int_equal(t.drained, 0);
    ready(4);
    assert_int_equal(t.drained, 2);
    assert_int_equal(t.done, 2);
    assert_int_equal(member(1)->state, ED_MEMBER_DRAINING);
    gone(1, ED_MEMBER_LEFT);
    gone(2, ED_MEMBER_LEFT);
    assert_int_equal(t.spawned, 4);
}

static void a_new_one_that_fails_leaves_the_old_ones(void **state)
{
    (void)state;
    start(2);
    ed_crew_roll_out(&t.crew, false, t.now);
    ready(3);
    gone(4, ED_MEMBER_FAILED);
    assert_int_equal(t.failed, 1);
    assert_int_equal(member(3)->state, ED_MEMBER_DRAINING);
    assert_int_equal(member(1)->state, ED_MEMBER_READY);
    assert_int_equal(member(2)->state, ED_MEMBER_READY);
    assert_false(member(1)->leaving);
    gone(3, ED_MEMBER_LEFT);
    assert_int_equal(t.spawned, 4);
    assert_true(ed_crew_roll_out(&t.crew, false, t.now)); /* and again */
}

static void in_a_chain_they_go_one_by_one(void **state)
{
    (void)state;
    start(3);
    assert_true(ed_crew_roll_out(&t.crew, true, t.now));
    for (pid_t fresh = 4; fresh <= 6; fresh++) {
        assert_int_equal(t.spawned, fresh);
        assert_int_equal(t.drained, fresh - 4);
        ready(fresh);
        assert_int_equal(t.drained, fresh - 3);
    }
    assert_int_equal(t.done, 2);
}

static void a_chain_stops_at_one_that_cannot_start(void **state)
{
    (void)state;
    start(3);
    ed_crew_roll_out(&t.crew, true, t.now);
    ready(4);
    gone(5, ED_MEMBER_FAILED);
    assert_int_equal(t.failed, 1);
    assert_int_equal(count(ED_MEMBER_READY), 3); /* 2, 3 and 4 */
    assert_int_equal(t.drained, 1);
}

static void a_process_that_cannot_be_made_fails_it_too(void **state)
{
    (void)state;
    start(2);
    t.cannot_spawn = true;
    ed_crew_roll_out(&t.crew, false, t.now);
    assert_int_equal(t.failed, 1);
    assert_int_equal(count(ED_MEMBER_READY), 2);
}

static void one_that_is_cut_short_is_told_of(void **state)
{
    (void)state;
    start(2);
    ed_crew_roll_out(&t.crew, false, t.now);
    ed_crew_drain(&t.crew, false, t.now);
    assert_int_equal(t.cut, 1);
    assert_int_equal(t.done + t.failed, 1);
    ed_crew_drain(&t.crew, false, t.now);
    assert_int_equal(t.cut, 1); /* there was none */
    for (pid_t pid = 1; pid <= 4; pid++)
        gone(pid, ED_MEMBER_LEFT);
    ed_crew_roll_out(&t.crew, false, t.now);
    ed_crew_quit(&t.crew, t.now);
    assert_int_equal(t.cut, 2);
}

/* Those it began with: its process knows no others. */
static void a_member_keeps_its_times(void **state)
{
    (void)state;
    start(1);
    t.crew.times.drain = 60 * ED_S;
    ed_crew_roll_out(&t.crew, false, t.now);
    ready(2);
    tick(ED_S);
    assert_int_equal(member(1)->state, ED_MEMBER_KILLED);
    gone(1, ED_MEMBER_CRASHED);
    t.crew.times.drain = ED_S;
    ed_crew_roll_out(&t.crew, false, t.now);
    ready(3);
    tick(59 * ED_S);
    assert_int_equal(member(2)->state, ED_MEMBER_DRAINING);
}

/* ---- recycling and scaling ---- */

static void a_tired_one_leaves_when_another_is_ready(void **state)
{
    (void)state;
    start(2);
    ed_member_tired(member(1), t.now);
    assert_int_equal(t.spawned, 3);
    assert_int_equal(t.drained, 0);
    ready(3);
    assert_int_equal(t.drained, 1);
    assert_int_equal(member(1)->state, ED_MEMBER_DRAINING);
    assert_int_equal(count(ED_MEMBER_READY), 2);
    assert_int_equal(t.done, 1); /* it is no roll-out */
}

/* It asks only once. */
static void a_tired_one_is_so_after_a_failed_roll_out(void **state)
{
    (void)state;
    start(2);
    ed_member_tired(member(1), t.now);
    ed_crew_roll_out(&t.crew, false, t.now);
    ed_member_tired(member(2), t.now);
    for (pid_t pid = 3; pid <= 5; pid++)
        gone(pid, ED_MEMBER_FAILED);
    assert_int_equal(t.failed, 1);
    assert_true(member(1)->leaving);
    assert_true(member(2)->leaving);
    tick(10 * ED_S);
    assert_true(t.spawned > 5); /* who takes their place */
}

static void more_are_started_and_fewer_are_kept(void **state)
{
    (void)state;
    start(2);
    ed_crew_scale(&t.crew, 4, t.now);
    assert_int_equal(t.spawned, 4);
    ready(3);
    ed_crew_scale(&t.crew, 2, t.now);
    assert_int_equal(t.quit, 1); /* the one that was not ready */
    assert_int_equal(t.drained, 1);
    assert_int_equal(count(ED_MEMBER_READY), 2);
}

/* ---- ending ---- */

static void draining_ends_all_and_starts_none(void **state)
{
    (void)state;
    start(2);
    ed_crew_drain(&t.crew, true, t.now);
    assert_int_equal(t.drained, 2);
    gone(1, ED_MEMBER_LEFT);
    tick(0);
    assert_int_equal(t.killed, 0);
    tick(ED_S);
    assert_int_equal(t.killed, 1); /* too slow */
    gone(2, ED_MEMBER_CRASHED);
    assert_true(ed_crew_empty(&t.crew));
    assert_int_equal(t.spawned, 2);
}

static void who_is_down_comes_up_again(void **state)
{
    (void)state;
    start(2);
    ed_crew_drain(&t.crew, false, t.now);
    gone(1, ED_MEMBER_LEFT);
    gone(2, ED_MEMBER_LEFT);
    tick(60 * ED_S);
    assert_int_equal(t.spawned, 2);
    ed_crew_resume(&t.crew, t.now);
    assert_int_equal(t.spawned, 4);
}

static void a_hung_one_is_killed_and_replaced(void **state)
{
    (void)state;
    start(2);
    ed_member_hung(member(1), t.now);
    ed_member_hung(member(1), t.now);
    assert_int_equal(t.killed, 1);
    assert_int_equal(t.spawned, 3);
    gone(1, ED_MEMBER_CRASHED);
    assert_int_equal(t.spawned, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(as_many_start_as_are_wanted, end),
        cmocka_unit_test_teardown(one_that_dies_is_replaced_at_once, end),
        cmocka_unit_test_teardown(those_that_die_soon_come_later_each_time,
                                  end),
        cmocka_unit_test_teardown(one_that_leaves_by_itself_is_no_failure, end),
        cmocka_unit_test_teardown(the_first_that_cannot_start_ends_the_roll_out,
                                  end),
        cmocka_unit_test_teardown(one_that_is_not_ready_in_time_has_failed,
                                  end),
        cmocka_unit_test_teardown(old_ones_leave_when_all_new_ones_are_ready,
                                  end),
        cmocka_unit_test_teardown(a_new_one_that_fails_leaves_the_old_ones,
                                  end),
        cmocka_unit_test_teardown(in_a_chain_they_go_one_by_one, end),
        cmocka_unit_test_teardown(a_chain_stops_at_one_that_cannot_start, end),
        cmocka_unit_test_teardown(one_that_is_cut_short_is_told_of, end),
        cmocka_unit_test_teardown(a_member_keeps_its_times, end),
        cmocka_unit_test_teardown(a_tired_one_is_so_after_a_failed_roll_out,
                                  end),
        cmocka_unit_test_teardown(a_process_that_cannot_be_made_fails_it_too,
                                  end),
        cmocka_unit_test_teardown(a_tired_one_leaves_when_another_is_ready,
                                  end),
        cmocka_unit_test_teardown(more_are_started_and_fewer_are_kept, end),
        cmocka_unit_test_teardown(draining_ends_all_and_starts_none, end),
        cmocka_unit_test_teardown(who_is_down_comes_up_again, end),
        cmocka_unit_test_teardown(a_hung_one_is_killed_and_replaced, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
