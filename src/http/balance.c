/*
 * balance.c - to which of an origin's addresses a request is sent.
 *
 * Two addresses taken at random, and of them the one with fewer requests under
 * way: nearly as even as looking at all of them, and no herd runs to the one
 * that happens to be the least loaded (Mitzenmacher, "The Power of Two
 * Choices"). An address that is slow has more under way, and so gets less.
 */
#include "http/balance.h"

/* What speaks against an address; what speaks more outweighs all that speaks
 * less. The other family may well not be reachable from here at all, so it is
 * what is turned to when the better one fails. */
enum {
    OTHER_FAMILY = 1,
    TRIED = 2,
    UNREACHABLE = 4,
    EJECTED = 8,
    WORST = 16,
};

static struct ed_backend *backend_of(struct ed_list *node)
{
    return ED_CONTAINER(node, struct ed_backend, node);
}

/* ---- the addresses ---- */

static struct ed_backend *find(struct ed_upstream *upstream,
                               const struct ed_addr *addr)
{
    ed_list_each (node, &upstream->backends) {
        if (ed_addr_equal(&backend_of(node)->addr, addr))
            return backend_of(node);
    }
    return NULL;
}

static void list(struct ed_upstream *upstream, const struct ed_addr *addr,
                 bool preferred)
{
    struct ed_backend *backend = find(upstream, addr);

    if (!backend)
        backend = ed_backend_add(upstream, addr);
    if (!backend || backend->listed)
        return;
    backend->listed = true;
    backend->preferred = preferred;
    upstream->listed++;
}

int ed_balance_update(struct ed_upstream *upstream,
                      const struct ed_addrs *addrs, uint16_t port)
{
    sa_family_t family = addrs->list[0].any.sa_family;

    ed_list_each (node, &upstream->backends)
        backend_of(node)->listed = false;
    upstream->listed = 0;
    for (unsigned i = 0; i < addrs->count; i++) {
        struct ed_addr addr = addrs->list[i];
        ed_addr_set_port(&addr, port);
        list(upstream, &addr, addr.any.sa_family == family);
    }
    ed_list_each_safe (node, &upstream->backends)
        ed_backend_forget(backend_of(node));
    return upstream->listed ? 0 : ED_ENOMEM;
}

/* ---- the choice ---- */

/* SplitMix64 (Steele, Lea, Flood): the next of a sequence that is good enough
 * for dice. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint32_t ed_balance_random(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(((next_random(state) >> 32) * limit) >> 32);
}

static bool is_tried(const struct ed_tried *tried, uint32_t id)
{
    unsigned known = tried->count < ED_ADDRS_MAX ? tried->count : ED_ADDRS_MAX;

    for (unsigned i = 0; i < known; i++) {
        if (tried->ids[i] == id)
            return true;
    }
    return false;
}

unsigned ed_balance_untried(const struct ed_upstream *upstream,
                            const struct ed_tried *tried)
{
    unsigned count = 0;

    ed_list_each (node, &upstream->backends) {
        const struct ed_backend *backend = backend_of(node);
        count += backend->listed && !is_tried(tried, backend->id);
    }
    return count;
}

static unsigned drawback(const struct ed_backend *backend,
                         const struct ed_tried *tried, int64_t now)
{
    return (backend->preferred ? 0 : OTHER_FAMILY) |
           (is_tried(tried, backend->id) ? TRIED : 0) |
           (backend->unreachable_until > now ? UNREACHABLE : 0) |
           (backend->health.ejected ? EJECTED : 0);
}

/* The least drawback there is, and how many have it. */
static unsigned best(struct ed_upstream *upstream, const struct ed_tried *tried,
                     bool fresh, int64_t now, unsigned *count)
{
    unsigned least = WORST;

    *count = 0;
    ed_list_each (node, &upstream->backends) {
        unsigned its = drawback(backend_of(node), tried, now);
        if (!backend_of(node)->listed || (fresh && its & TRIED) || its > least)
            continue;
        *count = its < least ? 1 : *count + 1;
        least = its;
    }
    return least;
}

/* The n-th that has just that drawback. */
static struct ed_backend *nth(struct ed_upstream *upstream,
                              const struct ed_tried *tried, int64_t now,
                              unsigned its, unsigned n)
{
    ed_list_each (node, &upstream->backends) {
        struct ed_backend *backend = backend_of(node);
        if (backend->listed && drawback(backend, tried, now) == its && !n--)
            return backend;
    }
    return NULL;
}

static struct ed_backend *less_loaded_of_two(struct ed_upstream *upstream,
                                             const struct ed_tried *tried,
                                             bool fresh, uint64_t *random,
                                             int64_t now)
{
    unsigned count;
    unsigned its = best(upstream, tried, fresh, now, &count);

    if (!count)
        return NULL;
    unsigned i = ed_balance_random(random, count);
    struct ed_backend *one = nth(upstream, tried, now, its, i);
    if (count == 1)
        return one;
    unsigned j = ed_balance_random(random, count - 1);
    struct ed_backend *other = nth(upstream, tried, now, its, j + (j >= i));
    return other->in_flight < one->in_flight ? other : one;
}

static struct ed_backend *to_be_probed(struct ed_upstream *upstream,
                                       const struct ed_tried *tried,
                                       int64_t now)
{
    ed_list_each (node, &upstream->backends) {
        struct ed_backend *backend = backend_of(node);
        if (backend->listed && ed_health_wants_probe(&backend->health, now) &&
            !is_tried(tried, backend->id))
            return backend;
    }
    return NULL;
}

struct ed_backend *ed_balance_pick(struct ed_upstream *upstream,
                                   struct ed_tried *tried, bool fresh,
                                   uint64_t *random, int64_t now, bool *probe)
{
    struct ed_backend *chosen = to_be_probed(upstream, tried, now);

    *probe = chosen != NULL;
    if (chosen)
        chosen->health.probing = true;
    else
        chosen = less_loaded_of_two(upstream, tried, fresh, random, now);
    if (chosen && !is_tried(tried, chosen->id))
        tried->ids[tried->count++ % ED_ADDRS_MAX] = chosen->id;
    return chosen;
}

/* ---- leaving alone ---- */

bool ed_balance_eject(struct ed_upstream *upstream, struct ed_backend *backend,
                      const struct ed_eject_policy *policy, int64_t now)
{
    unsigned ejected = 0;

    ed_list_each (node, &upstream->backends) {
        const struct ed_backend *other = backend_of(node);
        ejected += other->listed && other != backend && other->health.ejected;
    }
    if ((ejected + 1) * 2 > upstream->listed)
        return false;
    ed_health_eject(&backend->health, policy, now);
    return true;
}
