/* ed_fiber_tree(). */
#include "outside.h"

#include <stdio.h>

static int nap(void *arg)
{
    (void)arg;
    return ed_sleep(ED_MIN);
}

static int nest(void *arg)
{
    ed_scope(s, .within = 500 * ED_MS, .name = "inner");
    ed_go(s, nap, arg);
    return ed_wait(s);
}

static int idle(void *arg)
{
    (void)arg;
    return 0;
}

/* What the tree of this moment says, without the heads of log lines. */
static char *tree_text(void)
{
    int log = capture_log();
    ed_fiber_tree();
    char *text = captured(log);
    char *to = text;

    for (char *line = text; *line;) {
        char *body = strstr(line, "INFO  ");
        size_t len = strcspn(line, "\n") + 1;
        char *next = line + len;
        body = body && body < next ? body + 6 : line;
        memmove(to, body, (size_t)(next - body));
        to += next - body;
        line = next;
    }
    *to = '\0';
    return text;
}

FIBER_TEST(the_tree_shows_who_waits_for_what_in_whose_scope)
{
    char *text;
    ed_scope(s, .name = "page");

    ed_go_at_(s, nap, NULL, "nap", "here.c:1");
    ed_go_at_(s, nest, NULL, "nest", "here.c:2");
    ed_yield();
    ed_go_at_(s, idle, NULL, "idle", "here.c:3");
    text = tree_text();
    says(text, "fibers: 5\n");
    says(text, "  main (ed_run) running\n"
               "    scope test, ");
    says(text, "      scope page\n"
               "        nap (here.c:1) waits for sleep\n"
               "        nest (here.c:2) waits for children\n"
               "          scope inner, 500 ms left\n"
               "            nap (");
    says(text, "        idle (here.c:3) ready\n");
    check(strstr(text, "idle") > strstr(text, "inner"));
    free(text);
    ed_cancel(s);
    text = tree_text();
    says(text, "      scope page, cancelled\n");
    free(text);
}

static int descend(void *arg)
{
    int *left = arg;

    if (--*left == 0) {
        char *text = tree_text();
        says(text, "fibers: 501\n");
        free(text);
        return 0;
    }
    ed_scope(s);
    ed_go(s, descend, left);
    return ed_wait(s);
}

FIBER_TEST(a_deep_tree_is_written_without_a_deep_stack)
{
    int depth = 500;
    ed_scope(s);

    ed_go(s, descend, &depth);
    check_int(ed_wait(s), 0);
}

static void outside_a_loop_there_is_nothing_to_write(void **state)
{
    char *text;

    (void)state;
    text = tree_text();
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tree_shows_who_waits_for_what_in_whose_scope),
        cmocka_unit_test(a_deep_tree_is_written_without_a_deep_stack),
        cmocka_unit_test(outside_a_loop_there_is_nothing_to_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
