/*
 * upstream.c - what a client with policies knows of the origins it sends to.
 *
 * Owns the upstreams and their backends. An upstream is there while a request
 * uses it, and afterwards until too many others are unused for a shorter time;
 * a backend, while its address is one of the name's, or a request uses it.
 */
#include "http/upstream.h"
#include <stdlib.h>

static struct ed_backend *first_backend(struct ed_upstream *upstream)
{
    struct ed_list *node = ed_list_first(&upstream->backends);

    return node ? ED_CONTAINER(node, struct ed_backend, node) : NULL;
}

/* ---- backends ---- */

struct ed_backend *ed_backend_add(struct ed_upstream *upstream,
                                  const struct ed_addr *addr)
{
    struct ed_backend *backend = calloc(1, sizeof(*backend));

    if (!backend)
        return NULL;
    if (addr)
        backend->addr = *addr;
    backend->id = ++upstream->last_id;
    ed_list_add_back(&upstream->backends, &backend->node);
    return backend;
}

static void free_backend(struct ed_backend *backend)
{
    ed_list_remove(&backend->node);
    free(backend);
}

void ed_backend_forget(struct ed_backend *backend)
{
    if (!backend->listed && !backend->in_flight)
        free_backend(backend);
}

/* ---- upstreams ---- */

static void free_upstream(struct ed_upstream *upstream)
{
    struct ed_backend *backend;

    while ((backend = first_backend(upstream)))
        free_backend(backend);
    ed_list_remove(&upstream->node);
    ed_map_remove(upstream->all->map,
                  ed_bytes_of(upstream->key, upstream->key_len));
    free(upstream);
}

static struct ed_upstream *new_upstream(struct ed_upstreams *all,
                                        struct ed_bytes key)
{
    struct ed_upstream *upstream = malloc(sizeof(*upstream) + key.len + 1);

    if (!upstream)
        return NULL;
    *upstream = (struct ed_upstream){.all = all, .key_len = key.len};
    ed_list_init(&upstream->node);
    ed_list_init(&upstream->backends);
    ed_limiter_open(&upstream->limiter, &all->limits);
    memcpy(upstream->key, key.ptr, key.len);
    upstream->key[key.len] = '\0';
    if (ed_map_set(all->map, key, upstream, NULL)) {
        free(upstream);
        return NULL;
    }
    return upstream;
}

static struct ed_upstream *oldest_unused(struct ed_upstreams *all)
{
    struct ed_list *node = ed_list_first(&all->unused);

    return node ? ED_CONTAINER(node, struct ed_upstream, node) : NULL;
}

struct ed_upstream *ed_upstream_use(struct ed_upstreams *all,
                                    struct ed_bytes key)
{
    struct ed_upstream *upstream = ed_map_get(all->map, key);

    if (!upstream)
        upstream = new_upstream(all, key);
    if (!upstream)
        return NULL;
    ed_list_remove(&upstream->node);
    upstream->users++;
    return upstream;
}

void ed_upstream_leave(struct ed_upstream *upstream)
{
    struct ed_upstreams *all = upstream->all;

    if (--upstream->users)
        return;
    ed_list_add_back(&all->unused, &upstream->node);
    if (ed_map_count(all->map) > all->max)
        free_upstream(oldest_unused(all));
}

int ed_upstreams_open(struct ed_upstreams *all)
{
    ed_list_init(&all->unused);
    all->max = ED_UPSTREAMS_MAX;
    all->map = ed_map_new();
    return all->map ? 0 : ED_ENOMEM;
}

void ed_upstreams_close(struct ed_upstreams *all)
{
    struct ed_upstream *upstream;

    if (!all->map)
        return;
    while ((upstream = oldest_unused(all)))
        free_upstream(upstream);
    ed_map_free(all->map);
}

/* ---- what a request holds ---- */

void ed_upstream_hold(struct ed_hold *hold, struct ed_upstream *upstream)
{
    upstream->users++;
    *hold = (struct ed_hold){.upstream = upstream};
}

void ed_upstream_occupy(struct ed_hold *hold, struct ed_backend *backend)
{
    backend->in_flight++;
    backend->requests++;
    hold->backend = backend;
}

void ed_upstream_vacate(struct ed_hold *hold)
{
    struct ed_backend *backend = hold->backend;

    hold->backend = NULL;
    if (!backend)
        return;
    backend->in_flight--;
    ed_backend_forget(backend);
}

void ed_upstream_release(struct ed_hold *hold)
{
    struct ed_upstream *upstream = hold->upstream;

    ed_upstream_vacate(hold);
    hold->upstream = NULL;
    if (upstream->all->limits.on)
        ed_limiter_give(&upstream->limiter);
    ed_upstream_leave(upstream);
}
