/*
 * signal.h - signals of the system as something to wait for.
 *
 *     ed_signals *signals ED_SIGNALS_AUTO = NULL;
 *     int signo;
 *     int err = ed_signals_open(&signals, SIGTERM, SIGINT);
 *     while (!err && !(err = ed_signals_next(signals, &signo)))
 *         drain();
 *
 * The signals are blocked in the calling thread while they are waited for,
 * and no handler runs. A signal sent to the process goes to any thread that
 * does not block it: open them before starting threads of your own, which
 * then inherit the mask. Eddy's threads block all signals, and the programs it
 * starts none.
 */
#ifndef EDDY_SIGNAL_H
#define EDDY_SIGNAL_H

#include <eddy/api.h>

ED_BEGIN_DECLS

typedef struct ed_signals ed_signals;

/*
 * Begins to receive the signals named. They must be closed by the thread that
 * opened them. Does not suspend. Returns 0, or
 *   -EINVAL   no signal, one that cannot be caught, or one that a fault
 *             raises (SIGSEGV, SIGBUS, SIGFPE, SIGILL)
 *   -EBUSY    this thread receives one of them elsewhere
 *   ED_ENOMEM, -EMFILE
 */
#define ed_signals_open(out, ...) ed_signals_open_((out), __VA_ARGS__, 0)
ED_API ED_CHECK int ed_signals_open_(ed_signals **out, ...);

/* Waits for the next one; several of a kind sent in quick succession may
 * arrive as one. Suspends. Returns 0, ED_ECANCELED or ED_ETIMEOUT. */
ED_API ED_CHECK int ed_signals_next(ed_signals *signals, int *signo);

/* Stops receiving and gives the thread the signal mask it had. What has
 * arrived and was not asked for is dropped. NULL is allowed. Does not
 * suspend. */
ED_API void ed_signals_close(ed_signals *signals);

/* For `cleanup`, as above. */
static inline void ed_signals_close_(ed_signals **signals)
{
    ed_signals_close(*signals);
}
#define ED_SIGNALS_AUTO __attribute__((cleanup(ed_signals_close_)))

ED_END_DECLS
#endif
