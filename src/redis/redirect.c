/*
 * redirect.c - what nodes of a cluster say of one another.
 */
#include "redis/redirect.h"
#include "redis/slot.h"
#include <eddy/error.h>

/* Of a name in DNS (RFC 1035); addresses are shorter. */
enum { LONGEST_HOST = 255 };

static bool take_word(struct ed_bytes *words, const char *word)
{
    struct ed_bytes rest = *words;

    if (!ed_bytes_equal(ed_bytes_cut(&rest, ' '), ed_bytes(word)))
        return false;
    *words = rest;
    return true;
}

bool redis_redirect_read(struct redis_redirect *out, struct ed_bytes words)
{
    int64_t slot;

    out->asking = take_word(&words, "ASK");
    if (!out->asking && !take_word(&words, "MOVED"))
        return false;
    if (ed_bytes_int(ed_bytes_cut(&words, ' '), &slot) || slot < 0 ||
        slot >= REDIS_SLOTS || !words.len)
        return false;
    const char *colon = memrchr(words.ptr, ':', words.len);
    if (!colon)
        return false;
    size_t before = (size_t)(colon - words.ptr);
    out->slot = (unsigned)slot;
    out->host = ed_bytes_of(words.ptr, before);
    return !ed_bytes_int(ed_bytes_of(colon + 1, words.len - before - 1),
                         &out->port);
}

/* Letters and digits, and what stands between them in names and addresses. */
static bool is_host(struct ed_bytes host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     (c >= '0' && c <= '9');
        if (!plain && (!c || !strchr(".-_:%", c)))
            return false;
    }
    return host.len && host.len <= LONGEST_HOST;
}

int redis_node_address(struct ed_buf *out, struct ed_bytes host, int64_t port,
                       const char *asked)
{
    const char *colon = strrchr(asked, ':');
    const char *bracket = "";

    out->len = 0;
    if (port < 1 || port > UINT16_MAX)
        return ED_EPROTO;
    if (!host.len || ed_bytes_equal(host, ED_BYTES("?"))) {
        if (!colon)
            return ED_EPROTO;
        host = ed_bytes_of(asked, (size_t)(colon - asked));
    } else if (!is_host(host)) {
        return ED_EPROTO;
    } else if (memchr(host.ptr, ':', host.len)) {
        bracket = "]";
    }
    return ed_buf_addf(out, "%s%.*s%s:%d", *bracket ? "[" : "", (int)host.len,
                       host.ptr, bracket, (int)port);
}
