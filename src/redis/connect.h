/*
 * connect.h - opening links: connecting, TLS, and introducing oneself.
 */
#ifndef EDDY_REDIS_CONNECT_H
#define EDDY_REDIS_CONNECT_H

#include "redis/link.h"
#include "redis/target.h"

/*
 * Connects to the target and introduces itself: AUTH, SELECT, CLIENT SETNAME,
 * and a PING, which a server that is loading or full refuses. The link is then
 * its owner's (redis_link_own()). Suspends. Returns 0, or
 *   ED_EDATABASE  it cannot be reached, or refuses us, or took longer than the
 *                 target's connect_timeout; ed_error() says why
 *   ED_ECANCELED, ED_ETIMEOUT, ED_ENOMEM
 */
ED_CHECK int redis_link_open(struct redis_link **out,
                             const struct redis_target *target,
                             const struct redis_link_options *options);

#endif
