/*
 * happy.h - connecting to whichever of several addresses answers first.
 */
#ifndef EDDY_NET_HAPPY_H
#define EDDY_NET_HAPPY_H

#include "net/connect.h"
#include <eddy/dns.h>

/* RFC 8305, 5: an address has this long before the next is tried besides. */
#define ED_HAPPY_DELAY (250 * ED_MS)

/* Room for why each address failed. */
#define ED_HAPPY_REASONS 256

/* Puts addresses that are sorted best first in the order in which to try them:
 * the families take turns, that of the best first (RFC 8305, 4). */
void ed_happy_order(struct ed_addrs *addrs);

/*
 * Tries the addresses in their order, from `from` unless that is NULL: the next
 * when the last one tried has failed or has been silent for ED_HAPPY_DELAY. The
 * first connection is taken and the others are given up. *won is its address.
 *
 * Suspends. Returns 0, or, `reasons` naming every address that was tried and
 * why it was of no use,
 *   ED_ECONNECT   none took the connection
 *   ED_ECANCELED, ED_ETIMEOUT, ED_ENOMEM, -EMFILE, -ENFILE, -ENOMEM
 */
ED_CHECK int ed_happy_connect(ed_stream **out, struct ed_addr *won,
                              const struct ed_addrs *addrs,
                              const struct ed_addr *from,
                              char reasons[ED_HAPPY_REASONS]);

#endif
