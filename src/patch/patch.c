/*
 * patch.c - finding libeddy-patch.so, and what the patch is to do.
 *
 * Owns the mode, which is the process's, and the table of cooperative
 * functions. The program's calls begin to come here when ed_patch_attach_()
 * was found; that happens as the library is loaded, before any loop runs.
 */
#include "patch/patch.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <eddy/log.h>
#include "base/calls.h"
#include "core/runtime.h"

const struct ed_patch_calls *ed_plain;
const void *ed_patch_door;

enum { FAILURES = 32 };             /* in a row, before others may run */
static const int64_t PAUSE = ED_MS; /* lest it take all of a processor */

static _Atomic int mode = ED_PATCH_OFF;

static const struct ed_patch_calls cooperative = {
#define PATCH_CALL(result, name, parameters, arguments) .name = ed_patch_##name,
#include "patch/calls.def"
#undef PATCH_CALL
};

static bool here(void)
{
    const ed_fiber *fiber = ed_fiber_self();

    return fiber && !fiber->plain_calls &&
           atomic_load_explicit(&mode, memory_order_relaxed) != ED_PATCH_OFF;
}

static struct ed_patch_runtime runtime = {
    .contract = ed_patch_contract,
    .here = here,
    .calls = &cooperative,
    .signalled = ed_patch_ring,
};

bool ed_patch_in_child(void)
{
    return getpid() != ed_loop_process(ed_loop_current());
}

/* ---- the mode ---- */

enum ed_patch_mode ed_patch_mode(void)
{
    return atomic_load_explicit(&mode, memory_order_relaxed);
}

int ed_patch_set_mode(enum ed_patch_mode asked)
{
    if (asked > ED_PATCH_REPORT)
        return ED_EUSAGE;
    if (!ed_plain && asked != ED_PATCH_OFF)
        return -ENOENT;
    atomic_store_explicit(&mode, asked, memory_order_relaxed);
    return 0;
}

bool ed_patch_fiber(bool on)
{
    ed_fiber *fiber = ed_fiber_self();

    if (!fiber)
        return false;
    bool was = !fiber->plain_calls;
    fiber->plain_calls = !on;
    return was;
}

static enum ed_patch_mode mode_of_environment(void)
{
    static const char *const names[] = {
        [ED_PATCH_OFF] = "off",
        [ED_PATCH_ON] = "on",
        [ED_PATCH_REPORT] = "report",
    };
    const char *text = getenv("EDDY_PATCH");

    if (!text || !*text)
        return ED_PATCH_ON;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!strcmp(text, names[i]))
            return (enum ed_patch_mode)i;
    }
    ed_log_warn("EDDY_PATCH: unknown mode '%s' (on, off or report)", text);
    return ED_PATCH_ON;
}

/* ---- attaching ---- */

/* Our own calls go past the patch; see base/calls.h. */
static void keep_own_calls(void)
{
    ed_calls = (struct ed_calls){
        .read = ed_plain->read,
        .write = ed_plain->write,
        .readv = ed_plain->readv,
        .writev = ed_plain->writev,
        .recv = ed_plain->recv,
        .send = ed_plain->send,
        .sendmsg = ed_plain->sendmsg,
        .sem_wait = ed_plain->sem_wait,
        .sem_clockwait = ed_plain->sem_clockwait,
        .waitpid = ed_plain->waitpid,
    };
}

/* The loop, and what epoll knows of it, stay the parent's. A child that waited
 * as a fiber does would run the parent's fibers; one that goes on with them (a
 * daemon) may. */
static void forked(void)
{
    ed_loop *loop = ed_loop_current();

    if (loop)
        ed_loop_forked(loop);
    (void)ed_patch_fiber(false);
    ed_patch_ears_forget();
}

/* In a program that has the patch linked in or preloaded the name is known to
 * the dynamic linker; in any other it is not, and nothing changes. */
__attribute__((constructor)) static void attach(void)
{
    ed_patch_attach_fn *found =
        (ed_patch_attach_fn *)dlsym(RTLD_DEFAULT, ED_PATCH_ATTACH);

    if (!found)
        return;
    ed_plain = found(&runtime);
    if (!ed_plain) {
        ed_log_warn("libeddy-patch.so is not of this version (%s): unused",
                    ED_VERSION);
        return;
    }
    ed_patch_door = found;
    if (pthread_atfork(NULL, NULL, forked))
        return;
    keep_own_calls();
    atomic_store_explicit(&mode, mode_of_environment(), memory_order_relaxed);
}

/* ---- errors ---- */

int ed_patch_errno(int err)
{
    switch (err) {
    case ED_ECANCELED:
        return ECANCELED;
    case ED_ETIMEOUT:
        return ETIMEDOUT;
    case ED_ENOMEM:
        return ENOMEM;
    default:
        return err < 0 && err > -4096 ? -err : EIO;
    }
}

/* In a fiber that is cancelled nothing waits any more, and a library may try
 * again until it succeeds: it is not to keep all others from running. */
static void give_way(void)
{
    static _Thread_local struct ed_patch_queue pausing;
    static _Thread_local const ed_fiber *last;
    static _Thread_local unsigned failures;

    if (last != ed_fiber_self())
        failures = 0;
    last = ed_fiber_self();
    if (ed_cancelled() && ++failures % FAILURES == 0 && !ed_patch_in_child())
        (void)ed_patch_queue_wait(&pausing, "its turn", NULL,
                                  ed_patch_until(PAUSE));
}

int ed_patch_fail(int err)
{
    give_way();
    errno = ed_patch_errno(err);
    return -1;
}
