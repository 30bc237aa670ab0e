/*
 * redis.h - Redis: commands of many fibers over a few connections.
 *
 *     ed_redis *cache = ed_redis_new(.url = "redis://cache.local/0");
 *     ...
 *     ed_redis_reply *reply;
 *     int err = ed_redis_cmd(cache, &reply, "GET user:%d:name", id);
 *     if (err)
 *         return err;
 *     if (ed_redis_kind(reply) == ED_REDIS_NIL)
 *         return ED_ENOTFOUND;
 *     return ed_reply(req, 200, "%s\n", ed_redis_text(reply));
 *
 * An `ed_redis` is a place to run commands: a client, a session or a
 * transaction. Code that takes one need not know which.
 *
 * What the fibers of a loop ask for in one turn is written together, and the
 * answers are told apart by their order (pipelining), so a client needs few
 * connections. Commands that may make the server wait (BLPOP, XREAD BLOCK, ...)
 * are known by their names and get connections of their own.
 *
 * Everything that suspends does so under the deadline in force, and may return
 * ED_ECANCELED and ED_ETIMEOUT. A command whose caller has gone may be run all
 * the same; its answer is dropped. A blocking one is given up, by closing its
 * connection.
 *
 * A client belongs to the thread that uses it first. It can be made before a
 * loop runs, and closes its connections with the loop.
 */
#ifndef EDDY_REDIS_H
#define EDDY_REDIS_H

#include <eddy/api.h>
#include <eddy/bytes.h>
#include <eddy/fiber.h>
#include <eddy/tls.h>
#include <stdarg.h>

ED_BEGIN_DECLS

typedef struct ed_redis ed_redis;
typedef struct ed_redis_reply ed_redis_reply;

/* ---- clients ---- */

struct ed_redis_options {
    size_t size;
    /*
     * redis://[[user]:password@]host[:port][/db], rediss:// for TLS, or
     * unix:///path[?db=1]; user and password with %XX. Several servers are
     * redis+sentinel://host,host/master[/db], the master that these Sentinels
     * name, or redis+cluster://host,host, a cluster some of whose nodes these
     * are (with TLS rediss+...). NULL: the environment's REDIS_URL, or else
     * redis://127.0.0.1:6379/0.
     */
    const char *url;
    const char *user;     /* instead of the URL's */
    const char *password; /* likewise */
    /* Gives the password for each new connection, for those that change. It is
     * copied. May suspend. NULL: a failure, with ed_error(). */
    const char *(*password_hook)(void *arg);
    void *password_arg;
    /* For Sentinels that ask for them; none. */
    const char *sentinel_user;
    const char *sentinel_password;
    const char *name; /* of the connections, as CLIENT LIST shows it; none */
    /* For rediss://: trust and certificates of our side; it must outlive the
     * client. NULL: the system's trust. The server's certificate is checked for
     * the URL's host, or for `server_name`. */
    ed_tls *tls;
    const char *server_name;

    /* Connections that all commands share; 2. The first is preferred, and the
     * others are for when it has much to do, or something large to transfer.
     * The deeper a pipeline, the less each command costs, here and there. */
    unsigned connections;
    /* Connections that blocking commands and sessions may have, each for
     * itself; 32. Further callers wait for one. */
    unsigned held;
    int64_t idle_time; /* until such a one is closed, when unused; 60 s */
    /* Commands without an answer, of all callers, even those that have gone;
     * 100,000. And bytes of commands the server has not taken; 64 MiB. More is
     * ED_EOVERLOAD. */
    unsigned queue;
    size_t max_unsent;
    /* Bytes of one reply; 64 MiB. A longer one is dropped: ED_ELIMIT. */
    size_t max_reply;

    int64_t connect_timeout; /* of one attempt, with TLS and AUTH; 5 s */
    /* A shared connection on which the oldest command is not answered for so
     * long is taken for dead, and closed; 30 s. Negative: never. */
    int64_t reply_timeout;
    /* Pauses between attempts to connect that fail, growing from 50 ms, with
     * jitter; 5 s. */
    int64_t max_backoff;

    int64_t reserved[4];
};

/*
 * A new client. It connects when first used, or at ed_redis_ready(). Does not
 * suspend; any thread, in a loop or not. NULL when there is no memory or the
 * URL is malformed: ed_error() says why, and outside of a fiber the log.
 */
#define ed_redis_new(...) \
    ed_redis_new_with(ED_OPTIONS(struct ed_redis_options, __VA_ARGS__))
ED_API ed_redis *ed_redis_new_with(const struct ed_redis_options *options);

/* Closes all connections and frees. Nobody may be waiting in it, and no
 * session or transaction of it may be left. NULL is fine. Does not suspend. */
ED_API void ed_redis_free(ed_redis *client);

/*
 * Waits until a connection is up, trying anew at once if there is none: for
 * programs that want to fail early. Suspends. Returns 0, or
 *   ED_EDATABASE  it cannot be reached, or refuses us; ed_error() says why
 */
ED_API ED_CHECK int ed_redis_ready(ed_redis *client);

struct ed_redis_counts {
    /* now */
    unsigned open;      /* shared connections that are up */
    unsigned held;      /* connections of blocking commands and sessions */
    unsigned held_idle; /* of these, those kept for the next */
    unsigned waiting;   /* callers without a connection */
    unsigned under_way; /* commands without an answer */
    /* since the beginning */
    uint64_t commands; /* sent */
    uint64_t writes;   /* in which they were sent, on shared connections */
    uint64_t resent;   /* commands sent again after a connection was lost */
    uint64_t dropped;  /* answers nobody waited for any more */
    uint64_t connects;
    uint64_t failed_connects;
    uint64_t lost; /* connections that broke while up */
};

/* Does not suspend. */
ED_API void ed_redis_counts(const ed_redis *client,
                            struct ed_redis_counts *counts);

/* ---- commands ---- */

/*
 * Runs one command, given as a format in the manner of hiredis: spaces part
 * the arguments, and what is put in never does, whatever it holds.
 *
 *     %s      a C string               %b   a pointer and a size_t: any bytes
 *     %d %ld %lld %zu %u %x %f %g ...  numbers as printf() writes them
 *     %%      a percent sign
 *
 *     ed_redis_cmd(db, NULL, "SET %s %b EX %d", key, ptr, len, 60);
 *     ed_redis_cmd(db, &reply, "HSET user:%d name %s", id, name);
 *
 * The compiler cannot check the arguments (there is no %b in printf): mind
 * that the length of %b is a size_t. ed_redis_argv() has no such trap.
 *
 * The reply lies in the fiber's arena and is valid as long as that. `reply` may
 * be NULL for who does not want it. When the server refuses the command, *reply
 * is its words, ED_REDIS_ERROR; on other failures it is NULL.
 *
 * In a transaction (ed_redis_multi()) the command is only noted, and *reply
 * NULL.
 *
 * Suspends. Returns 0, or
 *   ED_EREDIS      the server refused it; ed_error() has its words, and the
 *                  name of the command, but none of its arguments
 *   ED_EDATABASE   the server is down or refuses us, and there is no other
 *                  connection; or it says that it cannot work now: LOADING,
 *                  MASTERDOWN, READONLY, CLUSTERDOWN, BUSY, MISCONF, ...
 *   ED_EUNCERTAIN  the connection broke: it may have been done, or not.
 *                  Commands that were not sent yet go to the next connection
 *                  instead, and those that change nothing (GET, HGETALL, ...)
 *                  are sent again, once.
 *   ED_EOVERLOAD   too many commands are without an answer
 *   ED_ENOMEM      the reply does not fit into the arena
 *   ED_ELIMIT      the reply is longer than `max_reply`
 *   ED_EUSAGE      the format or the number of arguments makes no sense; or it
 *                  is a command that changes what a connection is (SUBSCRIBE,
 *                  MONITOR, SELECT, MULTI, WATCH outside of a session, ...)
 *   ED_ECANCELED, ED_ETIMEOUT
 */
ED_API ED_CHECK int ed_redis_cmd(ed_redis *db, ed_redis_reply **reply,
                                 const char *fmt, ...);

/* The same with arguments that are there already, argv[0] being the command.
 * They are borrowed until the call returns. */
ED_API ED_CHECK int ed_redis_argv(ed_redis *db, ed_redis_reply **reply,
                                  size_t argc, const struct ed_bytes *argv);

struct ed_redis_call_options {
    size_t size;
    /* May be run twice: sent again, once, when the connection broke and it may
     * have been done. */
    bool idempotent;
};

/* The same two with options:
 *     ed_redis_cmd_with(db, &reply, ED_REDIS_CALL(.idempotent = true),
 *                       "SET %s %s", key, value); */
#define ED_REDIS_CALL(...) ED_OPTIONS(struct ed_redis_call_options, __VA_ARGS__)
ED_API ED_CHECK int ed_redis_cmd_with(
    ed_redis *db, ed_redis_reply **reply,
    const struct ed_redis_call_options *options, const char *fmt, ...);
ED_API ED_CHECK int ed_redis_vcmd(ed_redis *db, ed_redis_reply **reply,
                                  const struct ed_redis_call_options *options,
                                  const char *fmt, va_list args);
ED_API ED_CHECK int ed_redis_argv_with(
    ed_redis *db, ed_redis_reply **reply,
    const struct ed_redis_call_options *options, size_t argc,
    const struct ed_bytes *argv);

/* ---- replies ---- */

enum ed_redis_kind {
    ED_REDIS_NIL,
    ED_REDIS_STATUS, /* such as OK */
    ED_REDIS_ERROR,
    ED_REDIS_INTEGER,
    ED_REDIS_STRING,
    ED_REDIS_ARRAY,
};

/* All of these take NULL for nil, do not suspend, and borrow from the reply. */
ED_API enum ed_redis_kind ed_redis_kind(const ed_redis_reply *reply);

/* The text of a string, status or error, NUL-terminated (it may hold NULs of
 * its own); ptr NULL of anything else. */
ED_API struct ed_bytes ed_redis_bytes(const ed_redis_reply *reply);

/* The same as a C string; "" of anything else, so that it can be printed. */
ED_API const char *ed_redis_text(const ed_redis_reply *reply);

/* An integer, or a string that is one in decimal. Returns 0, ED_ENOTFOUND of
 * nil, or ED_EPARSE of anything else; *value is then untouched. */
ED_API ED_CHECK int ed_redis_int(const ed_redis_reply *reply, int64_t *value);

/* A string that is a number ("3.5", "inf", as of ZSCORE), or an integer.
 * Results as above. */
ED_API ED_CHECK int ed_redis_double(const ed_redis_reply *reply, double *value);

/* How many elements an array has; 0 of anything else. */
ED_API size_t ed_redis_count(const ed_redis_reply *reply);

/* The element of an array; NULL when it has none there, so that
 * ed_redis_text(ed_redis_at(row, 3)) is always safe. */
ED_API const ed_redis_reply *ed_redis_at(const ed_redis_reply *reply,
                                         size_t index);

/* In an array of names and values in turn, as of HGETALL or CONFIG GET: the
 * value of the name; NULL when it is not there. Looks through all of them. */
ED_API const ed_redis_reply *ed_redis_field(const ed_redis_reply *reply,
                                            const char *name);

/* Whether it is an error whose first word, its code, is that: "WRONGTYPE". */
ED_API bool ed_redis_is_error(const ed_redis_reply *reply, const char *code);

/* ---- transactions and sessions ---- */

struct ed_redis_store {
    void *private_words[24];
};

/*
 * Declares `ed_redis *name`, a transaction (MULTI): commands given to it are
 * noted and, at ed_redis_exec(), sent in one go and run without any other in
 * between. When the enclosing block is left without that, nothing is done.
 *
 *     ed_redis_multi(tx, db);
 *     int err = ed_redis_cmd(tx, NULL, "DECRBY stock:%d 1", id);
 *     if (!err)
 *         err = ed_redis_cmd(tx, NULL, "RPUSH orders %s", order);
 *     if (!err)
 *         err = ed_redis_exec(tx, &reply);
 *
 * It is one of the client or the session `db`, which must outlive it. Declaring
 * and leaving do not suspend, nor does noting. Fibers only.
 */
#define ed_redis_multi(name, db)                                       \
    struct ed_redis_store name##_store_;                               \
    ed_redis *name __attribute__((cleanup(ed_redis_leave_), unused)) = \
        ed_redis_multi_(&name##_store_, (db))

/*
 * Runs the transaction; *reply is the array of its commands' replies, in which
 * errors of single ones are values (the others were done: there is no
 * rollback). Without any command the array is empty, and nothing is sent.
 * Nothing can be noted in it afterwards (ED_EUSAGE).
 *
 * Suspends. Returns 0, or an error as of ed_redis_cmd(), nothing having been
 * done unless it is ED_EUNCERTAIN, or
 *   ED_ESERIAL  a key that the session watches has been changed
 *   ED_EREDIS   a command was refused before it was run (its name or number of
 *               arguments is wrong), which ed_error() tells
 */
ED_API ED_CHECK int ed_redis_exec(ed_redis *tx, ed_redis_reply **reply);

/*
 * Declares `ed_redis *name`, a connection that is the enclosing block's alone:
 * for WATCH, and for what a server keeps by connection (SELECT, CLIENT ...,
 * WAIT).
 *
 *     ed_redis_session(s, db);
 *     err = ed_redis_cmd(s, NULL, "WATCH %s", key);
 *     err = ed_redis_cmd(s, &old, "GET %s", key);
 *     ed_redis_multi(tx, s);
 *     err = ed_redis_cmd(tx, NULL, "SET %s %s", key, new_one);
 *     err = ed_redis_exec(tx, &reply);     // ED_ESERIAL: try again
 *
 * The connection is taken with the first command, which may wait for one
 * (`held`), and given back with the block, unwatched; if the session changed
 * what the connection is, it is closed. Nothing is sent again: when the
 * connection breaks, so does the session (ED_EDATABASE from then on). A caller
 * that leaves a command in its middle breaks it, too.
 */
#define ed_redis_session(name, db)                                     \
    struct ed_redis_store name##_store_;                               \
    ed_redis *name __attribute__((cleanup(ed_redis_leave_), unused)) = \
        ed_redis_session_(&name##_store_, (db))

ED_API ed_redis *ed_redis_multi_(struct ed_redis_store *store, ed_redis *db);
ED_API ed_redis *ed_redis_session_(struct ed_redis_store *store, ed_redis *db);
ED_API void ed_redis_leave_(ed_redis **db);

/* ---- scripts ---- */

/*
 * A Lua script, to be declared as a static object:
 *
 *     static struct ed_redis_script take = {
 *         .text = "local n = redis.call('GET', KEYS[1]) ...",
 *     };
 */
struct ed_redis_script {
    const char *text; /* must stay */
    /* It changes nothing: run by EVALSHA_RO (Redis 7), which makes sure of
     * that, and sent again as other such commands are. */
    bool read_only;
    int private_state;
    char private_digest[44];
};

/*
 * Runs a script with `keys` of the arguments as KEYS and the others as ARGV.
 * Only its digest is sent; a server that does not know it gets the text, once,
 * unseen. In a transaction the text is always sent.
 *
 * Suspends. Returns what ed_redis_cmd() does; ED_EUSAGE when `keys` is more
 * than `argc`.
 */
ED_API ED_CHECK int ed_redis_eval(ed_redis *db, ed_redis_reply **reply,
                                  struct ed_redis_script *script, size_t keys,
                                  size_t argc, const struct ed_bytes *argv);

ED_END_DECLS
#endif
