/*
 * jar.h - inside a jar: cookies by the site they belong to.
 *
 * jar.c owns them and decides which are kept and who is sent which;
 * jar_file.c reads and writes them.
 */
#ifndef EDDY_HTTP_JAR_H
#define EDDY_HTTP_JAR_H

#include <eddy/jar.h>
#include <eddy/map.h>
#include "base/list.h"
#include "http/journey.h"
#include "http/suffix.h"
#include "wire/set_cookie.h"
#include "wire/url.h"

/* The most that are kept, of a site and in all: what browsers keep. */
enum { ED_JAR_SITE_MAX = 180, ED_JAR_MAX = 3000 };

/* Names of the same owner, which share the limit. */
struct ed_jar_site {
    struct ed_list cookies; /* longest unused first */
    unsigned count;
    char name[];
};

struct ed_cookie {
    struct ed_list in_site;
    struct ed_list in_jar; /* longest unused first */
    struct ed_jar_site *site;
    uint64_t number; /* of its creation: the order of those with like paths */
    int64_t expires; /* seconds of Unix time; 0: with the session */
    bool host_only;
    bool secure;
    bool http_only;
    struct ed_bytes name; /* all end with NUL */
    struct ed_bytes value;
    struct ed_bytes domain;
    struct ed_bytes path;
    char texts[];
};

struct ed_jar {
    struct ed_map *sites;
    struct ed_list cookies; /* longest unused first */
    unsigned count;
    uint64_t created; /* in all */
};

/* Room for a name, or for the encoded path of a Unix socket, which stands for
 * one here. */
#define ED_JAR_HOST_MAX ED_SUFFIX_NAME_MAX

/* Where a cookie comes from or goes to. */
struct ed_jar_place {
    char host[ED_JAR_HOST_MAX + 1]; /* in small letters */
    size_t host_len;
    bool is_name; /* and not an address, or a socket */
    bool secure;
    struct ed_bytes path;
};

/* Of a host; false if that is too long to have cookies. */
bool ed_jar_place(struct ed_jar_place *place, struct ed_bytes host,
                  struct ed_bytes path, bool secure);

/* Keeps a cookie that came from there at `now` (seconds of Unix time), or drops
 * the one whose place it takes if it has expired. 0, ED_ENOMEM, or
 * ED_EFORBIDDEN with a static text in *why. */
ED_CHECK int ed_jar_keep(ed_jar *jar, const struct ed_jar_place *from,
                         const struct ed_set_cookie *cookie, int64_t now,
                         const char **why);

/* The cookies that `to` is sent at `now`, in their order, into `out`. Returns
 * how many. */
size_t ed_jar_find(ed_jar *jar, const struct ed_jar_place *to, int64_t now,
                   struct ed_cookie *out[ED_JAR_SITE_MAX]);

/* ---- for a journey ---- */

/* Adds the Cookie field for what is asked for next. 0 or ED_ENOMEM. */
ED_CHECK int ed_jar_send(struct ed_journey *journey);

/* Takes what a response sets. Those that may not be kept, for whatever reason,
 * are not. */
void ed_jar_receive(struct ed_journey *journey, const ed_res *res);

#endif
