/*
 * network.c - sets of addresses, as configurations name them.
 */
#include "net/network.h"

#include "base/ascii.h"

enum { MAPPED_BITS = 96, ALL_BITS = 128 };

static void map_v4(uint8_t out[16], struct in_addr v4)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    memcpy(out, prefix, sizeof prefix);
    memcpy(out + sizeof prefix, &v4, sizeof v4);
}

/* False for an address of another kind. */
static bool bytes_of(uint8_t out[16], const struct ed_addr *addr)
{
    if (!addr->len)
        return false;
    if (addr->any.sa_family == AF_INET)
        map_v4(out, addr->v4.sin_addr);
    else if (addr->any.sa_family == AF_INET6)
        memcpy(out, &addr->v6.sin6_addr, 16);
    else
        return false;
    return true;
}

static bool starts_alike(const uint8_t a[16], const uint8_t b[16],
                         unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));

    return !memcmp(a, b, whole) && (!rest || !((a[whole] ^ b[whole]) & mask));
}

static bool is_prefix(const uint8_t bytes[16], unsigned bits)
{
    static const uint8_t none[16];
    uint8_t behind[16];

    memcpy(behind, bytes, sizeof behind);
    for (unsigned i = 0; i < bits; i++)
        behind[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
    return !memcmp(behind, none, sizeof none);
}

int ed_network_parse(struct ed_network *out, struct ed_bytes text)
{
    struct ed_network n = {.bits = ALL_BITS};
    struct ed_addr addr;
    struct ed_bytes prefix = text;
    struct ed_bytes ip = ed_bytes_cut(&prefix, '/');
    int64_t bits;

    if (ed_bytes_equal(text, ED_BYTES("unix"))) {
        *out = (struct ed_network){.local = true};
        return 0;
    }
    if (ed_addr_parse_ip(&addr, ip, 0) || !bytes_of(n.bytes, &addr))
        return ED_EADDR;
    int64_t shift = addr.any.sa_family == AF_INET ? MAPPED_BITS : 0;
    if (prefix.ptr) {
        if (ed_digits_read(prefix, &bits) || bits > ALL_BITS - shift)
            return ED_EADDR;
        n.bits = (uint8_t)(bits + shift);
    }
    if (!is_prefix(n.bytes, n.bits))
        return ED_EADDR;
    *out = n;
    return 0;
}

bool ed_networks_have(const struct ed_network *networks, size_t count,
                      const struct ed_addr *addr)
{
    uint8_t bytes[16];
    bool local = addr->len && addr->any.sa_family == AF_UNIX;

    if (!local && !bytes_of(bytes, addr))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct ed_network *n = &networks[i];
        if (n->local ? local : !local && starts_alike(bytes, n->bytes, n->bits))
            return true;
    }
    return false;
}
