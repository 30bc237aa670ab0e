/*
 * socks5.c - the client's side of SOCKS version 5.
 *
 * A message is gathered until it is whole, byte by byte as far as its length
 * is not known, so that nothing behind it is taken.
 */
#include "wire/socks5.h"
#include <eddy/error.h>

enum {
    VERSION = 5,
    AUTH_VERSION = 1, /* RFC 1929 */

    METHOD_NONE = 0,
    METHOD_PASSWORD = 2,
    METHOD_REFUSED = 0xff,

    COMMAND_CONNECT = 1,

    ADDRESS_V4 = 1,
    ADDRESS_NAME = 3,
    ADDRESS_V6 = 4,
};

enum state { GREETED, NAMED, ASKED };

/* ---- messages out ---- */

static void put(struct ed_socks5 *s, unsigned byte)
{
    s->out[s->out_len++] = (char)byte;
}

static void put_bytes(struct ed_socks5 *s, struct ed_bytes bytes)
{
    if (bytes.len)
        memcpy(s->out + s->out_len, bytes.ptr, bytes.len);
    s->out_len += bytes.len;
}

static void put_text(struct ed_socks5 *s, struct ed_bytes text)
{
    put(s, (unsigned)text.len);
    put_bytes(s, text);
}

static void begin_message(struct ed_socks5 *s, enum state awaited)
{
    s->state = (uint8_t)awaited;
    s->in_len = 0;
    s->out_len = 0;
}

void ed_socks5_begin(struct ed_socks5 *s)
{
    s->error = NULL;
    s->reply = 0;
    begin_message(s, GREETED);
    put(s, VERSION);
    put(s, s->user.ptr ? 2 : 1);
    put(s, METHOD_NONE);
    if (s->user.ptr)
        put(s, METHOD_PASSWORD);
}

static int say_who(struct ed_socks5 *s)
{
    begin_message(s, NAMED);
    put(s, AUTH_VERSION);
    put_text(s, s->user);
    put_text(s, s->password);
    return ED_SOCKS5_SEND;
}

static int ask(struct ed_socks5 *s)
{
    begin_message(s, ASKED);
    put(s, VERSION);
    put(s, COMMAND_CONNECT);
    put(s, 0);
    if (s->is_address) {
        put(s, s->host.len == 4 ? ADDRESS_V4 : ADDRESS_V6);
        put_bytes(s, s->host);
    } else {
        put(s, ADDRESS_NAME);
        put_text(s, s->host);
    }
    put(s, s->port >> 8);
    put(s, s->port & 0xff);
    return ED_SOCKS5_SEND;
}

/* ---- messages in ---- */

static int refuse(struct ed_socks5 *s, const char *why)
{
    s->error = why;
    return ED_EPROXY;
}

/* How long a reply to a request is, as far as that is known. */
static size_t reply_length(const struct ed_socks5 *s)
{
    if (s->in_len < 5)
        return 5;
    switch (s->in[3]) {
    case ADDRESS_V4:
        return 4 + 4 + 2;
    case ADDRESS_V6:
        return 4 + 16 + 2;
    default:
        return 4 + 1 + (size_t)s->in[4] + 2;
    }
}

static int read_method(struct ed_socks5 *s)
{
    if (s->in[0] != VERSION)
        return refuse(s, "the proxy does not speak SOCKS5");
    if (s->in_len < 2)
        return ED_SOCKS5_MORE;
    switch (s->in[1]) {
    case METHOD_NONE:
        return ask(s);
    case METHOD_PASSWORD:
        if (s->user.ptr)
            return say_who(s);
        break;
    case METHOD_REFUSED:
        return refuse(s, s->user.ptr ? "the proxy takes no password"
                                     : "the proxy wants to know who asks");
    }
    return refuse(s, "the proxy chose what it was not offered");
}

static int read_admission(struct ed_socks5 *s)
{
    if (s->in_len < 2)
        return ED_SOCKS5_MORE;
    if (s->in[1])
        return refuse(s, "the proxy refused user name and password");
    return ask(s);
}

/* RFC 1928, 6. */
static const char *text_of_reply(unsigned code)
{
    static const char *const texts[] = {
        [1] = "the proxy failed",
        [2] = "the proxy's rules do not allow the connection",
        [3] = "the proxy cannot reach the network",
        [4] = "the proxy cannot reach the host",
        [5] = "the host refused the proxy's connection",
        [6] = "the proxy's connection was on its way for too long",
        [7] = "the proxy does not know how to connect",
        [8] = "the proxy does not know this kind of address",
    };

    if (code < sizeof(texts) / sizeof(*texts))
        return texts[code];
    return "the proxy refused for a reason of its own";
}

static int read_reply(struct ed_socks5 *s)
{
    if (s->in[0] != VERSION)
        return refuse(s, "the proxy does not speak SOCKS5");
    if (s->in_len < 2)
        return ED_SOCKS5_MORE;
    s->reply = s->in[1];
    if (s->reply) /* some close at once, without the rest */
        return refuse(s, text_of_reply(s->reply));
    if (s->in_len >= 4 && s->in[3] != ADDRESS_V4 && s->in[3] != ADDRESS_V6 &&
        s->in[3] != ADDRESS_NAME)
        return refuse(s, "the proxy's reply makes no sense");
    return s->in_len < reply_length(s) ? ED_SOCKS5_MORE : ED_SOCKS5_DONE;
}

static int read_byte(struct ed_socks5 *s, uint8_t byte)
{
    s->in[s->in_len++] = byte;
    switch (s->state) {
    case GREETED:
        return read_method(s);
    case NAMED:
        return read_admission(s);
    default:
        return read_reply(s);
    }
}

int ed_socks5_read(struct ed_socks5 *s, struct ed_bytes *in)
{
    int step = ED_SOCKS5_MORE;

    while (step == ED_SOCKS5_MORE && in->len) {
        step = read_byte(s, (uint8_t)*in->ptr);
        in->ptr++;
        in->len--;
    }
    return step;
}
