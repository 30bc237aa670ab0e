/*
 * topology.c - URLs that name several hosts.
 *
 * Such a URL is taken apart into ordinary ones, one for each host, so that
 * there is one reader of hosts, ports, users and passwords: target.c.
 */
#include "redis/topology.h"
#include "net/crypto.h"
#include <eddy/log.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_HOSTS = 64, SENTINEL_PORT = 26379 };

struct parts {
    bool secure;
    struct ed_bytes userinfo; /* "user:password@", or empty */
    struct ed_bytes hosts;
    struct ed_bytes path;  /* without its slash; ptr NULL: none */
    struct ed_bytes query; /* likewise */
};

static int malformed(const char *what)
{
    if (!ed_in_fiber())
        ed_log_error("a Redis URL with %s", what);
    return ed_fail(ED_EURL, "a Redis URL with %s", what);
}

static bool take(struct ed_bytes *text, const char *front)
{
    size_t len = strlen(front);
    struct ed_bytes head = {text->ptr, len};

    if (text->len < len || !ed_bytes_equal_nocase(head, ed_bytes(front)))
        return false;
    text->ptr += len;
    text->len -= len;
    return true;
}

static enum redis_layout layout_of(struct ed_bytes *url, struct parts *parts)
{
    parts->secure = take(url, "rediss+");
    if (!parts->secure && !take(url, "redis+"))
        return REDIS_ONE;
    if (take(url, "sentinel://"))
        return REDIS_SENTINEL;
    return take(url, "cluster://") ? REDIS_CLUSTER : REDIS_ONE;
}

static void take_apart(struct ed_bytes rest, struct parts *parts)
{
    parts->query = rest;
    parts->path = ed_bytes_cut(&parts->query, '?');
    struct ed_bytes authority = ed_bytes_cut(&parts->path, '/');
    const char *at = memrchr(authority.ptr, '@', authority.len);
    size_t before = at ? (size_t)(at + 1 - authority.ptr) : 0;

    parts->userinfo = ed_bytes_of(authority.ptr, before);
    parts->hosts = ed_bytes_of(authority.ptr + before, authority.len - before);
}

static bool has_port(struct ed_bytes host)
{
    const char *bracket = memrchr(host.ptr, ']', host.len);
    const char *from = bracket ? bracket : host.ptr;

    return memchr(from, ':', (size_t)(host.ptr + host.len - from));
}

/* Reads one host as the URL of a server. */
static int read_host(struct redis_target *target, enum redis_layout layout,
                     const struct parts *parts, struct ed_bytes host,
                     struct ed_bytes db, const struct ed_redis_options *options)
{
    struct ed_redis_options one = *options;
    struct ed_buf url = {0};
    int err = ed_buf_addf(&url, "redis%s://%.*s%.*s", parts->secure ? "s" : "",
                          (int)parts->userinfo.len, parts->userinfo.ptr,
                          (int)host.len, host.ptr);

    if (!err && layout == REDIS_SENTINEL && !has_port(host))
        err = ed_buf_addf(&url, ":%d", SENTINEL_PORT);
    if (!err && db.ptr)
        err = ed_buf_addf(&url, "/%.*s", (int)db.len, db.ptr);
    if (!err && parts->query.ptr)
        err =
            ed_buf_addf(&url, "?%.*s", (int)parts->query.len, parts->query.ptr);
    one.url = url.ptr;
    if (!err)
        err = redis_target_init(target, &one);
    ed_erase_buf(&url);
    return err;
}

static int add_host(struct redis_topology *t, const struct parts *parts,
                    struct ed_bytes host, struct ed_bytes db,
                    const struct ed_redis_options *options)
{
    struct redis_target target;

    if (!host.len)
        return malformed("an empty host among several");
    if (t->count == MOST_HOSTS)
        return malformed("more than 64 hosts");
    int err = read_host(&target, t->layout, parts, host, db, options);
    if (err)
        return err;
    t->addresses[t->count] = strdup(target.address);
    if (!t->addresses[t->count])
        err = ED_ENOMEM;
    else if (t->count++ == 0)
        t->server = target;
    if (err || t->count > 1)
        redis_target_free(&target);
    return err;
}

static int read_hosts(struct redis_topology *t, const struct parts *parts,
                      struct ed_bytes db,
                      const struct ed_redis_options *options)
{
    struct ed_bytes hosts = parts->hosts;
    int err = 0;

    t->addresses = calloc(MOST_HOSTS, sizeof *t->addresses);
    if (!t->addresses)
        return ED_ENOMEM;
    while (!err && hosts.ptr)
        err = add_host(t, parts, ed_bytes_cut(&hosts, ','), db, options);
    return err;
}

static int read_sentinel(struct redis_topology *t, const struct parts *parts,
                         const struct ed_redis_options *options)
{
    struct ed_bytes db = parts->path;
    struct ed_bytes master = ed_bytes_cut(&db, '/');

    if (!master.len)
        return malformed("Sentinels and no name of a master");
    t->master = strndup(master.ptr, master.len);
    return t->master ? read_hosts(t, parts, db, options) : ED_ENOMEM;
}

static int read_cluster(struct redis_topology *t, const struct parts *parts,
                        const struct ed_redis_options *options)
{
    int err = read_hosts(t, parts, parts->path, options);

    if (!err && t->server.db)
        return malformed("a database, of a cluster");
    return err;
}

int redis_topology_init(struct redis_topology *t,
                        const struct ed_redis_options *options)
{
    const char *given = options->url ? options->url : getenv("REDIS_URL");
    struct ed_bytes url = ed_bytes(given);
    struct parts parts = {0};
    int err;

    *t = (struct redis_topology){0};
    t->layout = layout_of(&url, &parts);
    if (t->layout == REDIS_ONE)
        return redis_target_init(&t->server, options);
    take_apart(url, &parts);
    err = t->layout == REDIS_SENTINEL ? read_sentinel(t, &parts, options)
                                      : read_cluster(t, &parts, options);
    if (err)
        redis_topology_free(t);
    return err;
}

void redis_topology_free(struct redis_topology *t)
{
    redis_target_free(&t->server);
    for (size_t i = 0; i < t->count; i++)
        free(t->addresses[i]);
    free(t->addresses);
    free(t->master);
    *t = (struct redis_topology){0};
}
