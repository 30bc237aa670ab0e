/*
 * names.c - getaddrinfo() and getnameinfo().
 *
 * A name is resolved on the loop, as ed_resolve() does it. What libc's
 * getaddrinfo() makes of a service, of hints and of an address as text is
 * still its own work: it is called once for each address found, which asks
 * nobody, and the lists are joined.
 *
 * What is rare libc does on a thread: the other way, from addresses to names,
 * and what asks for more than addresses (the canonical name, other scripts).
 */
#include "patch/names.h"

#include <errno.h>
#include <string.h>
#include <arpa/inet.h>
#include <eddy/blocking.h>
#include "net/resolve.h"
#include "patch/patch.h"

bool ed_patch_is_address(const char *name)
{
    char text[ED_ADDR_TEXT];
    struct in6_addr six;
    struct in_addr four;

    if (inet_aton(name, &four))
        return true;
    size_t len = strcspn(name, "%");
    if (len >= sizeof text)
        return false;
    memcpy(text, name, len);
    text[len] = '\0';
    return inet_pton(AF_INET6, text, &six) == 1;
}

int ed_patch_resolve(const char *name, int family, struct ed_addrs *found)
{
    static const int reasons[] = {
        [ED_RESOLVE_NO_NAME] = EAI_NONAME,
        [ED_RESOLVE_NO_ADDRESS] = EAI_NODATA,
        [ED_RESOLVE_NO_ANSWER] = EAI_AGAIN,
    };
    enum ed_resolve_why why;
    int err = ed_resolve_telling(name, family, found, &why);

    if (!err)
        return 0;
    if (err == ED_ERESOLVE)
        return reasons[why];
    if (err == ED_EADDR)
        return EAI_NONAME;
    if (err == ED_ENOMEM)
        return EAI_MEMORY;
    errno = ed_patch_errno(err);
    return EAI_SYSTEM;
}

/* ---- getaddrinfo ---- */

/* What libc can do without asking anybody. */
static bool is_at_hand(const char *name, const struct addrinfo *hints)
{
    if (!name || ed_patch_is_address(name))
        return true;
    if (!hints)
        return false;
    return (hints->ai_flags & AI_NUMERICHOST) ||
           (hints->ai_family != AF_UNSPEC && hints->ai_family != AF_INET &&
            hints->ai_family != AF_INET6);
}

/* What is ours to find: the others libc knows best. */
static const int OUR_FLAGS =
    AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV | AI_V4MAPPED | AI_ADDRCONFIG;

struct info_call {
    const char *name, *service;
    const struct addrinfo *hints;
    struct addrinfo **found;
    int result;
    int err_no;
};

static int info_of(void *arg)
{
    struct info_call *c = arg;

    c->result = ed_plain->getaddrinfo(c->name, c->service, c->hints, c->found);
    c->err_no = errno;
    return 0;
}

static int on_a_thread(const char *name, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found)
{
    struct info_call c = {name, service, hints, found, 0, 0};
    int err = ed_blocking(info_of, &c);

    errno = err ? ed_patch_errno(err) : c.err_no;
    return err ? EAI_SYSTEM : c.result;
}

static struct addrinfo **end_of(struct addrinfo **list)
{
    while (*list)
        list = &(*list)->ai_next;
    return list;
}

static int join_lists(const struct ed_addrs *addresses, const char *service,
                      const struct addrinfo *hints, struct addrinfo **list)
{
    char text[ED_ADDR_TEXT];
    int err = 0;

    *list = NULL;
    for (unsigned i = 0; i < addresses->count && !err; i++)
        err = ed_plain->getaddrinfo(ed_addr_ip_text(&addresses->list[i], text),
                                    service, hints, end_of(list));
    if (err && *list) {
        freeaddrinfo(*list);
        *list = NULL;
    }
    return err;
}

/* IPv4 addresses as IPv6 ones, for who asks for IPv6 and takes both. */
static int resolve_for(const char *name, const struct addrinfo *hints,
                       struct ed_addrs *found)
{
    int family = hints->ai_family;
    int err = ed_patch_resolve(name, family, found);

    bool none = err == EAI_NONAME || err == EAI_NODATA || err == EAI_AGAIN;
    if (none && family == AF_INET6 && (hints->ai_flags & AI_V4MAPPED))
        err = ed_patch_resolve(name, AF_INET, found);
    return err;
}

int ed_patch_getaddrinfo(const char *name, const char *service,
                         const struct addrinfo *hints, struct addrinfo **found)
{
    /* What libc takes for no hints (RFC 3493, 6.1, differs). */
    struct addrinfo ask = {.ai_flags = AI_V4MAPPED | AI_ADDRCONFIG};
    struct ed_addrs addresses;

    if (is_at_hand(name, hints) || ed_patch_stays_plain("getaddrinfo()"))
        return ed_plain->getaddrinfo(name, service, hints, found);
    if (hints && (hints->ai_flags & ~OUR_FLAGS))
        return on_a_thread(name, service, hints, found);
    if (hints)
        ask = *hints;
    int err = resolve_for(name, &ask, &addresses);
    if (err)
        return err;
    ask.ai_flags &= ~AI_ADDRCONFIG;
    ask.ai_flags |= AI_NUMERICHOST;
    return join_lists(&addresses, service, &ask, found);
}

/* ---- getnameinfo ---- */

/* On a thread of the pool. Its result is kept apart: those are negative, too.
 */
struct name_call {
    const struct sockaddr *address;
    socklen_t len;
    char *host;
    socklen_t host_room;
    char *service;
    socklen_t service_room;
    int flags;
    int result;
    int err_no;
};

static int name_of(void *arg)
{
    struct name_call *c = arg;

    c->result = ed_plain->getnameinfo(c->address, c->len, c->host, c->host_room,
                                      c->service, c->service_room, c->flags);
    c->err_no = errno;
    return 0;
}

int ed_patch_getnameinfo(const struct sockaddr *address, socklen_t len,
                         char *host, socklen_t host_room, char *service,
                         socklen_t service_room, int flags)
{
    struct name_call c = {.address = address,
                          .len = len,
                          .host = host,
                          .host_room = host_room,
                          .service = service,
                          .service_room = service_room,
                          .flags = flags};

    if (!host || !host_room || (flags & NI_NUMERICHOST) ||
        ed_patch_stays_plain("getnameinfo()"))
        return ed_plain->getnameinfo(address, len, host, host_room, service,
                                     service_room, flags);
    int err = ed_blocking(name_of, &c);
    errno = err ? ed_patch_errno(err) : c.err_no;
    return err ? EAI_SYSTEM : c.result;
}
