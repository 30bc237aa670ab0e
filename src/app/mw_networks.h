/*
 * mw_networks.h - lists of networks in options.
 */
#ifndef EDDY_APP_MW_NETWORKS_H
#define EDDY_APP_MW_NETWORKS_H

#include "app/mw.h"
#include "net/network.h"

enum { MW_NETWORKS_MAX = 64 };

struct mw_networks {
    bool everybody; /* a star */
    size_t count;
    struct ed_network list[MW_NETWORKS_MAX];
};

/* Reads a list; NULL is empty. `what` names the middleware. 0 or ED_EUSAGE. */
ED_CHECK int mw_networks_take(struct ed_where where, struct mw_networks *out,
                              const char *what, const char *list);

/* Whether the connection that a request came on is from one of them. */
bool mw_networks_sent(const struct mw_networks *networks, ed_req *req);

#endif
