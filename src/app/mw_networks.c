/*
 * mw_networks.c - lists of networks in options, and who is in them.
 */
#include "app/mw_networks.h"

int mw_networks_take(struct ed_where where, struct mw_networks *out,
                     const char *what, const char *list)
{
    struct ed_bytes rest = ed_bytes(list), word;

    while (mw_word(&rest, &word)) {
        if (ed_bytes_equal(word, ED_BYTES("*"))) {
            out->everybody = true;
            continue;
        }
        if (out->count == MW_NETWORKS_MAX)
            return mw_refuse(where, "%s: more than %d networks", what,
                             MW_NETWORKS_MAX);
        if (ed_network_parse(&out->list[out->count++], word))
            return mw_refuse(where,
                             "%s: '%.*s' is no network such as 10.0.0.0/8, "
                             "2001:db8::/32 or unix",
                             what, (int)word.len, word.ptr);
    }
    return 0;
}

bool mw_networks_sent(const struct mw_networks *networks, ed_req *req)
{
    struct ed_addr addr;
    const char *peer = req->ops->peer(req);

    if (networks->everybody)
        return true;
    if (!strncmp(peer, "unix:", 5)) {
        addr.un.sun_family = AF_UNIX; /* most of those have no name */
        addr.len = sizeof addr.un.sun_family;
    } else if (ed_addr_parse(&addr, ed_bytes(peer))) {
        return false;
    }
    return ed_networks_have(networks->list, networks->count, &addr);
}
