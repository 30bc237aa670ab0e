/*
 * mw_proxies.c - believes proxies of our own about who sent a request.
 *
 * A list of addresses grows to the right, by one for each proxy. So it is read
 * from there, as far as those who wrote it are trusted: the connection's peer
 * wrote the last, the last, if it is a proxy of ours, the one before it, and so
 * on. Scheme and host are lists of the same kind, if a proxy appends to them;
 * one that sets them anew leaves one, which then holds for all.
 */
#include "app/mw_networks.h"
#include "base/options.h"
#include "wire/forwarded.h"
#include "wire/host.h"

/* More proxies than that are none; what stands further left is not read. */
enum { MAX_HOPS = 32 };

struct proxies {
    struct mw_networks trusted;
    enum ed_proxy_fields fields;
};

/* The last values of a list, the last at 0. */
struct hops {
    size_t count;
    struct ed_bytes values[MAX_HOPS];
};

static void add_hop(struct hops *hops, struct ed_bytes value)
{
    memmove(hops->values + 1, hops->values,
            sizeof hops->values - sizeof *hops->values);
    hops->values[0] = value;
    if (hops->count < MAX_HOPS)
        hops->count++;
}

/* ---- fields ---- */

/* All fields of that name are one list (RFC 9110, 5.3). */
static void read_list(const ed_req *req, const char *wanted, struct hops *hops)
{
    struct ed_bytes name, value;

    for (size_t i = 0; ed_header_at(req, i, &name, &value); i++) {
        if (!ed_bytes_equal_nocase(name, ed_bytes(wanted)))
            continue;
        while (value.ptr)
            add_hop(hops, ed_bytes_trim(ed_bytes_cut(&value, ',')));
    }
}

struct told {
    struct hops nodes, schemes, hosts;
};

/* False when one is malformed: then none is believed, for nobody knows where
 * what a proxy of ours appended begins. */
static bool read_forwarded(const ed_req *req, struct told *told)
{
    struct ed_bytes name, value;
    struct ed_forwarded f;
    int got = 0;

    for (size_t i = 0; !got && ed_header_at(req, i, &name, &value); i++) {
        if (!ed_bytes_equal_nocase(name, ED_BYTES("forwarded")))
            continue;
        while ((got = ed_forwarded_next(&value, &f)) > 0) {
            add_hop(&told->nodes, f.node);
            add_hop(&told->schemes, f.proto);
            add_hop(&told->hosts, f.host);
        }
    }
    return !got;
}

static bool read_told(const struct proxies *p, const ed_req *req,
                      struct told *told)
{
    if (p->fields == ED_PROXY_FORWARDED)
        return read_forwarded(req, told);
    read_list(req,
              p->fields == ED_PROXY_X_REAL_IP ? "X-Real-IP" : "X-Forwarded-For",
              &told->nodes);
    read_list(req, "X-Forwarded-Proto", &told->schemes);
    read_list(req, "X-Forwarded-Host", &told->hosts);
    return true;
}

/* ---- whom to believe ---- */

static bool read_node(struct ed_addr *addr, struct ed_bytes node)
{
    struct ed_bytes ip = ed_forwarded_ip(node);

    return ip.len && !ed_addr_parse_ip(addr, ip, 0);
}

/* Finds the client: how many steps it is from the right, *addr then being its
 * address; -1 when the list tells none. */
static int find_client(const struct proxies *p, const struct hops *nodes,
                       struct ed_addr *client)
{
    int found = -1;

    for (size_t i = 0; i < nodes->count; i++) {
        struct ed_addr addr;
        if (!read_node(&addr, nodes->values[i]))
            return found;
        *client = addr;
        found = (int)i;
        if (!ed_networks_have(p->trusted.list, p->trusted.count, &addr))
            return found;
    }
    return found;
}

/* What the proxy told that told the client's address. */
static struct ed_bytes told_there(const struct hops *hops, size_t place)
{
    struct ed_bytes nothing = {0};

    if (!hops->count)
        return nothing;
    return hops->values[place < hops->count ? place : hops->count - 1];
}

static void take_scheme(ed_req *req, struct ed_bytes scheme)
{
    if (ed_bytes_equal_nocase(scheme, ED_BYTES("https")))
        req->told_scheme = "https";
    else if (ed_bytes_equal_nocase(scheme, ED_BYTES("http")))
        req->told_scheme = "http";
}

static int take_host(ed_req *req, struct ed_bytes host)
{
    if (!host.len || !ed_host_is_valid(host, 0))
        return 0;
    const char *copy = ed_arena_copy(req->arena, host);
    if (!copy)
        return ED_ENOMEM;
    req->host = copy;
    return 0;
}

static int believe(ed_req *req, void *arg)
{
    const struct proxies *p = arg;
    struct told told = {0};
    struct ed_addr client;
    char text[ED_ADDR_TEXT];

    if (!mw_networks_sent(&p->trusted, req) || !read_told(p, req, &told))
        return 0;
    int place = find_client(p, &told.nodes, &client);
    if (place >= 0) {
        req->told_peer =
            ed_arena_copy(req->arena, ed_bytes(ed_addr_ip_text(&client, text)));
        if (!req->told_peer)
            return ED_ENOMEM;
    }
    size_t from = place > 0 ? (size_t)place : 0;
    take_scheme(req, told_there(&told.schemes, from));
    return take_host(req, told_there(&told.hosts, from));
}

int ed_use_trusted_proxies_with(
    ed_app *app, const struct ed_trusted_proxies_options *options)
{
    ED_OPTIONS_TAKE(struct ed_trusted_proxies_options, o, options);
    struct ed_where where = ed_where_app_(app);
    struct proxies *p = MW_NEW(where, struct proxies);

    p->fields = o.fields;
    int err =
        mw_networks_take(where, &p->trusted, "trusted proxies", o.trusted);
    if (err)
        return err;
    if (p->trusted.everybody || !p->trusted.count)
        return mw_refuse(where, "trusted proxies: their networks have to be "
                                "named; whoever is trusted can be anybody");
    ed_app_early(app, believe, p);
    return 0;
}
