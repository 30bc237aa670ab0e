/*
 * no_proxy.c - lists of hosts that are reached without a proxy.
 */
#include "wire/no_proxy.h"
#include "base/ascii.h"
#include <arpa/inet.h>

/* The host looked for, and an entry of the list, taken apart. */
struct ip {
    uint8_t bytes[16];
    unsigned len; /* 4 or 16; 0: no address */
};

struct entry {
    struct ed_bytes host; /* name or address, without brackets and prefix */
    int64_t bits;         /* of an address; -1: all of them */
    int64_t port;         /* 0: every one */
};

static struct ip parse_ip(struct ed_bytes text)
{
    char copy[INET6_ADDRSTRLEN];
    struct ip ip = {.len = 0};

    if (!text.len || text.len >= sizeof(copy))
        return ip;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, ip.bytes) == 1)
        ip.len = 4;
    else if (inet_pton(AF_INET6, copy, ip.bytes) == 1)
        ip.len = 16;
    return ip;
}

static bool is_separator(char c)
{
    return c == ',' || c == ' ' || c == '\t';
}

/* Takes the next entry off the list; empty at its end. */
static struct ed_bytes next_entry(struct ed_bytes *list)
{
    struct ed_bytes entry;

    while (list->len && is_separator(*list->ptr)) {
        list->ptr++;
        list->len--;
    }
    entry = ed_bytes_of(list->ptr, 0);
    while (entry.len < list->len && !is_separator(list->ptr[entry.len]))
        entry.len++;
    list->ptr += entry.len;
    list->len -= entry.len;
    return entry;
}

/* ---- taking an entry apart ---- */

static bool read_number(struct ed_bytes text, int64_t max, int64_t *out)
{
    return !ed_digits_read(text, out) && *out <= max;
}

/* "[HOST]" or "[HOST]:PORT", or the same without brackets. A host with colons
 * has a port only behind brackets. */
static bool split_port(struct ed_bytes text, struct entry *out)
{
    struct ed_bytes rest = text;

    if (text.len && *text.ptr == '[') {
        out->host = ed_bytes_cut(&rest, ']');
        out->host.ptr++;
        out->host.len--;
        if (!rest.ptr)
            return false;
        if (!rest.len)
            return true;
        if (*rest.ptr != ':')
            return false;
        rest.ptr++;
        rest.len--;
        return read_number(rest, UINT16_MAX, &out->port);
    }
    out->host = ed_bytes_cut(&rest, ':');
    if (!rest.ptr)
        return true;
    if (memchr(rest.ptr, ':', rest.len)) {
        out->host = text;
        return true;
    }
    return read_number(rest, UINT16_MAX, &out->port);
}

static bool split_bits(struct entry *e)
{
    struct ed_bytes rest = e->host;

    e->host = ed_bytes_cut(&rest, '/');
    return !rest.ptr || read_number(rest, 128, &e->bits);
}

/* ---- comparing ---- */

static struct ed_bytes without_final_dot(struct ed_bytes name)
{
    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    return name;
}

/* ".a.org" and "*.a.org" mean a.org and what is below it. */
static struct ed_bytes without_first_dot(struct ed_bytes name)
{
    if (name.len > 1 && name.ptr[0] == '*' && name.ptr[1] == '.') {
        name.ptr++;
        name.len--;
    }
    while (name.len && *name.ptr == '.') {
        name.ptr++;
        name.len--;
    }
    return name;
}

static bool names_host(struct ed_bytes name, struct ed_bytes host)
{
    name = without_final_dot(without_first_dot(name));
    host = without_final_dot(host);
    if (!name.len || name.len > host.len)
        return false;
    struct ed_bytes end = ed_bytes_of(host.ptr + host.len - name.len, name.len);
    return ed_bytes_equal_nocase(end, name) &&
           (end.ptr == host.ptr || end.ptr[-1] == '.');
}

static bool names_address(const struct entry *e, const struct ip *host)
{
    struct ip ip = parse_ip(e->host);
    unsigned bits = e->bits < 0 ? 8 * ip.len : (unsigned)e->bits;

    if (ip.len != host->len || bits > 8 * ip.len)
        return false;
    if (memcmp(ip.bytes, host->bytes, bits / 8))
        return false;
    unsigned mask = 0xff00u >> (bits % 8);
    return !(bits % 8) ||
           !((ip.bytes[bits / 8] ^ host->bytes[bits / 8]) & mask);
}

static bool names(struct ed_bytes text, struct ed_bytes host,
                  const struct ip *ip, uint16_t port)
{
    struct entry e = {.bits = -1};

    if (!split_port(text, &e) || (e.port && e.port != port))
        return false;
    if (ed_bytes_equal(e.host, ED_BYTES("*")))
        return true;
    if (!split_bits(&e))
        return false;
    if (ip->len)
        return names_address(&e, ip);
    return e.bits < 0 && names_host(e.host, host);
}

bool ed_no_proxy_names(struct ed_bytes list, struct ed_bytes host,
                       uint16_t port)
{
    struct ip ip = parse_ip(host);
    struct ed_bytes entry;

    while ((entry = next_entry(&list)).len)
        if (names(entry, host, &ip, port))
            return true;
    return false;
}
