/*
 * target.c - reading a Redis URL.
 *
 * Owns the target's texts. Errors name the part that is wrong and never what
 * stands in it: it may be the password.
 */
#include "redis/target.h"
#include "net/crypto.h"
#include "wire/url.h"
#include <eddy/fiber.h>
#include <eddy/log.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_URL             "redis://127.0.0.1:6379/0"
#define DEFAULT_PORT            6379
#define DEFAULT_CONNECT_TIMEOUT (5 * ED_S)
#define DEFAULT_MAX_REPLY       ((size_t)64 * 1024 * 1024)

/* ---- texts ---- */

static int set_text(char **to, struct ed_bytes text)
{
    char *copy = strndup(text.ptr ? text.ptr : "", text.len);

    if (!copy)
        return ED_ENOMEM;
    free(*to);
    *to = copy;
    return 0;
}

static int set_option(char **to, const char *text)
{
    return text ? set_text(to, ed_bytes(text)) : 0;
}

static void free_secret(char *text)
{
    if (text)
        ed_erase(text, strlen(text));
    free(text);
}

/* ---- the URL ---- */

static int malformed(const char *part)
{
    if (!ed_in_fiber())
        ed_log_error("a Redis URL with %s", part);
    return ed_fail(ED_EURL, "a Redis URL with %s", part);
}

static int set_decoded(char **to, struct ed_bytes text, const char *part)
{
    int err = set_text(to, text);

    if (err)
        return err;
    ssize_t len = ed_url_decode(*to, text, false);
    if (len < 0)
        return malformed(part);
    (*to)[len] = '\0';
    return 0;
}

static int set_db(struct redis_target *t, struct ed_bytes text)
{
    int64_t db;

    if (ed_bytes_int(text, &db) || db < 0 || db > UINT16_MAX)
        return malformed("a database that is no number");
    t->db = (unsigned)db;
    return 0;
}

static int set_user(struct redis_target *t, struct ed_bytes userinfo)
{
    struct ed_bytes user = ed_bytes_cut(&userinfo, ':');
    int err = set_decoded(&t->user, user, "a malformed user");

    if (!err && userinfo.ptr)
        err = set_decoded(&t->password, userinfo, "a malformed password");
    return err;
}

static int set_query(struct redis_target *t, struct ed_bytes query)
{
    struct ed_bytes name, value;

    while (ed_query_next(&query, &name, &value)) {
        if (!ed_bytes_equal(name, ED_BYTES("db")))
            return malformed("a parameter that is not 'db'");
        int err = set_db(t, value);
        if (err)
            return err;
    }
    return 0;
}

/* Cuts a host, in brackets or not, and its port. */
static int take_host(struct ed_bytes at, struct ed_bytes *host,
                     struct ed_bytes *port)
{
    *port = (struct ed_bytes){NULL, 0};
    if (!at.len || *at.ptr != '[') {
        *host = ed_bytes_cut(&at, ':');
        *port = at;
        return 0;
    }
    at.ptr++;
    at.len--;
    *host = ed_bytes_cut(&at, ']');
    if (!at.ptr || (at.len && *at.ptr != ':'))
        return malformed("a malformed address");
    if (at.len)
        *port = ed_bytes_of(at.ptr + 1, at.len - 1);
    return 0;
}

static int set_host(struct redis_target *t, struct ed_bytes at)
{
    struct ed_bytes host, port;
    int64_t number = DEFAULT_PORT;
    int err = take_host(at, &host, &port);

    if (err)
        return err;
    if (port.ptr &&
        (ed_bytes_int(port, &number) || number < 1 || number > UINT16_MAX))
        return malformed("a port that is none");
    if (!host.len)
        host = ED_BYTES("127.0.0.1");
    bool v6 = memchr(host.ptr, ':', host.len);
    free(t->address);
    if (asprintf(&t->address, "%s%.*s%s:%d", v6 ? "[" : "", (int)host.len,
                 host.ptr, v6 ? "]" : "", (int)number) < 0) {
        t->address = NULL;
        return ED_ENOMEM;
    }
    return set_text(&t->server_name, host);
}

/* What stands behind "redis://". */
static int read_tcp(struct redis_target *t, struct ed_bytes rest)
{
    struct ed_bytes query = rest;
    struct ed_bytes path = ed_bytes_cut(&query, '?');
    struct ed_bytes authority = ed_bytes_cut(&path, '/');
    const char *at = memrchr(authority.ptr, '@', authority.len);
    int err = 0;

    if (at) {
        size_t len = (size_t)(at - authority.ptr);
        err = set_user(t, ed_bytes_of(authority.ptr, len));
        authority = ed_bytes_of(at + 1, authority.len - len - 1);
    }
    if (!err)
        err = set_host(t, authority);
    if (!err && path.len)
        err = set_db(t, path);
    return err ? err : set_query(t, query);
}

/* What stands behind "unix://". */
static int read_unix(struct redis_target *t, struct ed_bytes rest)
{
    struct ed_bytes path = ed_bytes_cut(&rest, '?');
    const char *slash = memchr(path.ptr, '/', path.len);
    char *decoded = NULL;
    int err = 0;

    if (!slash)
        return malformed("no path of a socket");
    size_t before = (size_t)(slash - path.ptr);
    if (before && slash[-1] != '@')
        return malformed("a host before the path of a socket");
    if (before)
        err = set_user(t, ed_bytes_of(path.ptr, before - 1));
    if (!err)
        err = set_decoded(&decoded, ed_bytes_of(slash, path.len - before),
                          "a malformed path of a socket");
    free(t->address);
    t->address = NULL;
    if (!err && asprintf(&t->address, "unix:%s", decoded) < 0) {
        t->address = NULL;
        err = ED_ENOMEM;
    }
    free(decoded);
    return err ? err : set_query(t, rest);
}

static bool take_scheme(struct ed_bytes *text, struct ed_bytes scheme)
{
    struct ed_bytes front = {text->ptr, scheme.len};

    if (text->len < scheme.len || !ed_bytes_equal_nocase(front, scheme))
        return false;
    text->ptr += scheme.len;
    text->len -= scheme.len;
    return true;
}

static int read_url(struct redis_target *t, const char *url)
{
    struct ed_bytes text = ed_bytes(url);

    if (take_scheme(&text, ED_BYTES("redis://")))
        return read_tcp(t, text);
    if (take_scheme(&text, ED_BYTES("unix://")))
        return read_unix(t, text);
    t->secure = take_scheme(&text, ED_BYTES("rediss://"));
    if (t->secure)
        return read_tcp(t, text);
    return malformed("a scheme other than redis, rediss and unix");
}

/* ---- targets ---- */

static const char *choose_url(const char *given)
{
    const char *url = given ? given : getenv("REDIS_URL");

    return url && *url ? url : DEFAULT_URL;
}

static int set_blank(struct redis_target *t)
{
    char **texts[] = {&t->server_name, &t->user, &t->password, &t->name};
    int err = 0;

    for (size_t i = 0; !err && i < sizeof(texts) / sizeof(*texts); i++)
        err = set_text(texts[i], ED_BYTES(""));
    return err;
}

static int fill(struct redis_target *t, const struct ed_redis_options *o)
{
    int err = set_blank(t);

    if (!err)
        err = read_url(t, choose_url(o->url));
    if (!err)
        err = set_option(&t->user, o->user);
    if (!err)
        err = set_option(&t->password, o->password);
    if (!err)
        err = set_option(&t->name, o->name);
    if (!err && o->server_name) {
        t->named = true;
        err = set_option(&t->server_name, o->server_name);
    }
    return err;
}

static void set_plain(struct redis_target *t, const struct ed_redis_options *o)
{
    t->tls = o->tls;
    t->password_hook = o->password_hook;
    t->password_arg = o->password_arg;
    t->connect_timeout =
        o->connect_timeout > 0 ? o->connect_timeout : DEFAULT_CONNECT_TIMEOUT;
    t->max_reply = o->max_reply ? o->max_reply : DEFAULT_MAX_REPLY;
}

int redis_target_init(struct redis_target *t, const struct ed_redis_options *o)
{
    *t = (struct redis_target){0};
    set_plain(t, o);
    int err = fill(t, o);
    if (err)
        redis_target_free(t);
    return err;
}

static int copy_texts(struct redis_target *t, const struct redis_target *like)
{
    int err = set_option(&t->user, like->user);

    if (!err)
        err = set_option(&t->password, like->password);
    if (!err)
        err = set_option(&t->name, like->name);
    if (!err && like->named)
        err = set_option(&t->server_name, like->server_name);
    return err;
}

int redis_target_at(struct redis_target *t, const struct redis_target *like,
                    const char *address)
{
    *t = *like;
    t->address = t->server_name = t->user = t->password = t->name = NULL;
    int err = set_blank(t);
    if (!err)
        err = set_host(t, ed_bytes(address));
    if (!err)
        err = copy_texts(t, like);
    if (err)
        redis_target_free(t);
    return err;
}

int redis_target_identify(struct redis_target *t, const char *user,
                          const char *password)
{
    ed_erase(t->password, strlen(t->password));
    int err = set_text(&t->user, ed_bytes(user));
    return err ? err : set_text(&t->password, ed_bytes(password));
}

void redis_target_free(struct redis_target *t)
{
    free(t->address);
    free(t->server_name);
    free(t->user);
    free_secret(t->password);
    free(t->name);
    *t = (struct redis_target){0};
}
