/*
 * consumer.cc - the same in C++: what only C knows (designators in a literal
 * whose address is taken, choosing by type) works here in its own way.
 */
#include <eddy/eddy.h>

#include <cstring>

namespace
{

ed_pg *db;

/* [handler] */
/* GET /people/{city} */
int people(ed_req *req)
{
    ed_res *weather;
    ed_rows *rows;

    ed_scope(s, .within = 800 * ED_MS);
    ed_go_get(s, &weather, "http://weather.local/");
    int err = ed_pg_query(db, &rows,
                          "select id, name from people"
                          " where city = :city and age > :age",
                          ed_p(city, ed_arg(req, "city")), ed_p(age, 30));
    if (!err)
        err = ed_wait(s);
    if (err)
        return err;
    while (ed_rows_next(rows))
        ed_write(req, "%lld %s\n", ed_rows_int(rows, "id"),
                 ed_rows_text(rows, 1));
    ed_write(req, "%s", ed_res_text(weather));
    return ed_rows_error(rows);
}
/* [/handler] */

/* Each way to choose by a type, and lists of parameters of each length. */
int ask_all(json_t *json)
{
    const int64_t ids[] = {1, 2};
    const char *const names[] = {"Ada", nullptr};
    char text[] = "text";
    ed_rows *rows;

    int err = ed_pg_query(db, &rows, "select 1");
    if (!err)
        err =
            ed_pg_row(db, &rows, "select $1, $2, $3, $4", ed_v(true), ed_v(2u),
                      ed_v(2.5), ed_v(text), ed_pg_with(.read_only = true));
    if (!err)
        err = ed_pg_query(db, &rows, "select $1, $2, $3, $4, $5",
                          ed_v(ED_BYTES("bytes")), ed_v(json),
                          ed_v(ed_array(ids, 2)), ed_v(ed_array(names, 2)),
                          ed_v(ed_null()));
    return err;
}

int hello(ed_req *req)
{
    return ed_reply(req, 200, "Hello, %s!\n", ed_arg(req, "name"));
}

/* An array of arguments lasts as long as the call. */
int run_test(int *exit_code)
{
    struct ed_process process;

    ed_scope(s);
    int err = ed_process_start(&process, s, ED_ARGV("test", "1", "=", "2"),
                               .in = ED_TO_NULL, .group = true);
    if (!err)
        err = ed_process_wait(&process);
    *exit_code = process.exit_code;
    return err;
}

int run(void *)
{
    ed_app *app = ed_app_new();
    ed_group *group = ed_group_new(app, "/in");
    int exit_code = 0;

    ed_route(app, "GET /hello/{name}", hello);
    ed_route(app, "GET /people/{city}", people);
    ed_use_security_headers(app);
    ed_use_body_limit(group, .max_bytes = 64);
    ed_test *t = ed_test_new(app);
    ed_res *res;
    ed_test_get(t, &res, "/hello/Ada", .max_redirects = 2);
    ed_test_body(t, res, "Hello, Ada!\n");
    /* Nobody is there to be asked; what matters is that it can be. */
    db = ed_pg_new(.dsn = "host=/nowhere", .max = 2);
    ed_test_check(t, ask_all(nullptr) == ED_EDATABASE);
    ed_test_check(t, run_test(&exit_code) == ED_EEXIT && exit_code == 1);
    ed_pg_free(db);
    int failed = ed_test_end(t);
    ed_app_free(app);
    return failed;
}

} // namespace

int main()
{
    return ed_run(run, nullptr) || std::strcmp(ed_err_name(ED_EEOF), "ED_EEOF");
}
