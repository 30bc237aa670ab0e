/*
 * ws_extension.h - what the two ends of a WebSocket agree on in the handshake:
 * compression (RFC 7692, 7.1) and a subprotocol.
 */
#ifndef EDDY_WIRE_WS_EXTENSION_H
#define EDDY_WIRE_WS_EXTENSION_H

#include <eddy/api.h>
#include <eddy/bytes.h>

/* Bits of a window. The RFC knows 8 as well, with which zlib does not
 * compress. */
enum {
    ED_WS_BITS_MIN = 9,
    ED_WS_BITS_MAX = 15,
};

/* What one side wants. */
struct ed_ws_deflate_wish {
    bool off;
    bool takeover;     /* contexts may last from message to message */
    uint8_t bits;      /* of what it sends, 9 to 15 */
    uint8_t peer_bits; /* of what the other may send */
};

/* What was agreed on. */
struct ed_ws_deflate_terms {
    bool on;
    bool server_takeover, client_takeover;
    uint8_t server_bits, client_bits;
};

/* The longest offer or answer. */
#define ED_WS_EXTENSION_MAX 160

/*
 * The server's side: takes the first of the client's offers that can be met.
 * `offers` is the value of Sec-WebSocket-Extensions, or several joined by
 * commas. 0, terms->on telling whether there was such an offer, or ED_EPROTO
 * when the value is malformed.
 */
ED_CHECK int ed_ws_deflate_accept(struct ed_ws_deflate_terms *terms,
                                  struct ed_bytes offers,
                                  const struct ed_ws_deflate_wish *wish);

/* The server's answer, a value of the field; returns its length. */
size_t ed_ws_deflate_answer(char out[ED_WS_EXTENSION_MAX],
                            const struct ed_ws_deflate_terms *terms);

/* The client's offer. */
size_t ed_ws_deflate_offer(char out[ED_WS_EXTENSION_MAX],
                           const struct ed_ws_deflate_wish *wish);

/* The client's side: reads the server's answer, "" if there was none, to that
 * offer. 0, or ED_EPROTO with a static text in *why. */
ED_CHECK int ed_ws_deflate_confirm(struct ed_ws_deflate_terms *terms,
                                   struct ed_bytes answer,
                                   const struct ed_ws_deflate_wish *wish,
                                   const char **why);

/* The first of the client's subprotocols that is among those spoken: a view of
 * `offered`, empty if there is none. Both are lists with commas. 0, or
 * ED_EPROTO when the client's is malformed. */
ED_CHECK int ed_ws_choose_protocol(struct ed_bytes *out,
                                   struct ed_bytes offered,
                                   struct ed_bytes spoken);

/* Whether a list with commas has that subprotocol: in the same case. */
bool ed_ws_has_protocol(struct ed_bytes list, struct ed_bytes protocol);

#endif
