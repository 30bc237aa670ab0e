/*
 * host.c - checks the syntax of host[:port]; knows nothing of what resolves.
 */
#include "wire/host.h"
#include "base/hex.h"
#include "wire/http1_scan.h"

#include <arpa/inet.h>

/* Whether bytes, which begin with '[', are "[IPv6]" with an optional port. */
static bool is_bracketed(struct ed_bytes b)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    const char *close = memchr(b.ptr, ']', b.len);
    size_t len = close ? (size_t)(close - b.ptr) - 1 : sizeof(text);

    if (len >= sizeof(text) || memchr(b.ptr, 0, len + 1))
        return false;
    memcpy(text, b.ptr + 1, len);
    text[len] = '\0';
    if (inet_pton(AF_INET6, text, &address) != 1)
        return false;

    struct ed_bytes port = ed_bytes_of(close + 1, b.len - len - 2);
    return !port.len || ed_host_is_port(port);
}

bool ed_host_is_valid(struct ed_bytes b, size_t plain)
{
    if (!b.len)
        return true;
    if (b.ptr[0] == '[')
        return is_bracketed(b);

    const char *end = b.ptr + b.len;
    const char *at = scan_bytes(b.ptr + plain, end, &scan_host);
    while (end - at >= 3 && *at == '%' && ed_hex_value(at[1]) >= 0 &&
           ed_hex_value(at[2]) >= 0)
        at = scan_bytes(at + 3, end, &scan_host);
    if (at == end)
        return true;
    return at > b.ptr && ed_host_is_port(ed_bytes_of(at, (size_t)(end - at)));
}
