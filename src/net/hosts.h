/*
 * hosts.h - the names of /etc/hosts.
 */
#ifndef EDDY_NET_HOSTS_H
#define EDDY_NET_HOSTS_H

#include <eddy/dns.h>
#include <eddy/map.h>
#include <sys/stat.h>

struct ed_hosts {
    char *path;    /* owned */
    ed_map *names; /* in lower case, to struct host; NULL: not read yet */
    int64_t checked_at;
    struct stat seen;
};

/* `path` is copied. 0 or ED_ENOMEM. */
ED_CHECK int ed_hosts_open(struct ed_hosts *hosts, const char *path);
void ed_hosts_close(struct ed_hosts *hosts);

/* Adds to *out the addresses a name (in lower case, without a final dot) has
 * there, reading the file again first if it has changed. */
void ed_hosts_find(struct ed_hosts *hosts, struct ed_bytes name, int family,
                   struct ed_addrs *out);

#endif
