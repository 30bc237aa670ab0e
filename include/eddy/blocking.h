/*
 * blocking.h - functions that block, on threads of their own.
 */
#ifndef EDDY_BLOCKING_H
#define EDDY_BLOCKING_H

#include <eddy/api.h>
#include <eddy/fiber.h>

ED_BEGIN_DECLS

/*
 * Runs fn(arg) on a thread of the process's pool and returns its result. The
 * pool has at most ED_BLOCKING_THREADS threads (ed_blocking_limit() changes
 * it), started when needed; further calls wait their turn.
 *
 * A cancelled call that has not begun is withdrawn. One that has begun cannot
 * be stopped and is waited for, since it borrows `arg`; the result is then
 * fn's own.
 *
 * Suspends. Returns fn's result, or
 *   ED_ECANCELED, ED_ETIMEOUT   withdrawn before it began
 *   ED_ELIMIT                   10,000 calls wait already
 *   -EAGAIN                     no thread could be started
 *   ED_EUSAGE                   not called from a fiber
 */
ED_API int ed_blocking(ed_fn *fn, void *arg);

#define ED_BLOCKING_THREADS 16

/* Sets the most threads the pool may have, from 1 to 1024. Any thread. */
ED_API void ed_blocking_limit(int threads);

ED_END_DECLS
#endif
