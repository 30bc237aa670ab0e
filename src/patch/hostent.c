/*
 * hostent.c - gethostbyname(), gethostbyaddr() and their kin: older programs'
 * getaddrinfo() and getnameinfo().
 *
 * The static result belongs to the fiber, so that another fiber's call does not
 * overwrite it.
 */
#include "patch/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <eddy/blocking.h>
#include "patch/patch.h"

enum {
    ROOM_FIRST = 1024, /* of a static result; more than 16 addresses take */
};

/* Cuts pieces off the caller's memory. */
struct room {
    char *at;
    size_t left;
};

static void *take(struct room *room, size_t size, size_t align)
{
    size_t pad = -(uintptr_t)room->at & (align - 1);

    if (room->left < pad || room->left - pad < size)
        return NULL;
    void *piece = room->at + pad;
    room->at += pad + size;
    room->left -= pad + size;
    return piece;
}

static size_t bytes_of(const struct ed_addr *addr, const void **bytes)
{
    if (addr->any.sa_family == AF_INET6) {
        *bytes = &addr->v6.sin6_addr;
        return sizeof addr->v6.sin6_addr;
    }
    *bytes = &addr->v4.sin_addr;
    return sizeof addr->v4.sin_addr;
}

/* 0 or ERANGE. */
static int fill(struct hostent *host, const char *name, int family,
                const struct ed_addrs *found, struct room *room)
{
    char **list = take(room, (found->count + 2) * sizeof *list, sizeof *list);
    size_t len = strlen(name) + 1;
    char *copy = take(room, len, 1);

    if (!list || !copy)
        return ERANGE;
    memcpy(copy, name, len);
    list[found->count + 1] = NULL;
    *host = (struct hostent){
        .h_name = copy,
        .h_aliases = &list[found->count + 1],
        .h_addrtype = family,
        .h_addr_list = list,
    };
    for (unsigned i = 0; i < found->count; i++) {
        const void *bytes;
        size_t size = bytes_of(&found->list[i], &bytes);
        list[i] = take(room, size, sizeof(uint32_t));
        if (!list[i])
            return ERANGE;
        memcpy(list[i], bytes, size);
        host->h_length = (int)size;
    }
    list[found->count] = NULL;
    return 0;
}

int ed_patch_gethostbyname2_r(const char *name, int family,
                              struct hostent *host, char *buf, size_t room,
                              struct hostent **found, int *failure)
{
    struct room left = {buf, room};
    struct ed_addrs addresses;

    if (ed_patch_is_address(name) ||
        (family != AF_INET && family != AF_INET6) ||
        ed_patch_stays_plain("gethostbyname()"))
        return ed_plain->gethostbyname2_r(name, family, host, buf, room, found,
                                          failure);
    *found = NULL;
    int err = ed_patch_resolve(name, family, &addresses);
    if (err == EAI_NONAME || err == EAI_NODATA) {
        *failure = err == EAI_NONAME ? HOST_NOT_FOUND : NO_DATA;
        return 0;
    }
    if (err == EAI_AGAIN) {
        *failure = TRY_AGAIN;
        return errno = EAGAIN;
    }
    if (!err)
        err = fill(host, name, family, &addresses, &left);
    else
        err = err == EAI_MEMORY ? ENOMEM : errno;
    if (err) {
        *failure = NETDB_INTERNAL;
        errno = err;
        return err;
    }
    *found = host;
    return 0;
}

int ed_patch_gethostbyname_r(const char *name, struct hostent *host, char *buf,
                             size_t room, struct hostent **found, int *failure)
{
    return ed_patch_gethostbyname2_r(name, AF_INET, host, buf, room, found,
                                     failure);
}

/* ---- names of addresses: on a thread of the pool, as getnameinfo() ---- */

struct address_call {
    const void *address;
    socklen_t len;
    int family;
    struct hostent *host;
    char *buf;
    size_t room;
    struct hostent **found;
    int *failure;
    int result;
    int err_no;
};

static int host_of(void *arg)
{
    struct address_call *c = arg;

    c->result =
        ed_plain->gethostbyaddr_r(c->address, c->len, c->family, c->host,
                                  c->buf, c->room, c->found, c->failure);
    c->err_no = errno;
    return 0;
}

int ed_patch_gethostbyaddr_r(const void *address, socklen_t len, int family,
                             struct hostent *host, char *buf, size_t room,
                             struct hostent **found, int *failure)
{
    struct address_call c = {address, len,   family,  host, buf,
                             room,    found, failure, 0,    0};

    if (ed_patch_stays_plain("gethostbyaddr()"))
        return ed_plain->gethostbyaddr_r(address, len, family, host, buf, room,
                                         found, failure);
    int err = ed_blocking(host_of, &c);
    if (!err) {
        errno = c.err_no;
        return c.result;
    }
    *found = NULL;
    *failure = NETDB_INTERNAL;
    errno = ed_patch_errno(err);
    return errno;
}

/* ---- the static result ---- */

struct result {
    struct hostent host;
    char room[];
};

static struct ed_local results = {.drop = free};

/* A new one: the earlier is valid up to this call. */
static struct result *new_result(size_t room)
{
    struct result *result = malloc(sizeof *result + room);

    if (!result || ed_local_set(&results, result)) {
        free(result);
        return NULL;
    }
    return result;
}

/* What is asked for: of a name, or of an address. */
struct question {
    const char *name;
    const void *address;
    socklen_t len;
    int family;
};

static int ask(const struct question *q, struct result *result, size_t room,
               struct hostent **found, int *failure)
{
    if (q->name)
        return ed_patch_gethostbyname2_r(q->name, q->family, &result->host,
                                         result->room, room, found, failure);
    return ed_patch_gethostbyaddr_r(q->address, q->len, q->family,
                                    &result->host, result->room, room, found,
                                    failure);
}

/* With as much room as it takes. */
static struct hostent *ask_for_static(const struct question *q)
{
    struct hostent *found = NULL;
    size_t room = ROOM_FIRST;
    int failure = 0;
    int err;

    do {
        struct result *result = new_result(room);
        if (!result) {
            h_errno = NETDB_INTERNAL;
            return NULL;
        }
        err = ask(q, result, room, &found, &failure);
        room *= 2;
    } while (err == ERANGE);
    if (!found)
        h_errno = failure;
    return found;
}

struct hostent *ed_patch_gethostbyname2(const char *name, int family)
{
    return ask_for_static(&(struct question){.name = name, .family = family});
}

struct hostent *ed_patch_gethostbyaddr(const void *address, socklen_t len,
                                       int family)
{
    return ask_for_static(&(struct question){
        .address = address,
        .len = len,
        .family = family,
    });
}

struct hostent *ed_patch_gethostbyname(const char *name)
{
    return ed_patch_gethostbyname2(name, AF_INET);
}
