/*
 * service.c - a service as it is run: GET /ping answers at once, GET /db with a
 * row of a database. For the `serve` benchmark.
 *
 *     service --listen 127.0.0.1:8080 --workers 2 --db DSN
 *     service --bare PORT     /ping with a server alone, without eddy serve:
 *                             what is measured against
 */
#include <eddy/app.h>
#include <eddy/json.h>
#include <eddy/pg.h>
#include <eddy/server.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORLDS = 10000, POOL = 8 };

static ed_pg *db;

static int ping(ed_req *req)
{
    return ed_reply(req, 200, "Hello, world!\n");
}

static int row(ed_req *req)
{
    int id = 1 + (int)(random() % WORLDS);
    ed_rows *rows;
    int err =
        ed_pg_row(db, &rows, "select randomnumber from world where id = :id",
                  ed_p(id, id));

    if (err)
        return err;
    ed_json *j = ed_reply_json_begin(req, 200);
    ed_json_object(j);
    ed_json_key(j, "id");
    ed_json_int(j, id);
    ed_json_key(j, "randomNumber");
    ed_json_int(j, ed_rows_int(rows, 0));
    ed_json_end(j);
    return ed_json_finish(j);
}

/* ---- without workers, counting and logs ---- */

struct bare {
    ed_app *app;
    const char *address;
};

static int run_bare(void *arg)
{
    const struct bare *bare = arg;
    ed_server *server = ed_server_new(ed_app_handle, .user = bare->app);
    int err = server ? ed_server_listen(server, bare->address) : ED_ENOMEM;

    if (!err)
        err = ed_server_run(server);
    ed_server_free(server);
    return err;
}

static int serve_bare(ed_app *app, const char *port)
{
    char address[64];
    struct bare bare = {app, address};

    snprintf(address, sizeof(address), "127.0.0.1:%s", port);
    int err = ed_run(run_bare, &bare);
    ed_app_free(app);
    return err ? 1 : 0;
}

int main(int argc, char **argv)
{
    const char *dsn = NULL;
    ed_app *app = ed_app_new();

    ed_option(app, "db", &dsn, "DSN", "the database GET /db asks");
    ed_route(app, "GET /ping", ping);
    if (argc == 3 && !strcmp(argv[1], "--bare"))
        return serve_bare(app, argv[2]);
    /* Before ed_main() reads its own options: the route needs it. */
    for (int i = 1; i + 1 < argc; i++) {
        if (!strcmp(argv[i], "--db"))
            dsn = argv[i + 1];
    }
    if (dsn && !(db = ed_pg_new(.dsn = dsn, .max = POOL)))
        return 1; /* the log has the reason */
    if (db)
        ed_route(app, "GET /db", row);
    int status = ed_main(app, argc, argv);
    ed_pg_free(db);
    return status;
}
