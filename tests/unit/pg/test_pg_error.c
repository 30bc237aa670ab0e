/*
 * test_pg_error.c - what a server says when it refuses.
 */
#include "link_fixture.h"

#include "pg/error.h"

static void each_sqlstate_is_an_error_of_ours(void **state)
{
    static const struct {
        const char *state;
        int err;
    } known[] = {
        {"08006", ED_EDATABASE},   {"53300", ED_EDATABASE},
        {"57P01", ED_EDATABASE},   {"57P03", ED_EDATABASE},
        {"28P01", ED_EDATABASE},   {"3D000", ED_EDATABASE},
        {"22012", ED_EVALUE},      {"23502", ED_EVALUE},
        {"23514", ED_EVALUE},      {"23505", ED_ECONSTRAINT},
        {"23503", ED_ECONSTRAINT}, {"23P01", ED_ECONSTRAINT},
        {"23001", ED_ECONSTRAINT}, {"40001", ED_ESERIAL},
        {"40P01", ED_ESERIAL},     {"55P03", ED_ESERIAL},
        {"42501", ED_EFORBIDDEN},  {"P0001", ED_EBADREQ},
        {"57014", ED_ETIMEOUT},    {"42601", ED_ESQL},
        {"23000", ED_ESQL},        {"55000", ED_ESQL},
        {"57P04", ED_ESQL},        {"XX000", ED_ESQL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_int_equal(pg_error_code(known[i].state), known[i].err);
}

/* Sends a statement that fails, and makes its error the fiber's. */
static int fail_by(struct pg_link *link, const char *sql,
                   const struct ed_pg_param *params)
{
    struct wait w;
    int err = give(link, &w, sql, false, params);
    if (!check_int(err, 0))
        return err;
    err = await(&w);
    check(w.call->error != NULL);
    check_int(pg_error_set(w.call->error), err);
    done(&w);
    return err;
}

LINK_TEST(all_that_the_server_says_is_there)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    check_text(ask(link, "create table people (id int primary key)"), "");
    check_text(ask(link, "insert into people values (1)"), "");
    check_int(fail_by(link, "insert into people values (:id)",
                      ED_PG_LIST_(ed_p(id, 1))),
              ED_ECONSTRAINT);
    const struct ed_pg_error *e = ed_pg_error();
    check_text(e->sqlstate, "23505");
    check_text(e->severity, "ERROR");
    check_text(e->detail, "Key (id)=(1) already exists.");
    check_text(e->schema, "public");
    check_text(e->table, "people");
    check_text(e->constraint, "people_pkey");
    check_text(e->hint, "");
    check_int(e->position, 0);
    check_text(ed_error(),
               "insert into people values (:id): duplicate key value violates "
               "unique constraint \"people_pkey\" (23505)");
    check_text(ask(link, "drop table people"), "");
    pg_link_close(link);
}

LINK_TEST(a_position_is_where_the_program_wrote_it)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    check_int(fail_by(link, "select :long_name::int, nope",
                      ED_PG_LIST_(ed_p(long_name, 1))),
              ED_ESQL);
    check_int(ed_pg_error()->position, 25);
    check_int(fail_by(link, "select nope", ED_PG_LIST_()), ED_ESQL);
    check_int(ed_pg_error()->position, 8);
    pg_link_close(link);
}

LINK_TEST(a_function_that_raises_is_a_bad_request)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    check_int(fail_by(link, "do $$ begin raise 'no' using hint = 'try'; end $$",
                      ED_PG_LIST_()),
              ED_EBADREQ);
    check_text(ed_pg_error()->hint, "try");
    check(*ed_pg_error()->context);
    pg_link_close(link);
}

static int ask_in_other(void *arg)
{
    (void)arg;
    check_text(ed_pg_error()->sqlstate, "");
    check_text(ed_pg_error()->message, "");
    return 0;
}

LINK_TEST(an_error_is_its_fibers_own)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    check_text(ed_pg_error()->sqlstate, "");
    check_int(fail_by(link, "select 1/0", ED_PG_LIST_()), ED_EVALUE);
    check_text(ed_pg_error()->sqlstate, "22012");
    ed_scope(s);
    ed_go(s, ask_in_other, NULL);
    check_int(ed_wait(s), 0);
    check_int(pg_error_set(NULL), 0);
    check_text(ed_pg_error()->sqlstate, "");
    pg_link_close(link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_sqlstate_is_an_error_of_ours),
        cmocka_unit_test(all_that_the_server_says_is_there),
        cmocka_unit_test(a_position_is_where_the_program_wrote_it),
        cmocka_unit_test(a_function_that_raises_is_a_bad_request),
        cmocka_unit_test(an_error_is_its_fibers_own),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
