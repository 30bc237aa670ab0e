/*
 * scenarios_pg.c - a pool of connections to a real PostgreSQL.
 *
 * The server is started once, by a process that is nobody's child, for after a
 * run no child may be left. It ends with the test program.
 *
 * A virtual clock jumps when nothing can run, which the server does not know
 * about: so it is told to expect something for as long as a scenario runs. It
 * stands still then.
 */
#include "scenarios_run.h"

#include "core/runtime.h"
#include "pg_server.h"
#include <eddy/pg_copy.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char dsn[256]; /* "": there is no server */

/* Runs a server until the other end of `alive` is closed. */
static void keep_server(int told, int alive)
{
    static const char *const settings[] = {"max_connections=20", NULL};
    char none;
    struct pg_server *server = pg_server_start(settings);
    const char *where = pg_server_dsn(server);

    (void)!write(told, where, strlen(where));
    close(told);
    while (read(alive, &none, 1) > 0)
        ;
    pg_server_stop(server);
}

static void start_keeper(int told[2], int alive[2])
{
    pid_t pid = fork();

    if (pid) {
        waitpid(pid, NULL, 0);
        return;
    }
    close(told[0]);
    close(alive[1]);
    if (!fork())
        keep_server(told[1], alive[0]);
    _exit(0);
}

static int make_server(void)
{
    static bool made;
    int told[2], alive[2];

    if (made)
        return 0;
    if (pipe(told) || pipe(alive))
        return ED_EUSAGE;
    made = true;
    start_keeper(told, alive);
    close(told[1]);
    close(alive[0]); /* alive[1] stays open, unused, until we end */
    ssize_t n = read(told[0], dsn, sizeof dsn - 1);
    dsn[n > 0 ? n : 0] = '\0';
    close(told[0]);
    return 0;
}

static int ask(ed_pg *db, long long value)
{
    ed_rows *rows;
    int err = ed_pg_row(db, &rows, "select :v::bigint as v", ed_p(v, value));

    return err ? err : expect(ed_rows_int(rows, "v") == value);
}

static int ask_pool(void *db)
{
    return ask(db, 1);
}

static int transact(void *db)
{
    ed_pg_transaction(tx, db);
    int err = ask(tx, 2);
    if (!err) {
        ed_pg_transaction(inner, tx);
        err = ask(inner, 3);
    }
    if (!err)
        err = ask(tx, 4);
    return err ? err : ed_pg_commit(tx);
}

static int use_session(void *db)
{
    ed_pg_session(session, db);
    return ask(session, 5);
}

static int stream(void *db)
{
    ed_rows *rows ED_ROWS_AUTO = NULL;
    int err = ed_pg_stream(db, &rows, "select generate_series(1, 3)");
    int n = 0;
    while (!err && ed_rows_next(rows))
        n++;
    if (!err)
        err = ed_rows_error(rows);
    return err ? err : expect(n == 3);
}

static int copy_in(ed_pg *tx)
{
    ed_pg_copy *in ED_PG_COPY_AUTO = NULL;
    int err = ed_pg_copy_in(tx, &in, "copy far (n) from stdin");
    for (int i = 0; !err && i < 3; i++)
        err = ed_pg_copy_row(in, ed_v(i));
    return err ? err : ed_pg_copy_end(in, NULL);
}

static int next_set(void *arg, size_t i, struct ed_pg_value *values)
{
    (void)arg;
    values[0] = ed_pg_value((int)i);
    return 0;
}

static int copy_out(ed_pg *tx)
{
    ed_pg_copy *out ED_PG_COPY_AUTO = NULL;
    struct ed_bytes row;
    int n = 0, err = ed_pg_copy_out(tx, &out, "copy far to stdout");
    while (!err && (err = ed_pg_copy_read(out, &row)) > 0) {
        n++;
        err = 0;
    }
    return err ? err : expect(n == 5);
}

static int move_many(void *db)
{
    ed_pg_transaction(tx, db);
    int err = ed_pg_script(tx, "create temp table far (n int);"
                               "select 1");
    if (!err)
        err = copy_in(tx);
    int n = err ? 0
                : ed_pg_exec_many(tx, "insert into far values (:n)", 1, 2,
                                  next_set, NULL);
    if (!err && n < 0)
        err = n;
    if (!err)
        err = copy_out(tx);
    return err ? err : ed_pg_rollback(tx);
}

static int use_pool(ed_pg *db)
{
    ed_scope(s);
    ed_go(s, ask_pool, db);
    ed_go(s, transact, db);
    ed_go(s, use_session, db);
    ed_go(s, stream, db);
    ed_go(s, move_many, db);
    int err = ask(db, 6);
    return err ? err : ed_wait(s);
}

static int begin_expecting(void)
{
    ed_loop_expect(ed_loop_current(), 1);
    return 1;
}

static void end_expecting(const int *n)
{
    ed_loop_expect(ed_loop_current(), -*n);
}

int run_postgres(void *arg)
{
    (void)arg;
    int err = make_server();
    if (err || !*dsn)
        return err ? err : ed_yield();
    int expected __attribute__((cleanup(end_expecting))) = begin_expecting();
    (void)expected;
    ed_pg *db = ed_pg_new(.dsn = dsn, .max = 2, .pipeline = 2);
    if (!db)
        return ED_ENOMEM;
    err = use_pool(db);
    ed_pg_free(db);
    return err;
}
