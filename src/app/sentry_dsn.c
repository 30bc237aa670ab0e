/*
 * sentry_dsn.c - a DSN: where events go, and by whose leave.
 *
 * "https://KEY:SECRET@HOST:PORT/PREFIX/PROJECT", of which the secret is a thing
 * of the past that some still have: it goes nowhere.
 */
#include "app/sentry_internal.h"

#include "wire/url.h"

#include <stdio.h>
#include <stdlib.h>

void ed_sentry_dsn_free(struct ed_sentry_dsn *dsn)
{
    free(dsn->text);
    free(dsn->url);
    free(dsn->auth);
    *dsn = (struct ed_sentry_dsn){0};
}

/* A key goes into a field: letters and digits, as Sentry makes them. */
static bool is_key(struct ed_bytes key)
{
    for (size_t i = 0; i < key.len; i++) {
        unsigned char c = (unsigned char)key.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == ',' || c == '"' || c == '%')
            return false;
    }
    return key.len != 0;
}

static int make_texts(struct ed_sentry_dsn *dsn, const struct ed_url *url,
                      struct ed_bytes key, struct ed_bytes prefix,
                      struct ed_bytes project)
{
    const char *scheme = url->secure ? "https" : "http";
    const char *open = url->ipv6 ? "[" : "", *close = url->ipv6 ? "]" : "";
    char host[300];
    snprintf(host, sizeof host, "%s%.*s%s:%u", open, (int)url->host.len,
             url->host.ptr, close, url->port);
    int a = asprintf(&dsn->text, "%s://%.*s@%s%.*s/%.*s", scheme, (int)key.len,
                     key.ptr, host, (int)prefix.len, prefix.ptr,
                     (int)project.len, project.ptr);
    int b =
        asprintf(&dsn->url, "%s://%s%.*s/api/%.*s/envelope/", scheme, host,
                 (int)prefix.len, prefix.ptr, (int)project.len, project.ptr);
    int c = asprintf(&dsn->auth,
                     "X-Sentry-Auth: Sentry sentry_version=7, "
                     "sentry_client=eddy/" ED_VERSION ", sentry_key=%.*s",
                     (int)key.len, key.ptr);
    if (a >= 0 && b >= 0 && c >= 0)
        return 0;
    /* What asprintf() left behind where it failed is nothing. */
    dsn->text = a < 0 ? NULL : dsn->text;
    dsn->url = b < 0 ? NULL : dsn->url;
    dsn->auth = c < 0 ? NULL : dsn->auth;
    ed_sentry_dsn_free(dsn);
    return ED_ENOMEM;
}

int ed_sentry_dsn_read(struct ed_sentry_dsn *dsn, const char *text,
                       const char **why)
{
    struct ed_url url;
    *dsn = (struct ed_sentry_dsn){0};
    int err = ed_url_parse(&url, ed_bytes(text), why);
    if (err)
        return err;
    struct ed_bytes secret = url.userinfo;
    struct ed_bytes key = {0};
    if (secret.ptr)
        key = ed_bytes_cut(&secret, ':');
    *why = "no key before '@'";
    if (!is_key(key))
        return ED_EURL;
    *why = "no project behind the last '/'";
    const char *slash =
        url.path.len ? memrchr(url.path.ptr, '/', url.path.len) : NULL;
    if (!slash || url.query.ptr)
        return ED_EURL;
    size_t before = (size_t)(slash - url.path.ptr);
    struct ed_bytes project = ed_bytes_of(slash + 1, url.path.len - before - 1);
    if (!project.len)
        return ED_EURL;
    *why = NULL;
    return make_texts(dsn, &url, key, ed_bytes_of(url.path.ptr, before),
                      project);
}
