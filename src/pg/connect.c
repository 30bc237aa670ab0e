/*
 * connect.c - from a target to a PGconn that is up: libpq's non-blocking
 * connect, driven by a fiber.
 *
 * Owns an attempt to connect. All that libpq knows of connecting (several
 * hosts, target_session_attrs, TLS, passwords of every kind) stays libpq's; we
 * wait for its sockets, see to it that no name is left for it to resolve, and
 * go on to the next host when one does not answer, which libpq does in its
 * blocking functions only.
 */
#include "core/io.h"
#include "base/moment.h"
#include "pg/dsn.h"
#include <eddy/log.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct attempt {
    const struct pg_target *target;
    struct pg_dsn dsn;
    struct pg_hosts hosts;
    size_t first; /* of the hosts still to be tried */
    size_t at;    /* the one being tried */
    int64_t until;
    char *password; /* the hook's; NULL: none */
    PGconn *conn;
};

/* ---- what libpq is told ---- */

struct lists {
    struct ed_buf names, addrs, ports;
};

static int join(struct ed_buf *list, const char *text, bool first)
{
    return ed_buf_addf(list, first ? "%s" : ",%s", text);
}

static int make_lists(struct lists *l, const struct attempt *a)
{
    int err = 0;
    for (size_t i = a->first; i < a->hosts.count && !err; i++) {
        const struct pg_host *host = &a->hosts.list[i];
        bool first = i == a->first;
        err = join(&l->names, host->name, first);
        if (!err)
            err = join(&l->addrs, host->addr, first);
        if (!err)
            err = join(&l->ports, host->port, first);
    }
    return err;
}

static void free_lists(struct lists *l)
{
    ed_buf_free(&l->names);
    ed_buf_free(&l->addrs);
    ed_buf_free(&l->ports);
}

static void set(const char **keywords, const char **values, const char *keyword,
                const char *value)
{
    size_t i = 0;
    while (keywords[i])
        i++;
    keywords[i] = keyword;
    values[i] = value;
}

/* A host that is gone without a word is noticed in less than a minute: while
 * something is on its way to it, cancel requests included, and while not. */
static void set_patience(const char **keywords, const char **values)
{
    set(keywords, values, "tcp_user_timeout", "20000"); /* milliseconds */
    set(keywords, values, "keepalives_idle", "30");     /* seconds */
    set(keywords, values, "keepalives_interval", "5");
    set(keywords, values, "keepalives_count", "4");
}

/* What stands behind `dbname`, which the dsn is expanded from, wins over it;
 * empty values and those that are NULL count as not given. */
static int start(struct attempt *a)
{
    enum { KEYWORDS = 12 };
    const char *keywords[KEYWORDS] = {0};
    const char *values[KEYWORDS] = {0};
    struct lists lists = {0};
    int err = make_lists(&lists, a);
    if (err) {
        free_lists(&lists);
        return err;
    }
    if (!a->dsn.encoding)
        set(keywords, values, "client_encoding", "UTF8");
    if (!a->dsn.patience)
        set_patience(keywords, values);
    set(keywords, values, "fallback_application_name",
        program_invocation_short_name);
    set(keywords, values, "dbname", a->target->dsn);
    set(keywords, values, "host", lists.names.ptr);
    set(keywords, values, "hostaddr", lists.addrs.ptr);
    set(keywords, values, "port", lists.ports.ptr);
    set(keywords, values, "password", a->password);
    a->conn = PQconnectStartParams(keywords, values, 1);
    free_lists(&lists);
    return a->conn ? 0 : ED_ENOMEM;
}

/* ---- waiting ---- */

static int wait_until(const PGconn *conn, bool writable, int64_t deadline)
{
    ed_scope(s, .deadline = deadline, .name = "connect to PostgreSQL");
    return ed_io_wait_fd(PQsocket(conn), writable, "PostgreSQL");
}

/* The host libpq is at: it never goes back in its list. */
static size_t host_at(const struct attempt *a)
{
    for (size_t i = a->at; i < a->hosts.count; i++) {
        const struct pg_host *host = &a->hosts.list[i];
        const char *at = *host->addr ? PQhostaddr(a->conn) : PQhost(a->conn);
        const char *port = PQport(a->conn);
        if (at && !strcmp(at, *host->addr ? host->addr : host->name) &&
            (!*host->port || (port && !strcmp(port, host->port))))
            return i;
    }
    return a->at;
}

/* Each host has an equal share of the time that is left, or what the dsn says.
 */
static void begin_host(struct attempt *a, size_t at)
{
    int64_t share = ed_deadline() - ed_now();
    if (a->hosts.count > at)
        share /= (int64_t)(a->hosts.count - at);
    if (a->dsn.host_timeout && a->dsn.host_timeout < share)
        share = a->dsn.host_timeout;
    a->at = at;
    a->until = ed_moment_after(ed_now(), share);
}

/* Whether another host can be tried. */
static bool next_host(struct attempt *a)
{
    if (a->at + 1 >= a->hosts.count)
        return false;
    PQfinish(a->conn);
    a->conn = NULL;
    a->first = a->at + 1;
    return true;
}

/* libpq's words without the places in the server's source, on one line. */
static int refused(PGconn *conn)
{
    char text[230];
    size_t len = 0;
    struct ed_bytes rest = ed_bytes(PQerrorMessage(conn));
    while (rest.ptr) {
        struct ed_bytes line = ed_bytes_trim(ed_bytes_cut(&rest, '\n'));
        if (!line.len || ed_bytes_starts(line, ED_BYTES("LOCATION:")))
            continue;
        int n = snprintf(text + len, sizeof text - len, "%s%.*s",
                         len ? "; " : "", (int)line.len, line.ptr);
        len += (size_t)n;
        if (len >= sizeof text)
            break;
    }
    text[len < sizeof text ? len : sizeof text - 1] = '\0';
    return ed_fail(ED_EDATABASE, "PostgreSQL: %s", text);
}

static int silent(const struct attempt *a)
{
    const char *port = PQport(a->conn);
    const char *host = PQhost(a->conn);
    return ed_fail(ED_EDATABASE, "PostgreSQL: %s, port %s: no answer in time",
                   host ? host : "", port ? port : "");
}

enum outcome { CONNECTED, NEXT, FAILED };

/* One list of hosts, until one of them has us, one is too slow, or all fail. */
static enum outcome drive(struct attempt *a, int *err)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    begin_host(a, a->first);
    while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
        if (PQstatus(a->conn) == CONNECTION_BAD)
            break;
        *err = wait_until(a->conn, status == PGRES_POLLING_WRITING, a->until);
        if (*err == ED_ETIMEOUT && !ed_cancelled()) {
            *err = silent(a);
            return next_host(a) ? NEXT : FAILED;
        }
        if (*err)
            return FAILED;
        status = PQconnectPoll(a->conn);
        size_t at = host_at(a);
        if (at != a->at)
            begin_host(a, at);
    }
    if (status == PGRES_POLLING_OK)
        return CONNECTED;
    *err = refused(a->conn);
    return FAILED;
}

/* ---- the session ---- */

static void log_notice(void *arg, const PGresult *notice)
{
    (void)arg;
    const char *text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    ed_log_debug("PostgreSQL: %s", text ? text : "a notice");
}

static bool is_set(PGconn *conn, const char *parameter, const char *value)
{
    const char *is = PQparameterStatus(conn, parameter);
    return !is || !strncmp(is, value, strlen(value));
}

/* Statements for what is not as rows are read, which a server or a role may be
 * configured to. Most need none. By statements, not in the start-up message:
 * poolers refuse parameters there that they do not know. */
static const char *settings_of(PGconn *conn, bool read_only, char out[256])
{
    static const struct {
        const char *parameter, *value;
    } needed[] = {
        {"DateStyle", "ISO"},
        {"IntervalStyle", "postgres"},
        {"standard_conforming_strings", "on"},
    };
    size_t len = 0;
    *out = '\0';
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (!is_set(conn, needed[i].parameter, needed[i].value))
            len += (size_t)sprintf(out + len, "set %s to %s;",
                                   needed[i].parameter, needed[i].value);
    }
    if (read_only)
        sprintf(out + len, "set default_transaction_read_only to on;");
    return out;
}

static int read_results(PGconn *conn)
{
    int err = 0;
    for (;;) {
        while (PQisBusy(conn)) {
            int waited = ed_io_wait_fd(PQsocket(conn), false, "PostgreSQL");
            if (waited)
                return waited;
            if (!PQconsumeInput(conn))
                return refused(conn);
        }
        PGresult *result = PQgetResult(conn);
        if (!result)
            return err;
        if (!err && PQresultStatus(result) == PGRES_FATAL_ERROR)
            err = refused(conn);
        PQclear(result);
    }
}

static int set_up(PGconn *conn, const struct pg_target *target)
{
    char settings[256];
    if (PQsetnonblocking(conn, 1))
        return refused(conn);
    if (!*settings_of(conn, target->read_only, settings))
        return 0;
    if (!PQsendQuery(conn, settings))
        return refused(conn);
    int left = PQflush(conn);
    while (left > 0) {
        int err = ed_io_wait_fd(PQsocket(conn), true, "PostgreSQL");
        if (err)
            return err;
        left = PQflush(conn);
    }
    return left < 0 ? refused(conn) : read_results(conn);
}

/* ---- the whole ---- */

static int ask_password(struct attempt *a)
{
    if (!a->target->password)
        return 0;
    const char *password = a->target->password(a->target->arg);
    int cancelled = ed_cancelled();
    if (cancelled)
        return cancelled;
    if (!password)
        return ed_fail(ED_EDATABASE, "PostgreSQL: no password: %s", ed_error());
    a->password = strdup(password);
    return a->password ? 0 : ED_ENOMEM;
}

static int connect_any(struct attempt *a)
{
    enum outcome outcome = NEXT;
    int err = 0;
    while (outcome == NEXT) {
        err = start(a);
        if (err)
            return err;
        /* For the SQLSTATE, which libpq tells of a refusal in no other way. */
        PQsetErrorVerbosity(a->conn, PQERRORS_VERBOSE);
        PQsetNoticeReceiver(a->conn, log_notice, NULL);
        outcome = drive(a, &err);
    }
    if (outcome == CONNECTED)
        err = set_up(a->conn, a->target);
    if (!err)
        PQsetErrorVerbosity(a->conn, PQERRORS_DEFAULT);
    return err;
}

static int prepare(struct attempt *a)
{
    int err = pg_dsn_read(&a->dsn, a->target->dsn);
    if (!err)
        err = pg_hosts_resolve(&a->hosts, &a->dsn);
    if (!err)
        err = ask_password(a);
    return err;
}

static int try_within(void *arg)
{
    struct attempt *a = arg;
    int err = prepare(a);
    return err ? err : connect_any(a);
}

static void forget(struct attempt *a)
{
    if (a->password)
        explicit_bzero(a->password, strlen(a->password));
    free(a->password);
    pg_hosts_free(&a->hosts);
    pg_dsn_free(&a->dsn);
}

int pg_connect(PGconn **out, const struct pg_target *target)
{
    struct attempt a = {.target = target};
    int err = ed_with_timeout(target->connect_timeout, try_within, &a);
    if (err == ED_ETIMEOUT && !ed_cancelled())
        err = ed_fail(ED_EDATABASE,
                      "PostgreSQL: not connected within connect_timeout");
    forget(&a);
    if (err) {
        PQfinish(a.conn);
        return err;
    }
    *out = a.conn;
    return 0;
}
