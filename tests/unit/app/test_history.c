/*
 * test_history.c - what is kept of the messages of something, and for whom.
 */
#include "../../fiber_test.h"
#include "app/history.h"

#include <stdlib.h>

static bool add(ed_history *h, const char *data)
{
    return check_int(ed_history_add(h, .data = ed_bytes(data)), 0);
}

/* The messages kept, with commas between. */
static const char *kept(ed_history *h)
{
    static char text[1000];
    struct ed_history_item item;
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; ed_history_at(h, i, &item); i++)
        len +=
            (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s",
                             i ? "," : "", (int)item.data.len, item.data.ptr);
    return text;
}

FIBER_TEST(the_last_messages_are_kept)
{
    ed_history *h = ed_history_new(.count = 3);

    check_int(ed_history_count(h), 0);
    check_text(ed_history_last_id(h), "");
    add(h, "a");
    check_text(kept(h), "a");
    add(h, "b");
    add(h, "c");
    add(h, "d");
    check_text(kept(h), "b,c,d");
    check_int(ed_history_count(h), 3);
    check_int(h->next - h->first, 3);
    ed_history_free(h);
}

FIBER_TEST(bytes_are_bounded)
{
    static const char large[1000];
    ed_history *h = ed_history_new(.bytes = 5000, .behind = 1);

    for (int i = 0; i < 20; i++)
        check_int(ed_history_add(h, .data = ed_bytes_of(large, sizeof(large))),
                  0);
    check_int(ed_history_count(h), 4);
    check_int(h->next - h->first, 4);
    check_int(ed_history_add(h, .data = ed_bytes_of(large, 5000)), ED_ELIMIT);
    check_int(ed_history_count(h), 4);
    ed_history_free(h);
}

FIBER_TEST(old_messages_go_by_themselves)
{
    ed_history *h = ed_history_new(.age = ED_MIN);

    add(h, "a");
    check_int(ed_sleep(40 * ED_S), 0);
    add(h, "b");
    check_text(kept(h), "a,b");
    check_int(ed_sleep(20 * ED_S), 0);
    check_text(kept(h), "b");
    check_int(ed_sleep(40 * ED_S), 0);
    check_text(kept(h), "");
    check_int(h->next - h->first, 0);
    ed_history_free(h);
}

/* What stands behind the message with the id, "!" in front if some is lost. */
static const char *behind(ed_history *h, const char *id)
{
    static char text[1000];
    uint64_t next;
    size_t len = 0;

    text[0] = '\0';
    if (!ed_history_find(h, id, &next))
        text[len++] = '!';
    for (; next < h->next; next++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s",
                                ed_history_entry(h, next)->data.ptr);
    text[len] = '\0';
    return text;
}

FIBER_TEST(a_place_is_found_by_an_id_that_was_given)
{
    ed_history *h = ed_history_new(.count = 3);
    char id[2] = "1", data[2] = "a";

    for (; id[0] <= '5'; id[0]++, data[0]++)
        check_int(ed_history_add(h, .id = id, .data = ed_bytes_of(data, 1)), 0);
    check_text(behind(h, "5"), "");
    check_text(behind(h, "4"), "e");
    check_text(behind(h, "3"), "de");
    check_text(behind(h, "2"), "cde"); /* it is gone, and nothing behind it */
    check_text(behind(h, "1"), "!cde");
    check_text(behind(h, "none"), "!cde");
    check_text(ed_history_last_id(h), "5");
    ed_history_free(h);
}

FIBER_TEST(a_place_is_found_by_an_id_that_was_made)
{
    ed_history *h = ed_history_new(.count = 3);
    ed_history *other = ed_history_new(.count = 3);
    char ids[5][64];

    for (int i = 0; i < 5; i++) {
        char data[2] = {(char)('a' + i), '\0'};
        add(h, data);
        add(other, data);
        snprintf(ids[i], sizeof(ids[i]), "%s", ed_history_last_id(h));
    }
    check_text(behind(h, ids[4]), "");
    check_text(behind(h, ids[2]), "de");
    check_text(behind(h, ids[1]), "cde");
    check_text(behind(h, ids[0]), "!cde");
    /* Another process, or this one before it was started again. */
    check_text(behind(other, ids[4]), "!cde");
    snprintf(ids[4], sizeof(ids[4]), "%s-99", h->epoch);
    check_text(behind(h, ids[4]), "!cde");
    ed_history_free(h);
    ed_history_free(other);
}

FIBER_TEST(whoever_saw_the_last_message_has_missed_nothing_when_it_is_gone)
{
    ed_history *h = ed_history_new(.age = ED_S);

    add(h, "a");
    char *id = strdup(ed_history_last_id(h));
    check_int(ed_sleep(2 * ED_S), 0);
    check_text(behind(h, id), "");
    add(h, "b");
    check_text(behind(h, id), "b");
    free(id);
    ed_history_free(h);
}

FIBER_TEST(ids_that_would_break_a_line_are_refused)
{
    ed_history *h = ed_history_new(.count = 3);

    check_int(ed_history_add(h, .id = "a\nb"), ED_EUSAGE);
    check_int(ed_history_add(h, .id = ""), ED_EUSAGE);
    check_int(ed_history_add(h, .event = "a\rb"), ED_EUSAGE);
    check_int(ed_history_count(h), 0);
    ed_history_free(h);
}

FIBER_TEST(messages_are_kept_longer_for_a_follower_that_is_behind)
{
    ed_history *h = ed_history_new(.count = 1);
    struct ed_follower f;

    ed_history_enter(h, &f, h->next);
    for (int i = 0; i < 10; i++)
        add(h, "a");
    check_int(h->next - h->first, 10);
    check_int(ed_history_count(h), 1);
    f.next = h->next;
    ed_scope(s, .within = ED_S);
    (void)s;
    check_int(ed_history_wait(h, &f), ED_ETIMEOUT); /* it has caught up */
    check_int(h->next - h->first, 1);
    ed_history_leave(h, &f);
    ed_history_free(h);
}

FIBER_TEST(a_follower_that_is_too_far_behind_loses_messages)
{
    static const char large[1000];
    ed_history *h = ed_history_new(.count = 1, .behind = 10 * 1000);
    struct ed_follower f;

    ed_history_enter(h, &f, h->next);
    for (int i = 0; i < 100; i++)
        check_int(ed_history_add(h, .data = ed_bytes_of(large, sizeof(large))),
                  0);
    check_int(h->next - h->first, 9);
    check_int(ed_history_catch_up(h, &f), 91);
    check_int(f.next, 91);
    check_int(ed_history_catch_up(h, &f), 0);
    ed_history_leave(h, &f);
    check_int(h->next - h->first, 1);
    ed_history_free(h);
}

struct waiter {
    ed_history *history;
    int result;
    uint64_t at;
};

static int wait_for_one(void *arg)
{
    struct waiter *w = arg;
    struct ed_follower f;

    ed_history_enter(w->history, &f, w->history->next);
    w->result = ed_history_wait(w->history, &f);
    w->at = f.next;
    ed_history_leave(w->history, &f);
    return 0;
}

FIBER_TEST(all_who_wait_are_woken_and_some_may_give_up)
{
    ed_history *h = ed_history_new(.count = 1);
    struct waiter w[3] = {{h, 0, 0}, {h, 0, 0}, {h, 0, 0}};

    {
        ed_scope(s);
        ed_scope(short_of_time, .within = ED_MS);
        ed_go(s, wait_for_one, &w[0]);
        ed_go(s, wait_for_one, &w[1]);
        ed_go(short_of_time, wait_for_one, &w[2]);
        check_int(ed_wait(short_of_time), ED_ETIMEOUT);
        add(h, "a");
        check_int(ed_wait(s), 0);
    }
    check_int(w[0].result, 0);
    check_int(w[1].result, 0);
    check_int(w[2].result, ED_ETIMEOUT);
    check_int(h->lagging, 0);
    ed_history_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_messages_are_kept),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(old_messages_go_by_themselves),
        cmocka_unit_test(a_place_is_found_by_an_id_that_was_given),
        cmocka_unit_test(a_place_is_found_by_an_id_that_was_made),
        cmocka_unit_test(
            whoever_saw_the_last_message_has_missed_nothing_when_it_is_gone),
        cmocka_unit_test(ids_that_would_break_a_line_are_refused),
        cmocka_unit_test(
            messages_are_kept_longer_for_a_follower_that_is_behind),
        cmocka_unit_test(a_follower_that_is_too_far_behind_loses_messages),
        cmocka_unit_test(all_who_wait_are_woken_and_some_may_give_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
