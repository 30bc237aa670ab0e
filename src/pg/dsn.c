/*
 * dsn.c - what a dsn means before anything is connected: its syntax, and the
 * hosts it leads to.
 *
 * Owns the knowledge of libpq's lists of hosts. libpq would resolve names by
 * getaddrinfo(), which blocks; so names are resolved here, and libpq is given
 * addresses beside the names, which it then uses for TLS and the password file
 * alone.
 */
#include "pg/dsn.h"

#include "base/options.h"
#include "net/resolve.h"
#include <eddy/addr.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <stdlib.h>
#include <string.h>

/* ---- targets ---- */

static int malformed(const char *words)
{
    int len = (int)strcspn(words, "\n");
    if (!ed_in_fiber())
        ed_log_error("PostgreSQL: dsn: %.*s", len, words);
    return ed_fail(ED_EUSAGE, "dsn: %.*s", len, words);
}

/* What libpq quotes of a dsn may be a part of the password. */
static void hide_quotes(char *words)
{
    for (char *from = words, *to; (from = strchr(from, '"')); from = to + 1) {
        to = strchr(++from, '"');
        if (!to)
            return;
        if (to - from > 1)
            memset(from, '*', (size_t)(to - from));
    }
}

static bool has_secret(const char *dsn)
{
    return strstr(dsn, "pass") || strchr(dsn, '@');
}

/* Behind the first '@' of a URI everything is the host's; an abstract socket
 * begins with one. */
static int check_hosts(const PQconninfoOption *parsed)
{
    for (const PQconninfoOption *o = parsed; o->keyword; o++) {
        if (!strcmp(o->keyword, "host") && o->val && *o->val &&
            strchr(o->val + 1, '@') && !strstr(o->val, ",@"))
            return malformed("an @ in a host; in a password it is %40");
    }
    return 0;
}

static int check_syntax(const char *dsn)
{
    char *words = NULL;
    PQconninfoOption *parsed = PQconninfoParse(dsn, &words);
    int err = parsed ? check_hosts(parsed) : ED_ENOMEM;
    if (words && has_secret(dsn))
        hide_quotes(words);
    if (words)
        err = malformed(words);
    PQconninfoFree(parsed);
    PQfreemem(words);
    return err;
}

int pg_target_init(struct pg_target *target,
                   const struct ed_pg_options *options)
{
    static const int64_t default_timeout = 10 * ED_S;
    const char *dsn = options->dsn ? options->dsn : "";
    *target = (struct pg_target){
        .read_only = options->read_only,
        .connect_timeout = options->connect_timeout,
        .password = options->password,
        .arg = options->arg,
    };
    if (target->connect_timeout <= 0)
        target->connect_timeout = default_timeout;
    int err = check_syntax(dsn);
    if (err)
        return err;
    target->dsn = strdup(dsn);
    return target->dsn ? 0 : ED_ENOMEM;
}

void pg_target_free(struct pg_target *target)
{
    free(target->dsn);
    target->dsn = NULL;
}

/* ---- what libpq makes of it ---- */

static int copy(char **to, const char *text)
{
    free(*to);
    *to = text && *text ? strdup(text) : NULL;
    return *to || !text || !*text ? 0 : ED_ENOMEM;
}

static int take(struct pg_dsn *dsn, const PQconninfoOption *option)
{
    const char *value = option->val;
    if (!value || !*value)
        return 0;
    if (!strcmp(option->keyword, "host"))
        return copy(&dsn->host, value);
    if (!strcmp(option->keyword, "hostaddr"))
        return copy(&dsn->hostaddr, value);
    if (!strcmp(option->keyword, "port"))
        return copy(&dsn->port, value);
    if (!strcmp(option->keyword, "client_encoding"))
        dsn->encoding = true;
    if (!strcmp(option->keyword, "tcp_user_timeout") ||
        !strncmp(option->keyword, "keepalives_", 11))
        dsn->patience = true;
    int64_t seconds;
    if (!strcmp(option->keyword, "connect_timeout") &&
        !ed_bytes_int(ed_bytes(value), &seconds) && seconds > 0 &&
        seconds < INT64_MAX / ED_S)
        dsn->host_timeout = seconds * ED_S;
    return 0;
}

static int take_all(struct pg_dsn *dsn, PGconn *conn)
{
    PQconninfoOption *options = PQconninfo(conn);
    if (!options)
        return ED_ENOMEM;
    int err = 0;
    for (PQconninfoOption *o = options; o->keyword && !err; o++)
        err = take(dsn, o);
    PQconninfoFree(options);
    return err;
}

/* The parameters that come by the environment and the service file are merged
 * when a connection is begun, and PQconninfo() tells them of a PGconn. So one
 * is begun that libpq gives up when it has merged them and looked at the lists
 * of hosts, but before it opens a socket: at a session attribute there is not.
 */
int pg_dsn_read(struct pg_dsn *dsn, const char *text)
{
    static const char attribute[] = "none, for its parameters only";
    const char *keywords[] = {"dbname", "target_session_attrs", NULL};
    const char *values[] = {text, attribute, NULL};
    *dsn = (struct pg_dsn){0};
    PGconn *conn = PQconnectStartParams(keywords, values, 1);
    if (!conn)
        return ED_ENOMEM;
    int err = 0;
    const char *words = PQerrorMessage(conn);
    if (!strstr(words, attribute))
        err = ed_fail(ED_EDATABASE, "PostgreSQL: %.*s",
                      (int)strcspn(words, "\n"), words);
    if (!err)
        err = take_all(dsn, conn);
    PQfinish(conn);
    if (err)
        pg_dsn_free(dsn);
    return err;
}

void pg_dsn_free(struct pg_dsn *dsn)
{
    free(dsn->host);
    free(dsn->hostaddr);
    free(dsn->port);
    *dsn = (struct pg_dsn){0};
}

/* ---- hosts ---- */

static int add_host(struct pg_hosts *hosts, struct ed_bytes name,
                    const char *addr, struct ed_bytes port)
{
    struct pg_host *list =
        realloc(hosts->list, (hosts->count + 1) * sizeof *list);
    if (!list)
        return ED_ENOMEM;
    hosts->list = list;
    struct pg_host *host = &list[hosts->count];
    host->name = strndup(name.ptr ? name.ptr : "", name.len);
    host->addr = strdup(addr);
    host->port = strndup(port.ptr ? port.ptr : "", port.len);
    hosts->count++;
    return host->name && host->addr && host->port ? 0 : ED_ENOMEM;
}

void pg_hosts_free(struct pg_hosts *hosts)
{
    for (size_t i = 0; i < hosts->count; i++) {
        free(hosts->list[i].name);
        free(hosts->list[i].addr);
        free(hosts->list[i].port);
    }
    free(hosts->list);
    *hosts = (struct pg_hosts){0};
}

/* A directory of sockets, an abstract socket, an address. */
static bool is_no_name(struct ed_bytes host)
{
    struct ed_addr addr;
    return !host.len || host.ptr[0] == '/' || host.ptr[0] == '@' ||
           !ed_addr_parse_ip(&addr, host, 0);
}

static int add_resolved(struct pg_hosts *hosts, struct ed_bytes host,
                        struct ed_bytes port)
{
    char *name = strndup(host.ptr, host.len);
    if (!name)
        return ED_ENOMEM;
    struct ed_addrs found;
    int err = ed_resolve_soon(name, &found);
    free(name);
    for (unsigned i = 0; !err && i < found.count; i++) {
        char text[ED_ADDR_TEXT];
        err =
            add_host(hosts, host, ed_addr_ip_text(&found.list[i], text), port);
    }
    return err;
}

static int add_any(struct pg_hosts *hosts, struct ed_bytes host,
                   struct ed_bytes addr, struct ed_bytes port)
{
    if (!addr.len && !is_no_name(host))
        return add_resolved(hosts, host, port);
    char text[ED_ADDR_TEXT] = "";
    if (addr.len >= sizeof text)
        return ed_fail(ED_EDATABASE, "PostgreSQL: hostaddr: malformed");
    if (addr.len)
        memcpy(text, addr.ptr, addr.len);
    return add_host(hosts, host, text, port);
}

/* Names that do not resolve, as a server that is down does not answer, must not
 * keep us from the others. */
static bool goes_on(int err)
{
    return err == ED_ERESOLVE || err == ED_EADDR;
}

/* One port may serve for all hosts. */
static struct ed_bytes next_port(struct ed_bytes *ports, bool single)
{
    if (single)
        return *ports;
    return ed_bytes_cut(ports, ',');
}

int pg_hosts_resolve(struct pg_hosts *hosts, const struct pg_dsn *dsn)
{
    struct ed_bytes names = ed_bytes(dsn->host);
    struct ed_bytes addrs = ed_bytes(dsn->hostaddr);
    struct ed_bytes ports = ed_bytes(dsn->port);
    bool single = !dsn->port || !strchr(dsn->port, ',');
    int err = 0;
    *hosts = (struct pg_hosts){0};
    while ((names.ptr || addrs.ptr) && (!err || goes_on(err))) {
        struct ed_bytes name = ed_bytes_cut(&names, ',');
        struct ed_bytes addr = ed_bytes_cut(&addrs, ',');
        err = add_any(hosts, name, addr, next_port(&ports, single));
    }
    if (!err || (goes_on(err) && hosts->count))
        return 0;
    pg_hosts_free(hosts);
    return goes_on(err) ? ed_fail(ED_EDATABASE, "PostgreSQL: %s", ed_error())
                        : err;
}
