/*
 * tls_codec.h - one TLS connection between plain bytes and the wire: the
 * handshake, and then records. It owns no transport and never suspends.
 *
 * OpenSSL does the handshake. A server's connection of TLS 1.3 leaves it then,
 * for tls_record.h; others stay.
 */
#ifndef EDDY_NET_TLS_CODEC_H
#define EDDY_NET_TLS_CODEC_H

#include "net/tls.h"
#include "net/tls_wire.h"

struct ed_tls_codec {
    struct ssl_st *ssl;             /* or... */
    struct ed_tls_settled *settled; /* ...what is left without it */
    struct ed_tls_kept *plain;      /* opened, and more than was asked for */
    struct ed_tls_wire wire;
    char *why; /* of ED_ETLS after the handshake; NULL: no more is known */
};

/* Besides what each function says, they return
 *   -EAGAIN   more has to arrive
 *   -ENOBUFS  the output has to leave first
 *   ED_ENOMEM
 */

/* Takes the OpenSSL object over, also when it fails. The codec must not move.
 * In a loop. 0 or ED_ENOMEM. */
ED_CHECK int ed_tls_codec_open(struct ed_tls_codec *c, struct ssl_st *ssl);
void ed_tls_codec_close(struct ed_tls_codec *c);

/* Goes on with the handshake: 0 when it is done, or ED_ETLS or ED_ECERT, `why`
 * telling more. The output is to be sent in any case. */
ED_CHECK int ed_tls_codec_handshake(struct ed_tls_codec *c,
                                    char why[ED_TLS_WHY]);

/* Whether reading may find anything. Asking OpenSSL in vain is not cheap. */
bool ed_tls_codec_has_input(const struct ed_tls_codec *c);

/* Read plain bytes, a copy or where they lie until the next reading: a count; 0
 * when the peer has said that no more come; or ED_ETLS, with an alert for the
 * peer in the output: nothing can be read or written any more. */
ED_CHECK ssize_t ed_tls_codec_read(struct ed_tls_codec *c, char *buf,
                                   size_t len);
ED_CHECK ssize_t ed_tls_codec_read_piece(struct ed_tls_codec *c,
                                         struct ed_bytes *piece);

/* Seals what the cursor stands at, as far as there is room. 0 or ED_ETLS. */
ED_CHECK int ed_tls_codec_seal(struct ed_tls_codec *c,
                               struct ed_tls_cursor *cursor);

/* Puts a close_notify into the output, if there is room. */
void ed_tls_codec_say_end(struct ed_tls_codec *c);

/* As ed_stream_tls() and ed_stream_tls_peer(), after the handshake. */
void ed_tls_codec_info(const struct ed_tls_codec *c, struct ed_tls_info *out);
bool ed_tls_codec_peer(const struct ed_tls_codec *c, struct ed_tls_peer *out);

#endif
