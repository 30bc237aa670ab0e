/*
 * socks5.h - the client's side of SOCKS version 5 (RFC 1928), with user name
 * and password (RFC 1929), as bytes.
 *
 * Pure functions: no I/O, no allocation.
 *
 *     ed_socks5_begin(&s);
 *     do {
 *         send s.out, s.out_len bytes
 *         do
 *             receive `in`
 *         while ((step = ed_socks5_read(&s, &in)) == ED_SOCKS5_MORE);
 *     } while (step == ED_SOCKS5_SEND);
 */
#ifndef EDDY_WIRE_SOCKS5_H
#define EDDY_WIRE_SOCKS5_H

#include <eddy/api.h>
#include <eddy/bytes.h>

/* Lengths are told in one byte. */
#define ED_SOCKS5_TEXT_MAX 255

/* The longest message to send: name and password. */
#define ED_SOCKS5_OUT_MAX (3 + 2 * ED_SOCKS5_TEXT_MAX)

/* The longest to receive: a reply with the name of a host. */
#define ED_SOCKS5_IN_MAX (4 + 1 + ED_SOCKS5_TEXT_MAX + 2)

enum ed_socks5_step {
    ED_SOCKS5_MORE, /* more bytes are needed */
    ED_SOCKS5_SEND, /* the next message is to be sent */
    ED_SOCKS5_DONE, /* connected; what is left of `in` is the host's */
};

struct ed_socks5 {
    /* Given by the caller, and borrowed. Texts are ED_SOCKS5_TEXT_MAX bytes at
     * most; `user` with ptr NULL: nothing to say who we are. */
    struct ed_bytes user;
    struct ed_bytes password;
    struct ed_bytes host; /* a name, or the 4 or 16 bytes of an address */
    bool is_address;
    uint16_t port;

    size_t out_len;
    const char *error; /* static text, with ED_EPROXY */
    uint8_t reply;     /* the code of a proxy that refused; 0: none */

    /* The codec's own. */
    uint8_t state;
    uint16_t in_len;
    uint8_t in[ED_SOCKS5_IN_MAX];

    char out[ED_SOCKS5_OUT_MAX]; /* the message to send */
};

/* Writes the first message. The caller's members are set; the others need not
 * be. */
void ed_socks5_begin(struct ed_socks5 *s);

/* Reads on in *in and moves it behind what was used. Returns an enum
 * ed_socks5_step, or ED_EPROXY with s->error set: it refused, or is no such
 * proxy. */
ED_CHECK int ed_socks5_read(struct ed_socks5 *s, struct ed_bytes *in);

#endif
