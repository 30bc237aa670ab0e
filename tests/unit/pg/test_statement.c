/*
 * test_statement.c - the table of statements, and how parameters are bound.
 */
#include "link_fixture.h"

#include <stdlib.h>

static struct pg_statement *get(struct pg_statements *table, const char *sql)
{
    struct pg_statement *s = NULL;
    check_int(pg_statement_get(table, sql, &s), 0);
    return s;
}

static int bind(const struct pg_statement *s, struct ed_pg_value *values,
                const struct ed_pg_query_options **options,
                const struct ed_pg_param *params)
{
    return pg_statement_bind(s, params, values, options);
}

FIBER_TEST(a_text_is_compiled_once)
{
    struct pg_statements table;
    check_int(pg_statements_init(&table, 256, 0), 0);
    struct pg_statement *a = get(&table, "select :a");
    char other[] = "select :a";
    struct pg_statement *b = get(&table, other);
    check(a == b);
    check_text(a->sql->text.ptr, "select $1");
    pg_statement_release(a);
    pg_statement_release(b);
    pg_statements_free(&table);
}

FIBER_TEST(what_is_wrong_is_named_with_its_place)
{
    struct pg_statements table;
    struct pg_statement *s;
    check_int(pg_statements_init(&table, 256, 0), 0);
    check_int(pg_statement_get(&table, "select 1,\n  'a", &s), ED_EUSAGE);
    check_text(ed_error(), "SQL, line 2, column 3: a string without its "
                           "closing quote");
    pg_statements_free(&table);
}

FIBER_TEST(the_least_recently_used_leave_and_those_in_use_stay)
{
    struct pg_statements table;
    check_int(pg_statements_init(&table, 1, 0), 0);
    check_int((long long)table.most, 4);
    struct pg_statement *held = get(&table, "select 0");
    for (int i = 1; i < 20; i++) {
        char sql[32];
        snprintf(sql, sizeof sql, "select %d", i);
        pg_statement_release(get(&table, sql));
    }
    check_int((long long)table.count, 4);
    check(get(&table, "select 0") == held);
    pg_statements_free(&table);
    check_text(held->source.ptr, "select 0"); /* outlives the table */
    pg_statement_release(held);
    pg_statement_release(held);
}

FIBER_TEST(a_text_made_for_one_use_is_not_kept)
{
    static char sql[20000];
    struct pg_statements table;
    struct pg_params none = {0};
    struct pg_plan *plan;
    memset(sql, ' ', sizeof sql - 1);
    memcpy(sql, "select 1", 8);
    check_int(pg_statements_init(&table, 256, 0), 0);
    struct pg_statement *s = get(&table, sql);
    check_int((long long)table.count, 0);
    check_int(pg_statement_plan(s, &none, &plan), 0);
    check(!pg_plan_named(plan));
    pg_statement_release(s);
    pg_statements_free(&table);
}

FIBER_TEST(parameters_find_their_places_by_name)
{
    struct pg_statements table;
    const struct ed_pg_query_options *options = NULL;
    struct ed_pg_value v[2];
    check_int(pg_statements_init(&table, 256, 0), 0);
    struct pg_statement *s = get(&table, "select :a, :b, :a");
    check_int(bind(s, v, &options,
                   ED_PG_LIST_(ed_p(b, 2), ed_pg_with(.read_only = true),
                               ed_p(a, 1))),
              0);
    check_int(v[0].as.integer, 1);
    check_int(v[1].as.integer, 2);
    check(options && options->read_only);
    check_int(bind(s, v, &options, ED_PG_LIST_(ed_p(a, 1))), ED_EUSAGE);
    check_text(ed_error(), "parameter \"b\" is not given");
    check_int(bind(s, v, &options, ED_PG_LIST_(ed_p(a, 1), ed_p(a, 1))),
              ED_EUSAGE);
    check_text(ed_error(), "parameter \"a\" is given twice");
    check_int(bind(s, v, &options, ED_PG_LIST_(ed_p(a, 1), ed_p(c, 1))),
              ED_EUSAGE);
    check_text(ed_error(), "parameter \"c\": the statement has no such name");
    check_int(bind(s, v, &options, ED_PG_LIST_(ed_v(1), ed_v(1))), ED_EUSAGE);
    check_text(ed_error(), "parameter 1 is given by position, the statement "
                           "has names");
    pg_statement_release(s);
    pg_statements_free(&table);
}

FIBER_TEST(parameters_find_their_places_by_position)
{
    struct pg_statements table;
    const struct ed_pg_query_options *options = NULL;
    struct ed_pg_value v[2];
    check_int(pg_statements_init(&table, 256, 0), 0);
    struct pg_statement *s = get(&table, "select $2, $1");
    check_int(bind(s, v, &options, ED_PG_LIST_(ed_v(1), ed_v("x"))), 0);
    check_int(v[0].kind, ED_PG_INT);
    check_int(v[1].kind, ED_PG_TEXT);
    check_int(bind(s, v, &options, ED_PG_LIST_(ed_v(1))), ED_EUSAGE);
    check_text(ed_error(), "parameter $2 is not given");
    check_int(bind(s, v, &options, ED_PG_LIST_(ed_v(1), ed_v(1), ed_v(1))),
              ED_EUSAGE);
    check_text(ed_error(), "parameter $3: the statement has no more than 2");
    check_int(bind(s, v, &options, ED_PG_LIST_(ed_p(a, 1))), ED_EUSAGE);
    check_text(ed_error(), "parameter \"a\": the statement has no names");
    pg_statement_release(s);
    pg_statements_free(&table);
}

FIBER_TEST(a_plans_name_tells_text_and_types)
{
    struct pg_statements one, two;
    struct pg_params params = {0};
    struct pg_plan *a, *b, *c;
    struct ed_pg_value text = ed_pg_value("x");
    struct ed_pg_value bytes = ed_bytea(ED_BYTES("x"));
    check_int(pg_statements_init(&one, 256, 0), 0);
    check_int(pg_statements_init(&two, 256, 0), 0);
    struct pg_statement *s = get(&one, "select :x"),
                        *t = get(&two, "select $1");
    check_int(pg_encode(&params, &text, 1), 0);
    check_int(pg_statement_plan(s, &params, &a), 0);
    check_int(pg_statement_plan(t, &params, &b), 0);
    check_text(a->name, b->name);
    check_int((long long)strlen(a->name), PG_PLAN_NAME - 1);
    check_int(pg_encode(&params, &bytes, 1), 0);
    check_int(pg_statement_plan(s, &params, &c), 0);
    check(c != a && strcmp(c->name, a->name));
    check_int(pg_statement_plan(s, &params, &b), 0);
    check(b == c);
    pg_params_free(&params);
    pg_statement_release(s);
    pg_statement_release(t);
    pg_statements_free(&one);
    pg_statements_free(&two);
}

FIBER_TEST(a_statement_is_shown_by_its_beginning)
{
    struct pg_statements table;
    char text[24];
    check_int(pg_statements_init(&table, 256, 0), 0);
    struct pg_statement *s = get(&table, "  select\n\t1  ");
    check_text(pg_statement_text(s, text, sizeof text), "select 1");
    pg_statement_release(s);
    s = get(&table, "select something\u00e4\u00e4\u00e4 from somewhere");
    check_text(pg_statement_text(s, text, sizeof text),
               "select something\u00e4...");
    pg_statement_release(s);
    pg_statements_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_compiled_once),
        cmocka_unit_test(what_is_wrong_is_named_with_its_place),
        cmocka_unit_test(the_least_recently_used_leave_and_those_in_use_stay),
        cmocka_unit_test(a_text_made_for_one_use_is_not_kept),
        cmocka_unit_test(parameters_find_their_places_by_name),
        cmocka_unit_test(parameters_find_their_places_by_position),
        cmocka_unit_test(a_plans_name_tells_text_and_types),
        cmocka_unit_test(a_statement_is_shown_by_its_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
