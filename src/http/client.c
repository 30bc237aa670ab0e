/*
 * client.c - clients: their options, their life, their counts.
 */
#include "base/options.h"
#include "http/auth.h"
#include "http/policy.h"
#include <stdlib.h>

#define DEFAULT_USER_AGENT "eddy/" EDDY_VERSION

static const struct ed_client_options DEFAULTS = {
    .max_per_origin = 1024,
    .max_idle = 1024,
    .keep_alive = 15 * ED_S,
    .connect_timeout = 10 * ED_S,
    .max_body = 64 * 1024 * 1024,
    .user_agent = DEFAULT_USER_AGENT,
    .max_redirects = 10,
};

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

ed_client *ed_client_new_with(const struct ed_client_options *options)
{
    const struct ed_client_options *d = &DEFAULTS;
    struct ed_client_options o;
    ed_client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    ed_options_take(&o, sizeof(o), options);
    ED_MAGIC_SET(client, ED_CLIENT_MAGIC);
    client->loop = ed_loop_current();
    client->connect_timeout =
        o.connect_timeout ? o.connect_timeout : d->connect_timeout;
    client->max_body = o.max_body ? o.max_body : d->max_body;
    client->no_decoding = o.no_decoding;
    client->user_agent = strdup(o.user_agent ? o.user_agent : d->user_agent);
    client->hook = o.hook;
    client->hook_arg = o.hook_arg;
    client->pool.max_per_origin =
        o.max_per_origin ? o.max_per_origin : d->max_per_origin;
    client->pool.max_idle = o.max_idle ? o.max_idle : d->max_idle;
    client->pool.idle_timeout = o.keep_alive ? o.keep_alive : d->keep_alive;
    client->pool.close = close_pooled;
    client->max_redirects =
        (unsigned)(o.max_redirects > 0   ? o.max_redirects
                   : o.max_redirects < 0 ? 0
                                         : d->max_redirects);
    client->jar = o.jar;
    if (set_propagation(client, &o) || !client->user_agent ||
        ed_policies_open(client, &o) ||
        ed_pool_open(&client->pool, client->loop)) {
        free_client(client);
        return NULL;
    }
    client->user_agent_len = strlen(client->user_agent);
    return client;
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

ed_client *ed_client_of_loop(void)
{
    static const char key;
    ed_loop *loop = ed_loop_current();
    ed_client *client = ed_loop_get(loop, &key);

    if (client)
        return client;
    client = ed_client_new();
    if (client && ed_loop_set(loop, &key, client, free_loops_own)) {
        ed_client_free(client);
        return NULL;
    }
    return client;
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
