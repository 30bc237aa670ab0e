/*
 * offload.h - many calls at once from programs that stay synchronous.
 *
 * A loop in a background thread, started when it is first needed. Any thread
 * hands it work and gets a ticket, a handle of a result to come:
 *
 *     ed_ticket *user = ed_offload_fetch("http://users.local/42");
 *     ed_ticket *shop = ed_offload_fetch("http://shops.local/7",
 *                                        .timeout = 2 * ED_S);
 *     ...                                          // both are under way
 *     if (ed_ticket_wait(user, 3 * ED_S) == 0)
 *         puts(ed_res_text(ed_ticket_res(user)));
 *     ed_ticket_free(user);
 *     ed_ticket_free(shop);                        // it goes on
 *
 * The work runs in fibers of that loop: a fetch, a query, or any function that
 * waits by what "Suspends". It is one thread for all of it, name resolution
 * included; only what uses ed_blocking(), such as sending a file, has more.
 * That thread blocks all signals but those of faults, installs no handler,
 * touches no mask but its own, and reaps no child but those started there.
 *
 * Limits of time are nanoseconds from now: 0 does not wait at all, a negative
 * one waits for as long as it takes.
 *
 * Fork: a process may fork at any time, from any thread. In the child, tickets
 * that were not done fail with ED_EFORKED, those that were keep their results,
 * and a loop of its own is started when needed. What the parent has under way
 * is the parent's: the child closes what it inherited of its connections (of a
 * host's loop those that were opened since it was adopted), and does not call
 * its callbacks. A child made on the loop's own thread may use
 * all this as well, but must end there, and not return into the loop.
 *
 * Exit: exit() cancels what is under way, and waits for a second at most.
 *
 * Any thread, but where something else is said. Nothing here suspends. A thread
 * that waits here is not cancelled (pthread_cancel()) before the wait ends.
 */
#ifndef EDDY_OFFLOAD_H
#define EDDY_OFFLOAD_H

#include <eddy/api.h>
#include <eddy/arena.h>
#include <eddy/bytes.h>
#include <eddy/client.h>
#include <eddy/error.h>
#include <eddy/fiber.h>
#include <eddy/loop.h>

ED_BEGIN_DECLS

/* A result to come. Counted references; any thread. */
typedef struct ed_ticket ed_ticket;

/* ---- handing over work ---- */

/*
 * What is run in a fiber of the loop. It returns 0 or a positive number for
 * success, or an error, with ed_fail() for its text, and stores its value, if
 * it has one. `arena` is the ticket's, and the fiber's: what lies there lives
 * as long as the ticket. It must not block: ed_blocking() is for that.
 */
typedef int ed_offload_fn(void *arg, ed_arena *arena, void **value);

struct ed_offload_options {
    size_t size;
    /* The longest the work may take, from the call; 0: no limit. Then it is
     * cancelled, and fails with ED_ETIMEOUT. */
    int64_t within;
    const char *name;  /* in failures and trees; NULL: the function's. Copied */
    const char *place; /* where the call is; NULL: file and line. Copied */
    size_t max_bytes;  /* of the ticket's arena; 0: no limit */
    /* Called with `arg` once, when the work has ended or is given up: on the
     * loop's thread, or on this one when the call is refused. */
    void (*free_arg)(void *arg);
    /* Called with a value that is not NULL when the last reference to the
     * ticket is dropped, on the thread that drops it. */
    void (*free_value)(void *value);
    /* The value lives on the loop, as clients and pools do: it may be used
     * only by what runs there, and .free_value is called there, when the last
     * reference is dropped or the loop stops, whichever is first. From then
     * on, and in the child of a fork, ed_ticket_value() is NULL. */
    bool at_home;
    /* Of such a value: whoever uses it makes it again when it is gone, and
     * misses nothing then. Is only counted: a host that would like to adopt
     * another loop sees that it may stop this one. */
    bool remade;
};

/*
 * Has fn(arg) run in a fiber of the loop, which is started if there is none.
 * Calls of one thread begin in their order. `arg` is borrowed until the ticket
 * is done, unless .free_arg takes it.
 *
 * Returns a ticket, always, but for NULL without memory (which every function
 * below takes for a ticket that failed with ED_ENOMEM). A call that is refused
 * gives one that has failed already:
 *   ED_ESTOPPED   ed_offload_stop() was called, or the process is at its end
 *   ED_ELIMIT     ED_OFFLOAD_PENDING calls are under way (or .max_pending)
 *   ED_ENOMEM, -EAGAIN, -EMFILE, ...   the loop could not be started
 */
#define ed_offload(fn, arg, ...)                \
    ed_offload_at_((fn), (arg), #fn, ED_PLACE_, \
                   ED_OPTIONS(struct ed_offload_options, __VA_ARGS__))
ED_API ed_ticket *ed_offload_at_(ed_offload_fn *fn, void *arg, const char *name,
                                 const char *place,
                                 const struct ed_offload_options *options);

#define ED_OFFLOAD_PENDING 100000

/*
 * Fetches, with the options of ed_fetch() (client.h). URL, fields, texts and
 * the body's bytes are copied; `form`, `client`, `send_arg` are borrowed until
 * the ticket is done, and used on the loop's thread. `.timeout` bounds the
 * fetch from now on. The value is an ed_res, which lives as long as the ticket
 * and may be read by any thread, one at a time. Refused as ed_offload() is;
 * fails as ed_fetch() does.
 *
 * ed_offload_fetch_by() uses the client that another ticket stands for, one of
 * ed_offload_client(), which is kept until the fetch has ended. It may not be
 * ready yet; if it has failed, so does the fetch.
 */
#define ed_offload_fetch(url, ...) ed_offload_fetch_by(NULL, (url), __VA_ARGS__)
#define ed_offload_fetch_by(client, url, ...)        \
    ed_offload_fetch_at_((client), (url), ED_PLACE_, \
                         ED_OPTIONS(struct ed_fetch_options, __VA_ARGS__))
ED_API ed_ticket *ed_offload_fetch_at_(ed_ticket *client, const char *url,
                                       const char *place,
                                       const struct ed_fetch_options *options);

/* A client with connections and policies of its own, for
 * ed_offload_fetch_by(). The options are those of ed_client_new(), their texts
 * are copied; `jar`, `tls` and `hook_arg` are borrowed until the client is
 * closed: when the last ticket that uses it is gone, or the loop stops. */
#define ed_offload_client(...)       \
    ed_offload_client_at_(ED_PLACE_, \
                          ED_OPTIONS(struct ed_client_options, __VA_ARGS__))
ED_API ed_ticket *ed_offload_client_at_(
    const char *place, const struct ed_client_options *options);

/*
 * Reads on from the body of a fetch that was made with `.stream`: gives a
 * ticket whose value is a `struct ed_bytes` of at most `len` bytes, of length
 * 0 at the end of the body. One read of a body at a time. Fails as
 * ed_res_read() does, or with ED_EUSAGE when the fetch is not done, failed, or
 * streams nothing. The streamed response is closed with the last of these
 * tickets.
 */
#define ed_offload_read(fetched, len) \
    ed_offload_read_at_((fetched), (len), ED_PLACE_)
ED_API ed_ticket *ed_offload_read_at_(ed_ticket *fetched, size_t len,
                                      const char *place);

/* ---- the result ---- */

/* Whether it is done: its result is there, and its work uses nothing any
 * more. In the child of a fork false for what the parent has under way. */
ED_API bool ed_ticket_done(const ed_ticket *ticket);

/*
 * Waits until the ticket is done. Again and again, by any number of threads:
 * each gets the same result. Signal handlers that run meanwhile do not end the
 * wait (ed_tickets_wait() can do that). In a fiber of another loop it blocks
 * that loop.
 *
 * Returns the result of the work, or
 *   ED_ETIMEOUT   ed_ticket_done() is false: the time has passed, and the work
 *                 goes on; it may be waited for again. (Else it is the work's)
 *   -EDEADLK      not done, and this is the loop's own thread
 *   ED_ESTOPPED   the loop was stopped before the end of the work
 *   ED_EFORKED    the process that forked this one has it under way
 *   ED_ENOMEM     ticket is NULL
 */
ED_API int ed_ticket_wait(ed_ticket *ticket, int64_t within);

/* The result, without waiting; ED_EWOULDBLOCK while it is not done. Errors as
 * above. `value` may be NULL. */
ED_API int ed_ticket_result(ed_ticket *ticket, void **value);

/* The value of a ticket that succeeded, borrowed as long as the ticket lives
 * (.at_home: on the loop's thread only); otherwise NULL. */
ED_API void *ed_ticket_value(ed_ticket *ticket);

/* The same, of ed_offload_fetch(), for its type. */
ED_API ed_res *ed_ticket_res(ed_ticket *ticket);

/*
 * What went wrong, for people, with where the work was asked for:
 * "connect to 10.0.0.7:80: connection refused (ED_ECONNECT), of 'fetch' at
 * shop.c:31". NULL while it is not done, and when it succeeded. Valid as long
 * as the ticket. ed_ticket_detail() is the text of ed_error() alone, without
 * place; "" when there is none.
 */
ED_API const char *ed_ticket_failure(ed_ticket *ticket);
ED_API const char *ed_ticket_detail(ed_ticket *ticket);

/* How long the work has taken, from the call to its end; so far, while it is
 * not done. */
ED_API int64_t ed_ticket_elapsed(const ed_ticket *ticket);

/* Which of all tickets it was to be done, counted from 1; 0 while it is not. */
ED_API uint64_t ed_ticket_order(const ed_ticket *ticket);

/*
 * Asks for the work to be cancelled, and does not wait. What waits in it
 * returns ED_ECANCELED; work that has not begun does not begin. It may still
 * succeed, or fail otherwise. Again, or when it is done: does nothing.
 */
ED_API void ed_ticket_cancel(ed_ticket *ticket);

/*
 * Calls fn(ticket, arg) when the ticket is done: on the loop's thread, on its
 * own stack, where it may neither block nor suspend nor wait for tickets; or
 * at once, in the caller, if it is done already. The ticket lives during the
 * call. Several are called in their order. In the child of a fork those of the
 * parent are not called.
 *
 * Returns 0, or ED_ENOMEM, ED_EFORKED or ED_ESTOPPED (the loop was stopped,
 * and the work did not end); it is not called then.
 */
typedef void ed_ticket_fn(ed_ticket *ticket, void *arg);
ED_API ED_CHECK int ed_ticket_on_done(ed_ticket *ticket, ed_ticket_fn *fn,
                                      void *arg);

/*
 * A descriptor that becomes readable when the ticket is done, for poll() and
 * loops of others. The ticket's own: not to be read from or closed.
 * Returns it, or -EMFILE, -ENFILE, -ENOMEM, ED_ENOMEM, ED_EFORKED.
 */
ED_API int ed_ticket_fd(ed_ticket *ticket);

/* Another reference; NULL gives NULL. */
ED_API ed_ticket *ed_ticket_ref(ed_ticket *ticket);

/*
 * Drops a reference. The last one frees the ticket, its arena and its value.
 * The work is not stopped by that. If it fails and nobody has asked for the
 * result, the failure is logged, once; a cancellation that was asked for is
 * not. Of many failures a second some are told by their number. NULL is fine.
 */
ED_API void ed_ticket_free(ed_ticket *ticket);

/* ---- many tickets ---- */

enum ed_tickets_how {
    ED_TICKETS_ALL,   /* all are done, whatever their results */
    ED_TICKETS_ANY,   /* one is done */
    ED_TICKETS_SOUND, /* all have succeeded, or one has failed */
    ED_TICKETS_FIRST, /* one has succeeded, or all have failed */
    /* Added to one of these: a signal handler that was installed without
     * SA_RESTART and runs in this thread meanwhile ends the wait. */
    ED_TICKETS_INTERRUPTIBLE = 1 << 8,
};

/*
 * Waits for many. A NULL counts as a ticket that failed.
 *
 * Returns 0; for _ANY, the index of that which was done first; for _FIRST, the
 * index of the first success; or
 *   for _SOUND and _FIRST, the failure that came first; its tickets know more
 *   ED_ETIMEOUT   the time has passed; everything goes on
 *   -EDEADLK      not all are done, and this is the loop's own thread
 *   -EINTR        a signal handler ran (_INTERRUPTIBLE); everything goes on
 *   ED_ENOMEM     no memory to wait for so many
 *   ED_EUSAGE     count is 0, and one is wanted
 * A failure of the wait itself counts none of the tickets as asked for; what
 * it returned of one does.
 */
ED_API ED_CHECK int ed_tickets_wait(ed_ticket *const *tickets, size_t count,
                                    int how, int64_t within);

/* For all to be done; then 0, or the failure that came first. */
ED_API ED_CHECK int ed_tickets_wait_all(ed_ticket *const *tickets, size_t count,
                                        int64_t within);
/* ED_TICKETS_ANY: an index. */
ED_API ED_CHECK int ed_tickets_wait_any(ed_ticket *const *tickets, size_t count,
                                        int64_t within);

/*
 * Goes through tickets in the order in which they were done, each once:
 *
 *     struct ed_tickets_done it = {.tickets = all, .count = n};
 *     while ((err = ed_tickets_next(&it, 5 * ED_S)) > 0)
 *         use(it.index, ed_ticket_result(all[it.index], NULL));
 *
 * It may be left at any time. A NULL is passed over. Each step looks at all of
 * the tickets.
 */
struct ed_tickets_done {
    ed_ticket *const *tickets;
    size_t count;
    size_t index;       /* of the one just done */
    bool interruptible; /* a step may return -EINTR */
    uint64_t order;     /* of that; private */
};

/* Returns 1 with it->index set, 0 when each was given, or ED_ETIMEOUT,
 * -EDEADLK, -EINTR, ED_ENOMEM or ED_EFORKED, as ed_tickets_wait() does. */
ED_API ED_CHECK int ed_tickets_next(struct ed_tickets_done *it, int64_t within);

/* ---- handles as numbers ---- */

/*
 * Keeps the ticket (a reference of the store's own) and returns a number by
 * which it can be had back, once, by this process and its children: to be put
 * in a session, or a page. Numbers are random, positive, and below 2^53.
 * One that nobody has asked for within ED_OFFLOAD_STASH_TIME is dropped, and a
 * failure nobody asked for is logged then.
 *
 * Returns the number, or ED_ELIMIT (the store is full) or ED_ENOMEM.
 */
ED_API int64_t ed_ticket_stash(ed_ticket *ticket);

/* The ticket of that number, with the store's reference, which is the
 * caller's now; NULL when there is none, or not any more. */
ED_API ed_ticket *ed_ticket_retrieve(int64_t number);

#define ED_OFFLOAD_STASHED    10000
#define ED_OFFLOAD_STASH_TIME (10 * ED_MIN)

/* ---- the loop ---- */

struct ed_offload_start_options {
    size_t size;
    size_t stack_bytes;   /* of each fiber, as for ed_run() */
    unsigned max_pending; /* calls under way; ED_OFFLOAD_PENDING */
    unsigned max_stashed; /* ED_OFFLOAD_STASHED */
    int64_t stash_time;   /* ED_OFFLOAD_STASH_TIME */
};

/*
 * Starts the loop now, or anew after ed_offload_stop(); not needed otherwise.
 * The options hold for this process and its children until the next start. If
 * it runs already, or is adopted, only the limits are taken over.
 *
 * Returns 0, or
 *   ED_ESTOPPED   the process is at its end, or a stop is under way
 *   ED_ENOMEM, -EAGAIN, -EMFILE, ...   it could not be made
 */
#define ed_offload_start(...) \
    ed_offload_start_with(    \
        ED_OPTIONS(struct ed_offload_start_options, __VA_ARGS__))
ED_API int ed_offload_start_with(
    const struct ed_offload_start_options *options);

/*
 * Stops the loop: cancels all work, and waits for the end of its thread. Work
 * that was not finished fails with ED_ESTOPPED, and so do later calls, until
 * ed_offload_start(). Without a loop it only does the latter. A loop that was
 * adopted goes on; its work of ours ends, and is not waited for.
 *
 * Returns 0, or
 *   ED_ETIMEOUT   work did not end in that time; who waits for it gets
 *                 ED_ESTOPPED now, and the thread ends when it can
 *   -EDEADLK      this is the loop's own thread; it stops all the same
 */
ED_API int ed_offload_stop(int64_t within);

/*
 * Says that the calling thread's loop is the one to use, in this process: no
 * thread is started. For hosts that run a loop themselves and have other
 * threads that call from outside. It serves until ed_offload_stop() or until
 * the loop ends; what is under way then fails with ED_ESTOPPED. A child of a
 * fork starts a loop of its own, or adopts another.
 *
 * In the loop or a fiber of it. Returns 0, or
 *   ED_EUSAGE     there is another loop already, or this thread has none
 *   ED_ESTOPPED, ED_ENOMEM
 */
ED_API int ed_offload_adopt(void);

/* Whether the calling thread is that of the loop, where waiting is refused. */
ED_API bool ed_offload_inside(void);

struct ed_offload_counts {
    bool running; /* there is a loop */
    bool adopted;
    uint64_t starts;      /* of loops, in this process and its ancestors */
    uint64_t calls;       /* handed over, since the process began */
    uint64_t wakeups;     /* of a loop that slept, to take them */
    uint64_t uncollected; /* failures that were logged or counted as such */
    size_t pending;       /* under way */
    size_t at_home;       /* values that live on the loop */
    size_t stashed;
    size_t remade; /* of those at home: that would be made again */
};
ED_API void ed_offload_counts(struct ed_offload_counts *counts);

/* ---- one call that blocks ---- */

/*
 * ed_offload_fetch() and ed_ticket_wait() in one, for plain programs:
 *
 *     ed_ticket *page;
 *     if (ed_fetch_blocking(&page, url, .timeout = 2 * ED_S))
 *         fprintf(stderr, "%s\n", ed_ticket_failure(page));
 *     else
 *         puts(ed_res_text(ed_ticket_res(page)));
 *     ed_ticket_free(page);
 *
 * It returns when the fetch has ended: .timeout bounds it. *ticket is to be
 * freed in any case; it is NULL when there was no memory, and for -EDEADLK: on
 * the loop's own thread nothing is begun.
 */
#define ed_fetch_blocking(ticket, url, ...)           \
    ed_fetch_blocking_at_((ticket), (url), ED_PLACE_, \
                          ED_OPTIONS(struct ed_fetch_options, __VA_ARGS__))
ED_API ED_CHECK int ed_fetch_blocking_at_(
    ed_ticket **ticket, const char *url, const char *place,
    const struct ed_fetch_options *options);

/* The same of ed_offload(): .within bounds it. */
#define ed_call_blocking(ticket, fn, arg, ...)                  \
    ed_call_blocking_at_((ticket), (fn), (arg), #fn, ED_PLACE_, \
                         ED_OPTIONS(struct ed_offload_options, __VA_ARGS__))
ED_API ED_CHECK int ed_call_blocking_at_(
    ed_ticket **ticket, ed_offload_fn *fn, void *arg, const char *name,
    const char *place, const struct ed_offload_options *options);

ED_END_DECLS
#endif
