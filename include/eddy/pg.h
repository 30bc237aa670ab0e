/*
 * pg.h - PostgreSQL: a pool of connections that queries of many fibers share.
 *
 *     ed_pg *db = ed_pg_new(.dsn = "postgresql://app@db.local/shop");
 *     ...
 *     ed_rows *rows;
 *     int err = ed_pg_query(db, &rows,
 *                           "select id, name from people where city = :city",
 *                           ed_p(city, "Bergen"));
 *
 * An `ed_pg` is a place to run statements: a pool, a transaction or a session.
 * Code that takes one need not know which.
 *
 * Queries to a pool go out on connections that others may be using, without
 * waiting for their results (pipelining), once the pool has as many as it may.
 * Each is a transaction of its own and fails alone. So that nothing stands
 * behind something slow, a statement goes to a connection without any under
 * way, or to a new one, as long as there are some.
 *
 * A statement is prepared on a connection when it is first used there, in the
 * same message; its names are compiled to $1, $2, ... (:name; not in strings,
 * comments, dollar quotes and ::casts).
 *
 * Everything that suspends does so under the deadline in force, and may return
 * ED_ECANCELED and ED_ETIMEOUT. A statement whose caller has gone is cancelled
 * on the server, in the background, if it is running by then. What failed is
 * told by ed_error(), and in detail by ed_pg_error().
 *
 * A pool belongs to the thread that uses it first.
 */
#ifndef EDDY_PG_H
#define EDDY_PG_H

#include <eddy/api.h>
#include <eddy/bytes.h>
#include <eddy/fiber.h>
#include <eddy/pg_value.h>
#include <eddy/rows.h>

ED_BEGIN_DECLS

typedef struct ed_pg ed_pg;

/* ---- pools ---- */

struct ed_pg_options {
    size_t size;
    /* A URI or "key=value ..." with any of libpq's parameters; what it does
     * not say is taken from PGHOST, PGUSER and so on, the service file and the
     * password file. Several hosts are tried in turn. Where nobody sets libpq's
     * tcp_user_timeout or keepalives_..., a host that is gone without a word is
     * noticed within a minute. */
    const char *dsn;

    unsigned min; /* connections kept even if idle; 0 */
    unsigned max; /* connections at most; 10 */
    /* Statements under way on one connection, at most; 64. 1: no pipelining. */
    unsigned pipeline;
    unsigned queue; /* callers that wait, at most; 10,000. More: ED_EOVERLOAD */
    /* The longest wait for a connection, if the deadline is not earlier; 30 s.
     * Negative: no bound. Beyond it: ED_EOVERLOAD. */
    int64_t max_wait;

    int64_t connect_timeout; /* of one attempt, all hosts; 10 s */
    /* Pauses between attempts to connect that fail, growing from 50 ms, with
     * jitter; as soon as one works, all is as before. */
    int64_t max_backoff; /* 5 s */
    int64_t idle_time;   /* until one beyond `min` is closed; 5 min */
    int64_t lifetime;    /* of a connection, give or take 10 %; 1 h */
    /* One that was idle for so long is asked for a sign of life before it is
     * used; 30 s. Negative: never. */
    int64_t check_after;
    /* How long a cancelled statement, or one being rolled back, may keep its
     * connection before that is closed; 5 s. */
    int64_t goodbye;

    /* Every statement is declared read-only, and the server is told to refuse
     * others (default_transaction_read_only): for replicas. */
    bool read_only;

    /* Prepared statements per connection, the least recently used giving way;
     * 256. Negative: none are kept, as some poolers between us and the server
     * want it (pgbouncer's transaction mode before 1.21). A pool that finds out
     * goes over to that by itself. */
    int statements;
    int64_t statement_lifetime; /* after which one is prepared anew; 1 h */

    /* Called for each new connection, which is the session given, before
     * others may use it, within connect_timeout; and again when a session was
     * reset, to set anew what that undid. An error closes the connection. May
     * suspend. */
    int (*on_connect)(ed_pg *session, void *arg);
    /* Gives the password for each new connection, for those that change. It is
     * copied. May suspend. NULL: a failure, with ed_error(). */
    const char *(*password)(void *arg);
    void *arg;

    int64_t reserved[4];
};

/*
 * A new pool. It connects when first used, or at ed_pg_ready(). Does not
 * suspend; any thread, in a loop or not. NULL when there is no memory or the
 * dsn is malformed, which is logged.
 */
#define ed_pg_new(...) \
    ed_pg_new_with(ED_OPTIONS(struct ed_pg_options, __VA_ARGS__))
ED_API ed_pg *ed_pg_new_with(const struct ed_pg_options *options);

/* Closes all connections and frees. Nobody may be waiting in it, and no
 * transaction, session, copy or listener of it may be left. NULL is fine. Does
 * not suspend. */
ED_API void ed_pg_free(ed_pg *pool);

/*
 * Opens `min` connections, at least one, and waits for the first: for programs
 * that want to fail early. Suspends. Returns 0, or
 *   ED_EDATABASE  it cannot be reached, or refuses us; ed_error() says why
 */
ED_API ED_CHECK int ed_pg_ready(ed_pg *pool);

/* Has every connection replaced when its statements under way have ended:
 * after a failover, or a change of types. Does not suspend. */
ED_API void ed_pg_expire(ed_pg *pool);

struct ed_pg_counts {
    /* now */
    unsigned open;       /* connections that are up */
    unsigned connecting; /* being opened */
    unsigned idle;       /* up, with nothing under way */
    unsigned held;       /* up, by transactions, sessions, copies, streams */
    unsigned waiting;    /* callers without a connection */
    unsigned under_way;  /* statements sent, whose end is to come */
    /* since the beginning */
    uint64_t statements; /* sent for callers */
    uint64_t batches;    /* syncs that read-only statements shared */
    uint64_t resent;     /* again, since they had not been run */
    uint64_t prepared;   /* on some connection */
    uint64_t cancelled;  /* statements that the server was asked to cancel */
    uint64_t connects;
    uint64_t failed_connects;
    uint64_t lost; /* connections that broke while up */
    uint64_t waits;
    int64_t waited; /* nanoseconds, by all of them */
};

/* Does not suspend. */
ED_API void ed_pg_counts(const ed_pg *pool, struct ed_pg_counts *counts);

/* ---- statements ---- */

struct ed_pg_query_options {
    size_t size;
    /* It changes nothing. It may then share a sync, and so one message and one
     * snapshot of the server's work, with others declared so that are sent at
     * the same time, which costs the server a fourth; if one of them fails the
     * others are run again, unseen. It is also sent again when a connection
     * breaks. Do not declare so what writes: it may be undone by another's
     * failure after it was told to have succeeded. */
    bool read_only;
    /* May be run twice: sent again, once, when the connection broke and it may
     * have been done. */
    bool idempotent;
};

/* Given among the parameters: ed_pg_with(.read_only = true). */
#define ed_pg_with(...)                                                   \
    ED_PG_PARAM_(NULL, ed_pg_with_(ED_OPTIONS(struct ed_pg_query_options, \
                                              __VA_ARGS__)))
static inline struct ed_pg_value ed_pg_with_(
    const struct ed_pg_query_options *options)
{
    struct ed_pg_value v = ed_pg_of_(ED_PG_OPTIONS);
    v.as.options = options;
    return v;
}

#ifdef __cplusplus
#define ED_PG_LIST_(...) ed_pg_list_(__VA_ARGS__)
#else
#define ED_PG_LIST_(...)                                         \
    ((const struct ed_pg_param[]){{NULL, {.kind = ED_PG_NULL}},  \
                                  ##__VA_ARGS__,                 \
                                  {NULL, {.kind = ED_PG_END}}} + \
     1)
#endif

/*
 * Runs one statement and gives its rows, which lie in the fiber's arena and
 * are valid as long as that. A statement that has none gives rows without
 * columns. *rows is NULL on failure.
 *
 * Suspends. Returns 0, or
 *   ED_EUSAGE      a name is missing, unknown or unclear, or the text holds
 *                  several statements; found before anything is sent. On a
 *                  pool also: it began a transaction, which is rolled back
 *   ED_EDATABASE   no connection: the server is down, or refuses us
 *   ED_EOVERLOAD   too many wait, or waited too long, for a connection
 *   ED_EUNCERTAIN  the connection broke: it may have been done, or not; or a
 *                  CALL or DO, which may commit on its way, was hit by the
 *                  cancel of another
 *   ED_ECONSTRAINT, ED_EVALUE, ED_ESERIAL, ED_EFORBIDDEN, ED_EBADREQ,
 *   ED_ETIMEOUT, ED_ESQL
 *                  the server refused it; which SQLSTATE is which: docs/pg.md
 *   ED_ENOMEM      the rows do not fit into the arena
 *   ED_ECANCELED, ED_ETIMEOUT
 */
#define ed_pg_query(db, rows, sql, ...) \
    ed_pg_query_((db), (rows), (sql), ED_PG_LIST_(__VA_ARGS__))
ED_API ED_CHECK int ed_pg_query_(ed_pg *db, ed_rows **rows, const char *sql,
                                 const struct ed_pg_param *params);

/* The same for exactly one row, at which *rows stands: ED_ENOTFOUND when there
 * is none, ED_EUSAGE when there are more. */
#define ed_pg_row(db, rows, sql, ...) \
    ed_pg_row_((db), (rows), (sql), ED_PG_LIST_(__VA_ARGS__))
ED_API ED_CHECK int ed_pg_row_(ed_pg *db, ed_rows **rows, const char *sql,
                               const struct ed_pg_param *params);

/* The same for who does not want the rows: returns how many were changed (or
 * found), at most INT_MAX, or an error. */
#define ed_pg_exec(db, sql, ...) \
    ed_pg_exec_((db), (sql), ED_PG_LIST_(__VA_ARGS__))
ED_API int ed_pg_exec_(ed_pg *db, const char *sql,
                       const struct ed_pg_param *params);

/*
 * Runs one statement for each of `count` sets of parameters, all or nothing:
 * in one transaction, and in one go, sent while the server works. `next` is
 * called for each and fills `values`, `width` of them in the order of the
 * statement's names or positions; what it points to must stay until its next
 * call. An error of it ends the whole. `next` must not suspend.
 *
 * Suspends. Returns how many rows were changed in all, at most INT_MAX, or an
 * error as of ed_pg_query(), with ed_error() naming which set it was.
 */
typedef int ed_pg_next_fn(void *arg, size_t index, struct ed_pg_value *values);
ED_API int ed_pg_exec_many(ed_pg *db, const char *sql, size_t width,
                           size_t count, ed_pg_next_fn *next, void *arg);

/*
 * Runs a text of several statements, without parameters, as psql would: in one
 * transaction unless it has its own. Their rows are dropped.
 *
 * Suspends. Returns 0 or an error as of ed_pg_query(); ed_pg_error() has the
 * position in the whole text.
 */
ED_API ED_CHECK int ed_pg_script(ed_pg *db, const char *sql);

/*
 * As ed_pg_query(), for results too large to have at once: rows come one by
 * one, and ed_rows_next() suspends. A connection is held until the last row,
 * ed_rows_error() being other than 0, or ed_rows_close(), which the caller must
 * see to:
 *
 *     ed_rows *rows ED_ROWS_AUTO = NULL;
 *     int err = ed_pg_stream(db, &rows, "select ...");
 *
 * The server waits while the rows are not read, so memory stays bounded.
 */
#define ed_pg_stream(db, rows, sql, ...) \
    ed_pg_stream_((db), (rows), (sql), ED_PG_LIST_(__VA_ARGS__))
ED_API ED_CHECK int ed_pg_stream_(ed_pg *db, ed_rows **rows, const char *sql,
                                  const struct ed_pg_param *params);

/* ---- transactions and sessions ---- */

enum ed_pg_isolation {
    ED_PG_DEFAULT, /* the server's, usually read committed */
    ED_PG_READ_COMMITTED,
    ED_PG_REPEATABLE_READ,
    ED_PG_SERIALIZABLE,
};

struct ed_pg_tx_options {
    size_t size;
    enum ed_pg_isolation isolation;
    bool read_only;
    bool deferrable; /* serializable and read-only ones wait for a snapshot that
                        cannot conflict */
};

struct ed_pg_store {
    void *private_words[16];
};

/*
 * Declares `ed_pg *name`, a transaction that is rolled back when the enclosing
 * block is left, unless it was committed:
 *
 *     ed_pg_transaction(tx, db, .isolation = ED_PG_SERIALIZABLE);
 *     int n = ed_pg_exec(tx, "update accounts set ...");
 *     if (n < 0)
 *         return n;
 *     return ed_pg_commit(tx);
 *
 * In a transaction it is a savepoint; options are then ED_EUSAGE at its first
 * statement, and so are more than 16 in each other, a second one beside one
 * that is open, and a statement of the fiber that has a stream or copy open.
 * While one is open the outer may still be used; but as it is the same
 * connection, what is done there belongs to the savepoint as well.
 *
 * Statements of one transaction run in the order they are made, be it by
 * several fibers; one that fails makes those after it fail with ED_ESQL until
 * it is rolled back to a savepoint or ended. So does one that was given up, for
 * being cancelled or late, and a COMMIT or ROLLBACK by hand.
 *
 * A connection is taken, and the transaction begun, with the first statement,
 * whose errors may be those of either. Declaring does not suspend; nor does
 * leaving, the rollback being seen to in the background. Fibers only.
 */
#define ed_pg_transaction(name, db, ...)                         \
    struct ed_pg_store name##_store_;                            \
    ed_pg *name __attribute__((cleanup(ed_pg_leave_), unused)) = \
        ed_pg_begin_(&name##_store_, (db),                       \
                     ED_OPTIONS(struct ed_pg_tx_options, __VA_ARGS__))

/*
 * Commits, or releases a savepoint. Nothing can be run in it afterwards
 * (ED_EUSAGE). One without any statement is not even begun.
 *
 * Suspends. Returns 0, or an error as of ed_pg_query(), the transaction then
 * being rolled back: ED_ESERIAL when it is to be tried again, ED_ESQL when a
 * statement of it had failed. Only after ED_EUNCERTAIN, ED_ECANCELED and
 * ED_ETIMEOUT it may have been committed all the same.
 */
ED_API ED_CHECK int ed_pg_commit(ed_pg *tx);

/* Rolls back, to the savepoint or all of it. As ed_pg_commit(), but a lost
 * connection is no error: the server rolls back by itself. Suspends. */
ED_API int ed_pg_rollback(ed_pg *tx);

/*
 * Declares `ed_pg *name`, a connection that is the enclosing block's alone, for
 * what a server keeps by session: temporary tables, advisory locks, SET. It is
 * taken with the first statement. When the block is left an open transaction is
 * rolled back and the session reset, in the background, and the connection
 * given back: as by DISCARD ALL, but prepared statements stay. Not in a
 * transaction or another session (ED_EUSAGE at its first statement).
 */
#define ed_pg_session(name, db)                                  \
    struct ed_pg_store name##_store_;                            \
    ed_pg *name __attribute__((cleanup(ed_pg_leave_), unused)) = \
        ed_pg_session_(&name##_store_, (db))

ED_API ed_pg *ed_pg_begin_(struct ed_pg_store *store, ed_pg *db,
                           const struct ed_pg_tx_options *options);
ED_API ed_pg *ed_pg_session_(struct ed_pg_store *store, ed_pg *db);
ED_API void ed_pg_leave_(ed_pg **db);

/*
 * Runs fn(tx, arg) in a transaction and commits; when it has to be tried again
 * (ED_ESERIAL), all of it is, at most `attempts` times (0: 3), with a growing
 * random pause. Suspends. Returns what fn does, if negative, or what
 * ed_pg_commit() does.
 */
typedef int ed_pg_tx_fn(ed_pg *tx, void *arg);
#define ed_pg_transact(db, fn, arg, attempts, ...) \
    ed_pg_transact_((db), (fn), (arg), (attempts), \
                    ED_OPTIONS(struct ed_pg_tx_options, __VA_ARGS__))
ED_API ED_CHECK int ed_pg_transact_(ed_pg *db, ed_pg_tx_fn *fn, void *arg,
                                    unsigned attempts,
                                    const struct ed_pg_tx_options *options);

/* ---- what the server said ---- */

/* Its words for the fiber's last statement that failed. Texts are "" where
 * there is none, and valid as long as the fiber's arena. */
struct ed_pg_error {
    char sqlstate[6]; /* such as "23505"; "" when the server said nothing */
    const char *severity;
    const char *message;
    const char *detail;
    const char *hint;
    const char *context;
    const char *schema;
    const char *table;
    const char *column;
    const char *type;
    const char *constraint;
    /* Where in the statement, as it was written by the program, counted in
     * characters from 1; 0: nowhere. */
    unsigned position;
};

/* Never NULL; all empty when no statement of this fiber failed. A failure that
 * ed_wait() returns was another fiber's. */
ED_API const struct ed_pg_error *ed_pg_error(void);

ED_END_DECLS
#endif
