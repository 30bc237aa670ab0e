/*
 * patch_target.c - libraries that block, used by many fibers of one thread.
 *
 *     patch_target libpq|curl|mariadb|redis COUNT WHERE [cut]
 *
 * COUNT fibers each connect and make one call that takes 0.3 seconds. Prints
 * how many milliseconds all of them took. What the libraries are told is what
 * any program would tell them: nothing here knows of the patch.
 *
 * With "cut" each makes several calls, each of which a deadline ends somewhere;
 * then, how many descriptors are left over is what is printed.
 */
#include <eddy/eddy.h>

#include "held.h"

#include <curl/curl.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALLERS_MAX = 200, CUTS = 6, LATEST_CUT = 350 /* ms */ };

/* ---- the calls ---- */

static int call_libpq(void *where)
{
    PGconn *db = PQconnectdb(where);
    PGresult *result = PQexec(db, "select 42, pg_sleep(0.3)");
    int err = 0;

    if (PQresultStatus(result) != PGRES_TUPLES_OK ||
        strcmp(PQgetvalue(result, 0, 0), "42") != 0)
        err = ed_fail(-EIO, "libpq: %s", PQerrorMessage(db));
    PQclear(result);
    PQfinish(db);
    return err;
}

static size_t take(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    *(size_t *)arg += size * count;
    return size * count;
}

static int call_curl(void *where)
{
    CURL *curl = curl_easy_init();
    size_t bytes = 0;

    curl_easy_setopt(curl, CURLOPT_URL, where);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &bytes);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_cleanup(curl);
    if (code)
        return ed_fail(-EIO, "curl: %s", curl_easy_strerror(code));
    return bytes == 5 ? 0 : ed_fail(-EIO, "curl: %zu bytes", bytes);
}

static int call_mariadb(void *where)
{
    MYSQL *db = mysql_init(NULL);
    MYSQL_RES *result = NULL;
    int err = 0;

    if (mysql_real_connect(db, NULL, "root", NULL, NULL, 0, where, 0) &&
        !mysql_query(db, "select sleep(0.3)"))
        result = mysql_store_result(db);
    if (!result || mysql_num_rows(result) != 1)
        err = ed_fail(-EIO, "mariadb: %s", mysql_error(db));
    mysql_free_result(result);
    mysql_close(db);
    return err;
}

static int call_redis(void *where)
{
    redisContext *redis = redisConnectUnix(where);
    redisReply *reply = NULL;
    int err = 0;

    if (redis && !redis->err)
        reply = redisCommand(redis, "BLPOP nothing 0.3");
    if (!reply || reply->type != REDIS_REPLY_NIL)
        err = ed_fail(-EIO, "redis: %s", redis ? redis->errstr : "no memory");
    freeReplyObject(reply);
    redisFree(redis);
    return err;
}

/* ---- all at once ---- */

static const struct library {
    const char *name;
    ed_fn *call;
} libraries[] = {
    {"libpq", call_libpq},
    {"curl", call_curl},
    {"mariadb", call_mariadb},
    {"redis", call_redis},
};

struct round {
    const struct library *library;
    int count;
    char *where;
    bool cut;
};

/* Whatever it fails with, it returns, and leaves nothing. */
static int cut_short(void *arg)
{
    const struct round *round = arg;

    for (int i = 0; i < CUTS; i++)
        (void)ed_with_timeout((1 + rand() % LATEST_CUT) * ED_MS,
                              round->library->call, round->where);
    return 0;
}

static int go(void *arg)
{
    const struct round *round = arg;
    struct ed_call calls[CALLERS_MAX];
    int64_t began = ed_clock_monotonic();
    int before = held_descriptors();

    for (int i = 0; i < round->count; i++) {
        calls[i] = (struct ed_call){round->library->call, round->where};
        if (round->cut)
            calls[i] = (struct ed_call){cut_short, arg};
    }
    int err = ed_gather_calls(calls, (size_t)round->count);
    if (err) {
        fprintf(stderr, "%s: %s\n", ed_err_text(err), ed_error());
        return err;
    }
    if (round->cut)
        printf("%d\n", held_descriptors() - before);
    else
        printf("%lld\n", (long long)((ed_clock_monotonic() - began) / ED_MS));
    return 0;
}

int main(int argc, char **argv)
{
    struct round round = {0};

    if (argc < 4)
        return 2;
    round.cut = argc > 4 && !strcmp(argv[4], "cut");
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        if (!strcmp(argv[1], libraries[i].name))
            round.library = &libraries[i];
    }
    round.count = atoi(argv[2]);
    round.where = argv[3];
    if (!round.library || round.count < 1 || round.count > CALLERS_MAX)
        return 2;
    curl_global_init(CURL_GLOBAL_ALL);
    mysql_library_init(0, NULL, NULL);
    /* The patch alone is to tell who blocks. */
    int err = ed_run(go, &round, .blocked_after = -1);
    mysql_library_end();
    curl_global_cleanup();
    return err != 0;
}
