/*
 * hostent.c - gethostbyname() and its kin: older programs' getaddrinfo().
 *
 * The static result belongs to the fiber, so that another fiber's call does not
 * overwrite it.
 */
#include "patch/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
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
    if (err == EAI_NONAME) {
        *failure = HOST_NOT_FOUND;
        return 0;
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

struct hostent *ed_patch_gethostbyname2(const char *name, int family)
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
        err = ed_patch_gethostbyname2_r(name, family, &result->host,
                                        result->room, room, &found, &failure);
        room *= 2;
    } while (err == ERANGE);
    if (!found)
        h_errno = failure;
    return found;
}

struct hostent *ed_patch_gethostbyname(const char *name)
{
    return ed_patch_gethostbyname2(name, AF_INET);
}
