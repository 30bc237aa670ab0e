/*
 * no_proxy.h - lists of hosts that are reached without a proxy.
 */
#ifndef EDDY_WIRE_NO_PROXY_H
#define EDDY_WIRE_NO_PROXY_H

#include <eddy/api.h>
#include <eddy/bytes.h>

/*
 * Whether a list names a host: a name or an address, without brackets.
 *
 * The entries stand between commas or spaces:
 *
 *     a.org         that name and those below it; .a.org and *.a.org as well
 *     10.0.0.1      that address; ::1 and [::1]
 *     10.0.0.0/8    those addresses; fd00::/8
 *     a.org:8080    of any of these, that port only; [::1]:80, [fd00::/8]:80
 *     *             every host; *:80 of that port
 *
 * Names are compared without regard to case or a final dot, and never with
 * addresses: nobody is asked for them. "localhost" is a name as any other.
 * Entries that are none of this name nobody.
 */
bool ed_no_proxy_names(struct ed_bytes list, struct ed_bytes host,
                       uint16_t port);

#endif
