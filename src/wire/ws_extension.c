/*
 * ws_extension.c - what the two ends of a WebSocket agree on in the handshake.
 */
#include "wire/ws_extension.h"
#include "wire/http1.h"
#include "base/ascii.h"
#include <eddy/error.h>
#include <stdio.h>

#define NAME "permessage-deflate"

/* What stands behind the name, in an offer or an answer. */
struct params {
    bool ours;       /* it is permessage-deflate */
    bool malformed;  /* but not as it has to be; a server passes it over */
    bool seen[4];    /* enum param */
    uint8_t bits[4]; /* 0: without a value */
};

enum param {
    SERVER_NO_TAKEOVER,
    CLIENT_NO_TAKEOVER,
    SERVER_BITS,
    CLIENT_BITS,
};

static const struct {
    struct ed_bytes name;
    bool has_bits, may_be_bare;
} PARAMS[] = {
    [SERVER_NO_TAKEOVER] = {{"server_no_context_takeover", 26}, false, true},
    [CLIENT_NO_TAKEOVER] = {{"client_no_context_takeover", 26}, false, true},
    [SERVER_BITS] = {{"server_max_window_bits", 22}, true, false},
    [CLIENT_BITS] = {{"client_max_window_bits", 22}, true, true},
};
enum { PARAM_COUNT = sizeof(PARAMS) / sizeof(*PARAMS) };

/* The RFC's least, which is more than zlib can do when compressing. */
enum { LEAST_BITS = 8 };

/* ---- reading ---- */

static struct ed_bytes skip_space(struct ed_bytes in)
{
    while (in.len && (*in.ptr == ' ' || *in.ptr == '\t')) {
        in.ptr++;
        in.len--;
    }
    return in;
}

/* Takes a token off the front; empty when there is none. */
static struct ed_bytes take_token(struct ed_bytes *in)
{
    struct ed_bytes token = skip_space(*in);
    size_t len = 0;

    while (len < token.len &&
           ed_http1_is_token(ed_bytes_of(token.ptr + len, 1)))
        len++;
    *in = skip_space(ed_bytes_of(token.ptr + len, token.len - len));
    token.len = len;
    return token;
}

static bool take_char(struct ed_bytes *in, char c)
{
    if (!in->len || *in->ptr != c)
        return false;
    *in = skip_space(ed_bytes_of(in->ptr + 1, in->len - 1));
    return true;
}

/* A value that is quoted must be a token without the quotes (RFC 6455, 9.1);
 * so nothing in it need be escaped. */
static bool take_value(struct ed_bytes *in, struct ed_bytes *value)
{
    bool quoted = in->len && *in->ptr == '"';

    if (quoted)
        *in = ed_bytes_of(in->ptr + 1, in->len - 1);
    *value = take_token(in);
    return value->len && (!quoted || take_char(in, '"'));
}

static bool read_bits(struct ed_bytes text, uint8_t *bits)
{
    int64_t n;

    if (!text.len || *text.ptr == '0' || ed_digits_read(text, &n) ||
        n < LEAST_BITS || n > ED_WS_BITS_MAX)
        return false;
    *bits = (uint8_t)n;
    return true;
}

/* `value` has a NULL ptr when there is none. */
static bool note_param(struct params *p, struct ed_bytes name,
                       struct ed_bytes value)
{
    for (int i = 0; i < PARAM_COUNT; i++) {
        if (!ed_bytes_equal_nocase(name, PARAMS[i].name))
            continue;
        if (p->seen[i])
            return false;
        p->seen[i] = true;
        if (!value.ptr)
            return PARAMS[i].may_be_bare;
        return PARAMS[i].has_bits && read_bits(value, &p->bits[i]);
    }
    return false;
}

/* Takes one extension off a list. 1, 0 at the end, or ED_EPROTO. */
static int take_extension(struct ed_bytes *in, struct params *p)
{
    *p = (struct params){0};
    *in = skip_space(*in);
    while (take_char(in, ','))
        ;
    if (!in->len)
        return 0;
    struct ed_bytes name = take_token(in);
    if (!name.len)
        return ED_EPROTO;
    p->ours = ed_bytes_equal_nocase(name, ED_BYTES(NAME));
    while (take_char(in, ';')) {
        struct ed_bytes param = take_token(in);
        struct ed_bytes value = {0};
        if (!param.len || (take_char(in, '=') && !take_value(in, &value)))
            return ED_EPROTO;
        if (!note_param(p, param, value))
            p->malformed = true;
    }
    return in->len && *in->ptr != ',' ? ED_EPROTO : 1;
}

/* ---- the server's side ---- */

static uint8_t lesser(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

/* False: the offer cannot be met. */
static bool meet(struct ed_ws_deflate_terms *t, const struct params *p,
                 const struct ed_ws_deflate_wish *wish)
{
    uint8_t server = p->bits[SERVER_BITS], client = p->bits[CLIENT_BITS];

    if (server && server < ED_WS_BITS_MIN)
        return false;
    t->on = true;
    t->server_takeover = wish->takeover && !p->seen[SERVER_NO_TAKEOVER];
    t->client_takeover = wish->takeover && !p->seen[CLIENT_NO_TAKEOVER];
    t->server_bits = server ? lesser(server, wish->bits) : wish->bits;
    /* Who has not said that it can be told a size uses the largest. */
    t->client_bits = ED_WS_BITS_MAX;
    if (p->seen[CLIENT_BITS])
        t->client_bits =
            lesser(client ? client : ED_WS_BITS_MAX, wish->peer_bits);
    return true;
}

int ed_ws_deflate_accept(struct ed_ws_deflate_terms *terms,
                         struct ed_bytes offers,
                         const struct ed_ws_deflate_wish *wish)
{
    struct params p;
    int got;

    *terms = (struct ed_ws_deflate_terms){0};
    while ((got = take_extension(&offers, &p)) > 0) {
        if (!terms->on && !wish->off && p.ours && !p.malformed)
            (void)meet(terms, &p, wish);
    }
    return got;
}

static size_t add_bits(char *out, size_t at, const char *name, uint8_t bits)
{
    if (bits == ED_WS_BITS_MAX)
        return at;
    return at + (size_t)snprintf(out + at, ED_WS_EXTENSION_MAX - at, "; %s=%u",
                                 name, bits);
}

static size_t add_text(char *out, size_t at, const char *text)
{
    return at +
           (size_t)snprintf(out + at, ED_WS_EXTENSION_MAX - at, "%s", text);
}

size_t ed_ws_deflate_answer(char out[ED_WS_EXTENSION_MAX],
                            const struct ed_ws_deflate_terms *terms)
{
    size_t at = add_text(out, 0, NAME);

    if (!terms->server_takeover)
        at = add_text(out, at, "; server_no_context_takeover");
    if (!terms->client_takeover)
        at = add_text(out, at, "; client_no_context_takeover");
    at = add_bits(out, at, "server_max_window_bits", terms->server_bits);
    return add_bits(out, at, "client_max_window_bits", terms->client_bits);
}

/* ---- the client's side ---- */

size_t ed_ws_deflate_offer(char out[ED_WS_EXTENSION_MAX],
                           const struct ed_ws_deflate_wish *wish)
{
    size_t at = add_text(out, 0, NAME);

    if (!wish->takeover)
        at = add_text(out, at,
                      "; server_no_context_takeover"
                      "; client_no_context_takeover");
    at = add_bits(out, at, "server_max_window_bits", wish->peer_bits);
    if (wish->bits == ED_WS_BITS_MAX)
        return add_text(out, at, "; client_max_window_bits");
    return add_bits(out, at, "client_max_window_bits", wish->bits);
}

static int refuse(const char *text, const char **why)
{
    *why = text;
    return ED_EPROTO;
}

static int confirm(struct ed_ws_deflate_terms *t, const struct params *p,
                   const struct ed_ws_deflate_wish *wish, const char **why)
{
    uint8_t server = p->bits[SERVER_BITS], client = p->bits[CLIENT_BITS];

    if (wish->off || !p->ours)
        return refuse("the server agrees to an extension that was not offered",
                      why);
    if (p->malformed || (p->seen[CLIENT_BITS] && !client))
        return refuse("the server agrees to compression with parameters that "
                      "are none",
                      why);
    if (client && client < ED_WS_BITS_MIN)
        return refuse("the server asks for a window of 8 bits", why);
    if (server > wish->peer_bits)
        return refuse("the server uses a larger window than was offered", why);
    t->on = true;
    t->server_takeover = !p->seen[SERVER_NO_TAKEOVER];
    t->client_takeover = wish->takeover && !p->seen[CLIENT_NO_TAKEOVER];
    t->server_bits = server ? server : ED_WS_BITS_MAX;
    t->client_bits = client ? lesser(client, wish->bits) : wish->bits;
    return 0;
}

int ed_ws_deflate_confirm(struct ed_ws_deflate_terms *terms,
                          struct ed_bytes answer,
                          const struct ed_ws_deflate_wish *wish,
                          const char **why)
{
    struct params p;
    int got, err = 0;

    *terms = (struct ed_ws_deflate_terms){0};
    while (!err && (got = take_extension(&answer, &p)) != 0) {
        if (got < 0)
            return refuse("the server's extensions are malformed", why);
        err = terms->on ? refuse("the server agrees to compression twice", why)
                        : confirm(terms, &p, wish, why);
    }
    return err;
}

/* ---- subprotocols ---- */

bool ed_ws_has_protocol(struct ed_bytes list, struct ed_bytes protocol)
{
    while (list.ptr) {
        if (ed_bytes_equal(ed_bytes_trim(ed_bytes_cut(&list, ',')), protocol))
            return true;
    }
    return false;
}

int ed_ws_choose_protocol(struct ed_bytes *out, struct ed_bytes offered,
                          struct ed_bytes spoken)
{
    *out = ED_BYTES("");
    while (offered.ptr) {
        struct ed_bytes one = ed_bytes_trim(ed_bytes_cut(&offered, ','));
        if (!one.len)
            continue;
        if (!ed_http1_is_token(one))
            return ED_EPROTO;
        if (!out->len && ed_ws_has_protocol(spoken, one))
            *out = one;
    }
    return 0;
}
