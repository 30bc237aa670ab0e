/*
 * main.c - arena: the routes of two public benchmark suites, as one service.
 *
 * Nothing in it is special: the framework's router, JSON, pools and server, as
 * any service would use them. See README.md beside it.
 */
#include "arena.h"

#include <eddy/log.h>
#include <eddy/static.h>
#include <stdlib.h>
#include <sys/random.h>

static struct arena arena;
static const char *dataset_path;
static const char *static_folder;
static const char *tls_address = "127.0.0.1:8081";

/* What the environment says; "" counts as nothing. */
static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* ---- the database ---- */

/* The pool that DATABASE_URL and DATABASE_MAX_CONN describe; NULL if none. */
static ed_pg *open_database(void)
{
    const char *dsn = environment("DATABASE_URL");
    const char *max = environment("DATABASE_MAX_CONN");
    int64_t connections = 0;
    if (!dsn)
        return NULL;
    if (max && (ed_bytes_int(ed_bytes(max), &connections) || connections < 1 ||
                connections > 10000)) {
        ed_log_error("DATABASE_MAX_CONN: '%s' is no number of connections",
                     max);
        exit(2);
    }
    ed_pg *db = ed_pg_new(.dsn = dsn, .max = (unsigned)connections);
    if (!db)
        exit(1); /* the log has the reason */
    return db;
}

static int needs_database(ed_req *req, void *arg)
{
    (void)arg;
    return arena_of(req)->db
               ? 0
               : ed_fail(ED_EDATABASE, "DATABASE_URL names no database");
}

static int seed_database(void)
{
    ed_pg *db = open_database();
    if (!db) {
        ed_log_error("--seed needs DATABASE_URL");
        return 2;
    }
    int err = ed_run(seed, db);
    ed_pg_free(db);
    return err ? 1 : 0;
}

/* ---- TLS ---- */

/* The same routes over TLS, on a server beside ed_main()'s. */
struct tls_side {
    ed_tls *tls;
    ed_server *server;
};

static int serve_tls(void *arg)
{
    struct tls_side *side = arg;
    int err = ed_server_run(side->server);
    ed_server_free(side->server);
    ed_tls_free(side->tls);
    return err;
}

/* Listens for TLS, if the environment names a certificate. */
static int start_tls(void *arg)
{
    static struct tls_side side;
    const char *certificate = environment("TLS_CERT");
    char address[ED_ADDR_TEXT];
    ed_app *app = arg;
    if (!certificate)
        return 0;
    int err = ed_tls_server(&side.tls, .certificate = certificate,
                            .key = environment("TLS_KEY"), .alpn = "http/1.1");
    if (err)
        return err;
    side.server = ed_server_new(ed_app_handle, .user = app);
    if (!side.server)
        return ED_ENOMEM;
    ed_listener *listener; /* each worker has its own at that address */
    err = ed_listen(&listener, tls_address, .reuse_port = true);
    if (err)
        return err;
    err = ed_server_add(side.server, listener, .tls = side.tls);
    if (err) {
        ed_listener_close(listener);
        return err;
    }
    if (ed_server_address(side.server, 0, address))
        ed_log_info("listening on https://%s", address);
    return ed_app_background(app, serve_tls, &side);
}

/* ---- the service ---- */

static int start_dataset(void *unused)
{
    (void)unused;
    return dataset_load(&arena.items, dataset_path);
}

static int start_static(void *app)
{
    return static_folder ? ed_static(app, "/static", static_folder) : 0;
}

static void add_routes(ed_app *app)
{
    ed_group *stored = ed_group_new(app, "");
    ed_group_before(stored, needs_database, NULL);
    classic_routes(app, stored);
    fortunes_routes(stored);
    baseline_routes(app);
    dataset_routes(app);
    items_routes(stored);
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--seed"))
        return seed_database();

    unsigned dice;
    if (getrandom(&dice, sizeof dice, 0) == sizeof dice)
        srandom(dice);
    arena.db = open_database();
    arena.cache = cache_new(environment("REDIS_URL"));
    if (!arena.cache)
        return 1; /* the log has the reason */

    ed_app *app = ed_app_new();
    arena_set(app, &arena);
    ed_option(app, "dataset", &dataset_path, "FILE",
              "items of /json/{count}, a JSON array (made up)");
    ed_option(app, "static", &static_folder, "FOLDER",
              "what is served below /static/ (nothing)");
    ed_option(app, "listen-tls", &tls_address, "ADDRESS",
              "where to listen for TLS, if TLS_CERT names a certificate\n"
              "(127.0.0.1:8081)");
    ed_app_context(app, start_dataset, NULL, NULL);
    ed_app_context(app, start_static, NULL, app);
    ed_app_context(app, start_tls, NULL, app);
    add_routes(app);
    int status = ed_main(app, argc, argv);

    cache_free(arena.cache);
    ed_pg_free(arena.db);
    dataset_free(arena.items);
    return status;
}
