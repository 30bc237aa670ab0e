/*
 * tls_tickets.h - the keys that seal session tickets (RFC 5077, RFC 8446).
 *
 * Time is cut into epochs, each with a secret of its own, from which its keys
 * follow. The keys of this epoch seal tickets; those of the one before still
 * open them. Time is handed in, in nanoseconds of Unix time, so that tests need
 * not wait.
 */
#ifndef EDDY_NET_TLS_TICKETS_H
#define EDDY_NET_TLS_TICKETS_H

#include <eddy/bytes.h>

struct ed_tls_tickets;
struct ed_tls_set;

#define ED_TICKET_NAME 16

struct ed_ticket_keys {
    unsigned char name[ED_TICKET_NAME];
    unsigned char cipher[32]; /* AES-256-CBC */
    unsigned char mac[32];    /* HMAC with SHA-256 */
};

/*
 * New keys that change every `rotation` nanoseconds. From a secret the keys of
 * every epoch follow. Without one (empty) the first epoch's is random, and the
 * next epoch's follows from it, so that whoever learns one cannot go back; and
 * processes forked meanwhile agree, as each goes on by the clock. 0, ED_ENOMEM,
 * or ED_EUSAGE when the system has no random bytes.
 */
ED_CHECK int ed_tls_tickets_new(struct ed_tls_tickets **out, int64_t rotation,
                                struct ed_bytes secret, int64_t now);
struct ed_tls_tickets *ed_tls_tickets_ref(struct ed_tls_tickets *t);
void ed_tls_tickets_unref(struct ed_tls_tickets *t);

/* The keys to seal with. 0 or an error as above. Any thread. */
ED_CHECK int ed_tls_tickets_seal(struct ed_tls_tickets *t, int64_t now,
                                 struct ed_ticket_keys *out);

enum ed_ticket_age { ED_TICKET_UNKNOWN, ED_TICKET_CURRENT, ED_TICKET_OLD };

/* Finds the keys of that name. */
enum ed_ticket_age ed_tls_tickets_find(struct ed_tls_tickets *t, int64_t now,
                                       const unsigned char name[ED_TICKET_NAME],
                                       struct ed_ticket_keys *out);

/* Makes a server's OpenSSL context give tickets as the settings say; those of
 * a set in use go on. 0, ED_ENOMEM or ED_ETLSCONFIG. */
ED_CHECK int ed_tls_tickets_setup(struct ed_tls_set *set);

#endif
