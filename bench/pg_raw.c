/*
 * pg_raw.c - libpq in its pipeline mode by hand on epoll: what it can cost at
 * least to ask PostgreSQL by way of libpq.
 *
 *     pg_raw [--batch TIMES] [-c QUERIES] [-t SECONDS] [-w WARM-UP SECONDS] DSN
 *
 * So many queries are under way at any time, on four connections. Each has a
 * sync of its own, and the next one is sent when its answer is there. With
 * --batch each connection has so many times as many at once, and one sync for
 * all of them. Prints what client.c prints.
 */
#include "clients.h"
#include <libpq-fe.h>
#include <sys/epoll.h>

enum { CONNECTIONS = 4, ROWS = 10000 };

struct link {
    PGconn *conn;
    int in_batch; /* answers to come until the next sync does */
};

static struct client_run run;
static struct link links[CONNECTIONS];
static int batch; /* queries to a sync */
static uint32_t seed = 1;

static uint32_t random_id(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % ROWS + 1;
}

static void check(struct link *link, int result, const char *what)
{
    errno = 0;
    if (!result)
        die("%s: %s", what, PQerrorMessage(link->conn));
}

static void flush_all(struct link *link)
{
    /* A few kilobytes at most are under way: a full socket is a fault. */
    check(link, PQflush(link->conn) == 0, "flush");
}

static void ask(struct link *link)
{
    uint32_t id = htonl(random_id());
    const char *value = (const char *)&id;
    int length = sizeof(id), binary = 1;

    check(
        link,
        PQsendQueryPrepared(link->conn, "get", 1, &value, &length, &binary, 1),
        "query");
}

static void ask_batch(struct link *link)
{
    for (int i = 0; i < batch; i++)
        ask(link);
    check(link, PQpipelineSync(link->conn), "sync");
    flush_all(link);
}

static void take(struct link *link, PGresult *result)
{
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
        check(link, link->in_batch == 0, "an answer is missing");
        link->in_batch = batch;
        ask_batch(link);
    } else {
        check(link,
              PQresultStatus(result) == PGRES_TUPLES_OK &&
                  PQntuples(result) == 1,
              "no row");
        link->in_batch--;
        run_answered(&run);
    }
    PQclear(result);
}

/* A NULL parts the results of one query from those of the next. */
static void take_all(struct link *link)
{
    bool parted = false;

    check(link, PQconsumeInput(link->conn), "read");
    while (!PQisBusy(link->conn) && !run_ended(&run)) {
        PGresult *result = PQgetResult(link->conn);
        if (!result && parted)
            return;
        parted = !result;
        if (result)
            take(link, result);
    }
}

static void open_link(struct link *link, int epoll)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = link};

    link->conn = PQconnectdb(run.url);
    check(link, PQstatus(link->conn) == CONNECTION_OK, "connect");
    PQclear(PQprepare(link->conn, "get",
                      "select id, randomnumber from world where id = $1", 1,
                      &(Oid){23}));
    check(link, PQsetnonblocking(link->conn, 1) == 0, "non-blocking");
    check(link, PQenterPipelineMode(link->conn), "pipeline");
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, PQsocket(link->conn), &event),
         "epoll_ctl");
}

int main(int argc, char **argv)
{
    bool batched = argc > 2 && !strcmp(argv[1], "--batch");
    int times = batched ? (int)strtol(argv[2], NULL, 10) : 1;
    int epoll = must(epoll_create1(0), "epoll_create1");
    struct epoll_event events[CONNECTIONS];

    run_options(&run, argc - 2 * batched, argv + 2 * batched);
    int each = run.concurrency / CONNECTIONS;
    batch = batched ? each * times : 1;
    for (int i = 0; i < CONNECTIONS; i++) {
        open_link(&links[i], epoll);
        for (int n = batched ? 1 : each; n > 0; n--)
            ask_batch(&links[i]);
        links[i].in_batch = batch;
    }
    while (!run_ended(&run)) {
        int n = epoll_wait(epoll, events, CONNECTIONS, -1);
        for (int i = 0; i < n; i++)
            take_all(events[i].data.ptr);
    }
    run_report(&run);
    return 0;
}
