/*
 * addr.c - the text of addresses, read strictly and written so that it can be
 * read again. Pure: asks the system for nothing but the numbers of network
 * interfaces.
 */
#include "net/addr.h"
#include <eddy/error.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include "base/ascii.h"

static bool is_name_char(char c)
{
    return ed_is_alnum(c) || c == '-' || c == '_';
}

/* A decimal number of digits only, at most `max`; leading zeros are refused
 * because some programs read them as octal. */
static int parse_number(struct ed_bytes text, uint32_t max, uint32_t *out)
{
    uint64_t value = 0;

    if (!text.len || (text.len > 1 && text.ptr[0] == '0'))
        return ED_EADDR;
    for (size_t i = 0; i < text.len; i++) {
        if (!ed_is_digit(text.ptr[i]))
            return ED_EADDR;
        value = value * 10 + (uint64_t)(text.ptr[i] - '0');
        if (value > max)
            return ED_EADDR;
    }
    *out = (uint32_t)value;
    return 0;
}

static int parse_port(struct ed_bytes text, uint16_t *port)
{
    uint32_t value;
    int err = parse_number(text, UINT16_MAX, &value);

    if (!err)
        *port = (uint16_t)value;
    return err;
}

/* inet_pton() and if_nametoindex() want a NUL. */
static bool copy_text(char *out, size_t size, struct ed_bytes text)
{
    if (text.len >= size || memchr(text.ptr, '\0', text.len))
        return false;
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

static int parse_v4(struct ed_addr *out, struct ed_bytes text, uint16_t port)
{
    char copy[INET_ADDRSTRLEN];
    struct ed_addr addr = {.len = sizeof(addr.v4)};

    if (!text.len || !copy_text(copy, sizeof(copy), text))
        return ED_EADDR;
    if (inet_pton(AF_INET, copy, &addr.v4.sin_addr) != 1)
        return ED_EADDR;
    addr.v4.sin_family = AF_INET;
    addr.v4.sin_port = htons(port);
    *out = addr;
    return 0;
}

/* RFC 4007, 11: the zone is the name or the number of an interface. */
static int parse_zone(struct ed_bytes zone, uint32_t *id)
{
    char name[IF_NAMESIZE];

    if (!zone.len)
        return ED_EADDR;
    if (!parse_number(zone, UINT32_MAX, id))
        return *id ? 0 : ED_EADDR;
    if (!copy_text(name, sizeof(name), zone))
        return ED_EADDR;
    *id = if_nametoindex(name);
    return *id ? 0 : ED_EADDR;
}

static int parse_v6(struct ed_addr *out, struct ed_bytes text, uint16_t port)
{
    char copy[INET6_ADDRSTRLEN];
    struct ed_addr addr = {.len = sizeof(addr.v6)};
    struct ed_bytes zone = text;
    struct ed_bytes ip = ed_bytes_cut(&zone, '%');

    if (!ip.len || !copy_text(copy, sizeof(copy), ip))
        return ED_EADDR;
    if (inet_pton(AF_INET6, copy, &addr.v6.sin6_addr) != 1)
        return ED_EADDR;
    if (zone.ptr && parse_zone(zone, &addr.v6.sin6_scope_id))
        return ED_EADDR;
    addr.v6.sin6_family = AF_INET6;
    addr.v6.sin6_port = htons(port);
    *out = addr;
    return 0;
}

static int parse_unix(struct ed_addr *out, struct ed_bytes path)
{
    struct ed_addr addr = {0};

    if (!path.len || memchr(path.ptr, '\0', path.len))
        return ED_EADDR;
    /* The NUL behind a path in the file system is counted; an abstract name
     * starts with one and has none behind. */
    if (path.len >= sizeof(addr.un.sun_path))
        return ED_EADDR;
    addr.un.sun_family = AF_UNIX;
    memcpy(addr.un.sun_path, path.ptr, path.len);
    addr.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len);
    if (path.ptr[0] == '@')
        addr.un.sun_path[0] = '\0';
    else
        addr.len++;
    *out = addr;
    return 0;
}

/* Cuts "host:port" and "[host]:port". A host without brackets has no colon:
 * in "::1:80" nobody knows where the address ends. */
static int split_port(struct ed_bytes text, struct ed_bytes *host,
                      struct ed_bytes *port)
{
    const char *colon = NULL;

    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == ':')
            colon = text.ptr + i;
    if (!colon)
        return ED_EADDR;
    *host = ed_bytes_of(text.ptr, (size_t)(colon - text.ptr));
    *port = ed_bytes_of(colon + 1, text.len - host->len - 1);
    if (host->len && host->ptr[0] == '[')
        return host->ptr[host->len - 1] == ']' ? 0 : ED_EADDR;
    return host->len && memchr(host->ptr, ':', host->len) ? ED_EADDR : 0;
}

int ed_addr_parse_ip(struct ed_addr *out, struct ed_bytes text, uint16_t port)
{
    if (text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        return parse_v6(out, ed_bytes_of(text.ptr + 1, text.len - 2), port);
    if (!parse_v4(out, text, port))
        return 0;
    return parse_v6(out, text, port);
}

int ed_addr_parse(struct ed_addr *out, struct ed_bytes text)
{
    struct ed_endpoint endpoint;
    int err = ed_endpoint_parse(&endpoint, text);

    if (err)
        return err;
    if (!endpoint.addr.len)
        return ED_EADDR;
    *out = endpoint.addr;
    return 0;
}

bool ed_host_is_name(struct ed_bytes host)
{
    struct ed_bytes label = {0};

    if (host.len && host.ptr[host.len - 1] == '.')
        host.len--;
    if (!host.len || host.len > ED_HOST_MAX)
        return false;
    while (host.ptr) {
        label = ed_bytes_cut(&host, '.');
        if (!label.len || label.len > ED_LABEL_MAX)
            return false;
        for (size_t i = 0; i < label.len; i++)
            if (!is_name_char(label.ptr[i]))
                return false;
    }
    for (size_t i = 0; i < label.len; i++)
        if (!ed_is_digit(label.ptr[i]))
            return true;
    return false;
}

int ed_endpoint_of(struct ed_endpoint *out, struct ed_bytes host, uint16_t port)
{
    struct ed_endpoint endpoint = {.port = port};

    if (ed_addr_parse_ip(&endpoint.addr, host, port)) {
        if (!ed_host_is_name(host) || host.len > ED_HOST_MAX)
            return ED_EADDR;
        memcpy(endpoint.host, host.ptr, host.len);
    }
    *out = endpoint;
    return 0;
}

int ed_endpoint_parse(struct ed_endpoint *out, struct ed_bytes text)
{
    static const struct ed_bytes scheme = {"unix:", 5};
    struct ed_bytes host, port;
    uint16_t number;

    if (ed_bytes_starts(text, scheme)) {
        *out = (struct ed_endpoint){0};
        return parse_unix(&out->addr, ed_bytes_of(text.ptr + scheme.len,
                                                  text.len - scheme.len));
    }
    int err = split_port(text, &host, &port);
    if (!err)
        err = parse_port(port, &number);
    if (err)
        return err;
    if (!host.len || ed_bytes_equal(host, ED_BYTES("*"))) {
        *out = (struct ed_endpoint){.any = true, .port = number};
        return 0;
    }
    return ed_endpoint_of(out, host, number);
}

static void unix_text(const struct ed_addr *addr, char *out, size_t size)
{
    const char *path = addr->un.sun_path;
    size_t len = addr->len - offsetof(struct sockaddr_un, sun_path);
    size_t at = (size_t)snprintf(out, size, "unix:");

    if (addr->len <= offsetof(struct sockaddr_un, sun_path))
        return;
    if (path[0])
        len = strnlen(path, len);
    for (size_t i = 0; i < len && at + 1 < size; i++) {
        char c = path[i];
        if (i == 0 && !c)
            c = '@';
        out[at++] = (c >= ' ' && c <= '~') ? c : '?';
    }
    out[at] = '\0';
}

static void v6_text(const struct ed_addr *addr, char *out, size_t size)
{
    char zone[IF_NAMESIZE];
    uint32_t id = addr->v6.sin6_scope_id;

    inet_ntop(AF_INET6, &addr->v6.sin6_addr, out, (socklen_t)size);
    if (!id)
        return;
    size_t at = strlen(out);
    if (if_indextoname(id, zone))
        snprintf(out + at, size - at, "%%%s", zone);
    else
        snprintf(out + at, size - at, "%%%u", id);
}

char *ed_addr_ip_text(const struct ed_addr *addr, char out[ED_ADDR_TEXT])
{
    out[0] = '\0';
    if (!addr->len)
        return out;
    if (addr->any.sa_family == AF_UNIX)
        unix_text(addr, out, ED_ADDR_TEXT);
    else if (addr->any.sa_family == AF_INET6)
        v6_text(addr, out, ED_ADDR_TEXT);
    else if (addr->any.sa_family == AF_INET)
        inet_ntop(AF_INET, &addr->v4.sin_addr, out, ED_ADDR_TEXT);
    return out;
}

char *ed_addr_text(const struct ed_addr *addr, char out[ED_ADDR_TEXT])
{
    char ip[ED_ADDR_TEXT];

    ed_addr_ip_text(addr, ip);
    if (addr->len && addr->any.sa_family == AF_INET6)
        snprintf(out, ED_ADDR_TEXT, "[%.110s]:%u", ip, ed_addr_port(addr));
    else if (addr->len && addr->any.sa_family == AF_INET)
        snprintf(out, ED_ADDR_TEXT, "%.110s:%u", ip, ed_addr_port(addr));
    else
        memcpy(out, ip, strlen(ip) + 1);
    return out;
}

uint16_t ed_addr_port(const struct ed_addr *addr)
{
    if (!addr->len)
        return 0;
    if (addr->any.sa_family == AF_INET)
        return ntohs(addr->v4.sin_port);
    if (addr->any.sa_family == AF_INET6)
        return ntohs(addr->v6.sin6_port);
    return 0;
}

void ed_addr_set_port(struct ed_addr *addr, uint16_t port)
{
    if (!addr->len)
        return;
    if (addr->any.sa_family == AF_INET)
        addr->v4.sin_port = htons(port);
    else if (addr->any.sa_family == AF_INET6)
        addr->v6.sin6_port = htons(port);
}

bool ed_addr_equal(const struct ed_addr *a, const struct ed_addr *b)
{
    if (a->len != b->len)
        return false;
    if (!a->len)
        return true;
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_port == b->v4.sin_port &&
               a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    if (a->any.sa_family == AF_INET6)
        return a->v6.sin6_port == b->v6.sin6_port &&
               a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
               !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr,
                       sizeof(a->v6.sin6_addr));
    return !memcmp(&a->un, &b->un, a->len);
}
