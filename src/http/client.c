/*
 * client.c - clients: their options, their life, their counts.
 */
#include "base/options.h"
#include "http/auth.h"
#include "http/policy.h"
#include <stdlib.h>

#define DEFAULT_USER_AGENT "eddy/" EDDY_VERSION

enum {
    DEFAULT_MAX_PER_ORIGIN = 1024,
    DEFAULT_MAX_IDLE = 1024,
    DEFAULT_MAX_BODY = 64 * 1024 * 1024,
    DEFAULT_MAX_REDIRECTS = 10,
};
#define DEFAULT_KEEP_ALIVE (15 * ED_S)

/* ---- the client ---- */

static void close_pooled(struct ed_pooled *pooled)
{
    ed_client_conn_close(ED_CONTAINER(pooled, struct ed_client_conn, pooled));
}

static void free_client(ed_client *client)
{
    ed_auth_forget(client);
    free((char *)client->propagated.deadline.ptr);
    free((char *)client->propagated.trace.ptr);
    if (client->reader)
        ed_buf_free(&client->reader->bytes);
    free(client->reader);
    ed_policies_close(client);
    free(client->user_agent);
    ed_routes_close(&client->routes);
    ed_timeouts_close(&client->timeouts);
    ED_MAGIC_CLEAR(client);
    free(client);
}

/* Names of fields are copied, and must be some. */
static int copy_name(struct ed_bytes *name)
{
    if (!name->len) {
        name->ptr = NULL;
        return 0;
    }
    if (!ed_http1_is_token(*name)) {
        int err =
            ed_fail(ED_EUSAGE, "'%.80s' is no name of a field", name->ptr);
        name->ptr = NULL;
        return err;
    }
    name->ptr = strdup(name->ptr);
    return name->ptr ? 0 : ED_ENOMEM;
}

static int set_propagation(ed_client *client, const struct ed_client_options *o)
{
    struct ed_propagation_names *names = &client->propagated;

    *names = ed_propagation_names(o->no_propagation, o->deadline_header,
                                  o->trace_header);
    int err = copy_name(&names->deadline);
    if (err)
        names->trace.ptr = NULL;
    return err ? err : copy_name(&names->trace);
}

/* 0 is the default, and negative is without a limit. */
static int64_t limit(int64_t given, int64_t by_default)
{
    if (!given)
        return by_default;
    return given > 0 ? given : INT64_MAX;
}

static void set_timeouts(ed_client *client, const struct ed_client_options *o)
{
    int64_t *after = client->timeouts.after;

    after[ED_TIMEOUT_RESOLVE] = limit(o->resolve_timeout, 5 * ED_S);
    after[ED_TIMEOUT_CONNECT] = limit(o->connect_timeout, 10 * ED_S);
    after[ED_TIMEOUT_TLS] = limit(o->tls_timeout, 10 * ED_S);
    after[ED_TIMEOUT_FIRST_BYTE] = limit(o->first_byte_timeout, 60 * ED_S);
    after[ED_TIMEOUT_IDLE] = limit(o->idle_timeout, 60 * ED_S);
    client->timeout = o->timeout > 0 ? o->timeout : 0;
    client->timeouts.expired = ed_client_conn_expired;
    ed_timeouts_open(&client->timeouts, client->loop);
}

static unsigned redirects_of(const struct ed_client_options *o)
{
    if (!o->max_redirects)
        return DEFAULT_MAX_REDIRECTS;
    return o->max_redirects > 0 ? (unsigned)o->max_redirects : 0;
}

static int set_user_agent(ed_client *client, const char *text)
{
    text = text ? text : DEFAULT_USER_AGENT;
    client->user_agent = strdup(text);
    if (!client->user_agent)
        return ed_fail(ED_ENOMEM, "no memory for a client");
    client->user_agent_len = strlen(text);
    return 0;
}

static int open_pool(ed_client *client, const struct ed_client_options *o)
{
    struct ed_pool *pool = &client->pool;

    pool->max_per_origin =
        o->max_per_origin ? o->max_per_origin : DEFAULT_MAX_PER_ORIGIN;
    pool->max_idle = o->max_idle ? o->max_idle : DEFAULT_MAX_IDLE;
    pool->idle_timeout = o->keep_alive ? o->keep_alive : DEFAULT_KEEP_ALIVE;
    pool->close = close_pooled;
    return ed_pool_open(pool, client->loop)
               ? ed_fail(ED_ENOMEM, "no memory for a client")
               : 0;
}

static int set_up(ed_client *client, const struct ed_client_options *o)
{
    client->loop = ed_loop_current();
    client->max_body = o->max_body ? o->max_body : DEFAULT_MAX_BODY;
    client->no_decoding = o->no_decoding;
    client->hook = o->hook;
    client->hook_arg = o->hook_arg;
    client->max_redirects = redirects_of(o);
    client->jar = o->jar;
    set_timeouts(client, o);
    int err = set_user_agent(client, o->user_agent);
    if (!err)
        err = set_propagation(client, o);
    if (!err)
        err = ed_routes_open(&client->routes, o);
    if (err)
        return err;
    return ed_policies_open(client, o)
               ? ed_fail(ED_ENOMEM, "no memory for a client")
               : open_pool(client, o);
}

static int make_client(ed_client **out, const struct ed_client_options *options)
{
    ED_OPTIONS_TAKE(struct ed_client_options, o, options);
    ed_client *client = calloc(1, sizeof(*client));

    if (!client)
        return ed_fail(ED_ENOMEM, "no memory for a client");
    ED_MAGIC_SET(client, ED_CLIENT_MAGIC);
    int err = set_up(client, &o);
    if (err)
        free_client(client);
    else
        *out = client;
    return err;
}

ed_client *ed_client_new_with(const struct ed_client_options *options)
{
    ed_client *client = NULL;

    return make_client(&client, options) ? NULL : client;
}

void ed_client_free(ed_client *client)
{
    if (!client)
        return;
    ED_MAGIC_CHECK(client, ED_CLIENT_MAGIC);
    assert(!client->busy);
    ed_pool_close(&client->pool);
    free_client(client);
}

static void free_loops_own(void *client)
{
    ed_client_free(client);
}

int ed_client_of_loop(ed_client **out)
{
    static const char key;
    ed_loop *loop = ed_loop_current();

    *out = ed_loop_get(loop, &key);
    if (*out)
        return 0;
    int err = make_client(out, ED_OPTIONS(struct ed_client_options));
    if (err || !ed_loop_set(loop, &key, *out, free_loops_own))
        return err;
    ed_client_free(*out);
    return ed_fail(ED_ENOMEM, "no memory for a client");
}

void ed_client_counts(const ed_client *client, struct ed_client_counts *counts)
{
    *counts = (struct ed_client_counts){
        .requests = client->requests,
        .connections = client->connections,
        .reused = client->reused,
        .replaced = client->replaced,
        .redirects = client->redirects,
        .open = client->pool.places,
        .idle = client->pool.idle_count,
        .waiting = client->pool.waiting,
    };
    ed_policies_count(client, counts);
}
