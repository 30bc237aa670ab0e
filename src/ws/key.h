/*
 * key.h - the proof that the other side has understood (RFC 6455, 4.2.2).
 */
#ifndef EDDY_WS_KEY_H
#define EDDY_WS_KEY_H

#include <eddy/api.h>

/* What a key is made of, and room for its text. */
#define WS_KEY_BYTES   16
#define WS_KEY_TEXT    25
#define WS_ACCEPT_TEXT 29

/* A new key. 0 or ED_EUSAGE, when the system has no random bytes; ED_ENOMEM. */
ED_CHECK int ws_new_key(char out[WS_KEY_TEXT]);

/* What answers a key. 0, ED_ENOMEM, or ED_EUSAGE where SHA-1 is forbidden. */
ED_CHECK int ws_accept_key(const char *key, char out[WS_ACCEPT_TEXT]);

#endif
