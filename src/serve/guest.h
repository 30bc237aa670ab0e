/*
 * guest.h - code of another language that handles requests in a worker, on
 * threads of its own: what it asks of the worker, and what the worker asks of
 * it.
 *
 * For modules that are built with the command and are of its version. The
 * functions are visible to them, and are nobody else's: they are not part of
 * the library's interface.
 */
#ifndef EDDY_SERVE_GUEST_H
#define EDDY_SERVE_GUEST_H

#include <eddy/http.h>
#include "core/runtime.h"

/* ---- what the worker asks ---- */

typedef void ed_guest_frame_fn(void *arg, const char *function,
                               const char *file, int line);

struct ed_guest {
    const char *name; /* of the language: "Python" */

    /* Whether the request waits for its turn, and what becomes of it just now,
     * for people: a literal. On the loop's thread. */
    bool (*in_line)(void *work);
    const char *(*state)(void *work);

    /* Holds the work beyond the end of its request, and gives it back. On the
     * loop's thread. */
    void (*hold)(void *work);
    void (*release)(void *work);

    /* Tells where its thread is, the innermost frame first; nothing when none
     * works on it. On another thread, while it is held. May block. */
    void (*frames)(void *work, ed_guest_frame_fn *fn, void *arg);
};

/* Says that a guest works on the request, or with `work` NULL that it does no
 * longer. 0 or ED_ENOMEM. */
ED_API ED_CHECK int ed_guest_works(ed_req *req, const struct ed_guest *guest,
                                   void *work);

/* The guest that works on it, and its work; NULL: none. */
const struct ed_guest *ed_guest_of(const ed_req *req, void **work);

/* ---- what a guest asks ---- */

/* So many more requests wait in the guest's line than it said before, or fewer,
 * if negative; and this one has waited so long: counted and shown as those of
 * the worker's own line are. */
ED_API void ed_guest_line(ed_req *req, int more);
ED_API void ed_guest_waited(ed_req *req, int64_t waited);

/* Replies 503 with a Retry-After of `wait` and a little more, and counts it.
 * What replying returns. */
ED_API int ed_guest_send_away(ed_req *req, int64_t wait);

/* The words behind the status in the head of the reply, where the version has
 * a place for them; the usual ones without it. Copied. 0, ED_ENOMEM, or
 * ED_EUSAGE when they cannot stand there. */
ED_API ED_CHECK int ed_guest_reason(ed_req *req, int status,
                                    const char *reason);

/* Has deferred->run(deferred) called in the loop when all that is there to be
 * done in this turn is done: what is handed over to threads then costs them one
 * waking. Asked for again meanwhile, it is called once. On the loop's thread.
 */
ED_API void ed_guest_defer(struct ed_deferred *deferred);

/* The calling thread, which is the guest's, works for the request of that id:
 * lines of the log say so. Borrowed until the next call; NULL: for none. */
ED_API void ed_guest_log_id(const char *id);

/* The address the request came in at, as text; "" when it is not known. */
ED_API void ed_guest_local(const ed_req *req, char out[ED_ADDR_TEXT]);

/* Calls fn(arg), which looks at what may go away meanwhile: it only reads, and
 * holds nothing. False: it faulted, and was left there. Any thread. */
ED_API bool ed_guest_try(void (*fn)(void *arg), void *arg);

#endif
