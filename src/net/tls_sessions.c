/*
 * tls_sessions.c - the sessions a client remembers, to resume them.
 *
 * Owns them, at most SESSIONS_MAX; the oldest goes first. A session holds the
 * server's certificates and takes some kilobytes. ed_tls_lock() guards all;
 * sessions are freed outside of it.
 */
#include "net/tls_sessions.h"

#include "base/list.h"
#include "net/tls_context.h"
#include <stdlib.h>
#include <time.h>

#define SESSIONS_MAX 1000

/* Of one key. Servers give two tickets for a connection, so that without a
 * bound a busy origin would push all others out. */
#define SESSIONS_OF_KEY_MAX 16

struct kept {
    struct ed_list by_age; /* in `all`, oldest first */
    struct ed_list link;   /* in `sessions` of its shelf */
    struct shelf *shelf;
    SSL_SESSION *session;
};

/* What is kept by one key. */
struct shelf {
    struct ed_list sessions; /* oldest first */
    unsigned count;
    struct ed_bytes key;
    char key_bytes[];
};

struct ed_tls_sessions {
    struct ed_list all;
    unsigned count;
    ed_map *shelves;
};

struct ed_tls_sessions *ed_tls_sessions_new(void)
{
    struct ed_tls_sessions *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    ed_list_init(&s->all);
    s->shelves = ed_map_new();
    if (s->shelves)
        return s;
    free(s);
    return NULL;
}

/* Takes a session out of all lists, and its shelf away when it is empty. The
 * reference is the caller's then. */
static SSL_SESSION *take_out(struct ed_tls_sessions *s, struct kept *kept)
{
    struct shelf *shelf = kept->shelf;
    SSL_SESSION *session = kept->session;

    ed_list_remove(&kept->by_age);
    ed_list_remove(&kept->link);
    s->count--;
    free(kept);
    if (--shelf->count == 0) {
        ed_map_remove(s->shelves, shelf->key);
        free(shelf);
    }
    return session;
}

static struct kept *oldest(const struct ed_tls_sessions *s)
{
    return ED_CONTAINER(ed_list_first(&s->all), struct kept, by_age);
}

void ed_tls_sessions_free(struct ed_tls_sessions *s)
{
    while (s->count)
        SSL_SESSION_free(take_out(s, oldest(s)));
    ed_map_free(s->shelves);
    free(s);
}

static struct shelf *shelf_of(struct ed_tls_sessions *s, struct ed_bytes key)
{
    struct shelf *shelf = ed_map_get(s->shelves, key);

    if (shelf)
        return shelf;
    shelf = calloc(1, sizeof(*shelf) + key.len);
    if (!shelf)
        return NULL;
    memcpy(shelf->key_bytes, key.ptr, key.len);
    shelf->key = ed_bytes_of(shelf->key_bytes, key.len);
    ed_list_init(&shelf->sessions);
    if (!ed_map_set(s->shelves, key, shelf, NULL))
        return shelf;
    free(shelf);
    return NULL;
}

/* Puts a session in; what has to go for it, or itself, is returned. */
static SSL_SESSION *put_in(struct ed_tls_sessions *s, struct ed_bytes key,
                           SSL_SESSION *session)
{
    struct kept *kept = calloc(1, sizeof(*kept));
    struct shelf *shelf = kept ? shelf_of(s, key) : NULL;

    if (!shelf) {
        free(kept);
        return session;
    }
    kept->session = session;
    kept->shelf = shelf;
    ed_list_add_back(&s->all, &kept->by_age);
    ed_list_add_back(&shelf->sessions, &kept->link);
    s->count++;
    shelf->count++;
    if (shelf->count > SESSIONS_OF_KEY_MAX)
        return take_out(s, ED_CONTAINER(ed_list_first(&shelf->sessions),
                                        struct kept, link));
    return s->count > SESSIONS_MAX ? take_out(s, oldest(s)) : NULL;
}

void ed_tls_sessions_keep(struct ed_tls_sessions *s, struct ed_bytes key,
                          SSL_SESSION *session)
{
    ed_tls_lock();
    SSL_SESSION *gone = put_in(s, key, session);
    ed_tls_unlock();
    SSL_SESSION_free(gone);
}

/* From OpenSSL 3.3 on there is one that outlasts 2038. */
static time_t made_at(const SSL_SESSION *session)
{
#if OPENSSL_VERSION_PREREQ(3, 3)
    return SSL_SESSION_get_time_ex(session);
#else
    return (time_t)SSL_SESSION_get_time(session);
#endif
}

/* Whole handshakes find out that a certificate has expired; resuming would
 * not. */
static bool is_good(const SSL_SESSION *session)
{
    X509 *peer = SSL_SESSION_get0_peer((SSL_SESSION *)session);
    time_t until = made_at(session) + (time_t)SSL_SESSION_get_timeout(session);

    return SSL_SESSION_is_resumable(session) && time(NULL) < until && peer &&
           X509_cmp_current_time(X509_get0_notAfter(peer)) > 0;
}

/* The youngest session of a key; `once`: taken out. */
static SSL_SESSION *youngest(struct ed_tls_sessions *s, struct ed_bytes key,
                             bool *once)
{
    struct shelf *shelf = ed_map_get(s->shelves, key);

    if (!shelf)
        return NULL;
    struct kept *kept =
        ED_CONTAINER(ed_list_last(&shelf->sessions), struct kept, link);
    SSL_SESSION *session = kept->session;
    *once = SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION ||
            !is_good(session);
    if (*once)
        return take_out(s, kept);
    SSL_SESSION_up_ref(session);
    return session;
}

SSL_SESSION *ed_tls_sessions_take(struct ed_tls_sessions *s,
                                  struct ed_bytes key)
{
    for (;;) {
        bool once = false;

        ed_tls_lock();
        SSL_SESSION *session = youngest(s, key, &once);
        ed_tls_unlock();
        if (!session || is_good(session))
            return session;
        SSL_SESSION_free(session);
    }
}
