/*
 * preload.c - libeddy-patch.so: the calls of libc, and who they are for.
 *
 * Owns the names. Each is looked up once in what comes behind this library,
 * before main(), or at the first call if that is earlier still. A call outside
 * of fibers costs a look at whether the process has a loop at all, and if so
 * whether this thread runs a fiber now.
 */
#include "patch/runtime.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <unistd.h>

static struct ed_patch_calls plain;
static _Atomic bool looked_up;
static _Atomic(struct ed_patch_runtime *) runtimes;

/* ---- the plain functions ---- */

/* RTLD_NEXT gives the oldest of several versions. Of conditions that is one of
 * a different layout, where there are two. */
static void *next(const char *name)
{
#if defined(__x86_64__) || defined(__i386__)
    static const char conditions[] = "pthread_cond_";
    void *found = NULL;

    if (!strncmp(name, conditions, sizeof conditions - 1))
        found = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
    if (found)
        return found;
#endif
    return dlsym(RTLD_NEXT, name);
}

/* Several threads may come here at once, and find the same. So may an allocator
 * that takes its first lock, with it still held: nothing here allocates, unless
 * a name is not found, and then what it needs is there already. */
__attribute__((constructor)) static void look_up(void)
{
    static _Thread_local bool looking;

    if (looking || atomic_load_explicit(&looked_up, memory_order_acquire))
        return;
    looking = true;
#define PATCH_CALL(result, name, parameters, arguments) \
    *(void **)&plain.name = next(#name);
#include "patch/calls.def"
#undef PATCH_CALL
    looking = false;
    atomic_store_explicit(&looked_up, true, memory_order_release);
}

static inline const struct ed_patch_calls *plain_calls(void)
{
    if (!atomic_load_explicit(&looked_up, memory_order_acquire))
        look_up();
    return &plain;
}

/* ---- the library ---- */

/* It stays loaded: its functions may be running whenever it is not asked. */
static void keep(const void *in_it)
{
    Dl_info info;

    if (dladdr(in_it, &info))
        (void)dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

ED_API ed_patch_attach_fn ed_patch_attach_;
const struct ed_patch_calls *ed_patch_attach_(struct ed_patch_runtime *runtime)
{
    if (strcmp(runtime->contract, ed_patch_contract) != 0)
        return NULL;
    const struct ed_patch_calls *calls = plain_calls();
    keep(runtime);
    runtime->next = atomic_load_explicit(&runtimes, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&runtimes, &runtime->next,
                                                  runtime, memory_order_release,
                                                  memory_order_relaxed))
        ;
    return calls;
}

/* What the call is to be: the cooperative function in a fiber, elsewhere the
 * plain one. */
static inline const struct ed_patch_calls *calls_here(void)
{
    const struct ed_patch_runtime *r =
        atomic_load_explicit(&runtimes, memory_order_acquire);

    for (; r; r = r->next) {
        if (r->here())
            return r->calls;
    }
    return plain_calls();
}

/* Fibers that wait for what was signalled by who is none. A call of theirs
 * tells the others itself. */
static void tell_fibers(const void *address)
{
    const struct ed_patch_runtime *r =
        atomic_load_explicit(&runtimes, memory_order_acquire);

    for (; r; r = r->next)
        r->signalled(address);
}

/* ---- the calls ---- */

#define PATCH_CALL(result, name, parameters, arguments) \
    ED_API result name parameters                       \
    {                                                   \
        return calls_here()->name arguments;            \
    }
#define PATCH_SIGNAL(name, parameters, arguments)          \
    ED_API int name parameters                             \
    {                                                      \
        const struct ed_patch_calls *calls = calls_here(); \
        int result = calls->name arguments;                \
        if (calls == &plain && !result)                    \
            tell_fibers arguments;                         \
        return result;                                     \
    }
#include "patch/calls.def"
#undef PATCH_CALL

/* ---- what programs with large files call one ---- */

_Static_assert(sizeof(off_t) == sizeof(off64_t), "two functions, not one");

ED_API int lockf64(int fd, int how, off64_t len)
{
    return calls_here()->lockf(fd, how, len);
}

ED_API ssize_t sendfile64(int to, int from, off64_t *offset, size_t len)
{
    return calls_here()->sendfile(to, from, offset, len);
}

/* ---- libc's other names for some, by which older libraries call them ---- */

#define ALIAS(result, alias, name, parameters, arguments) \
    ED_API result alias parameters;                       \
    result alias parameters                               \
    {                                                     \
        return calls_here()->name arguments;              \
    }
ALIAS(ssize_t, __read, read, (int fd, void *buf, size_t len), (fd, buf, len))
ALIAS(ssize_t, __write, write, (int fd, const void *buf, size_t len),
      (fd, buf, len))
ALIAS(ssize_t, __send, send, (int fd, const void *buf, size_t len, int flags),
      (fd, buf, len, flags))
ALIAS(int, __connect, connect,
      (int fd, const struct sockaddr *to, socklen_t len), (fd, to, len))
ALIAS(int, __close, close, (int fd), (fd))
ALIAS(int, __dup2, dup2, (int from, int to), (from, to))
ALIAS(int, __poll, poll, (struct pollfd * fds, nfds_t count, int timeout),
      (fds, count, timeout))
ALIAS(int, __select, select,
      (int count, fd_set *in, fd_set *out, fd_set *urgent,
       struct timeval *timeout),
      (count, in, out, urgent, timeout))
ALIAS(int, __nanosleep, nanosleep,
      (const struct timespec *time, struct timespec *left), (time, left))
ALIAS(int, __sched_yield, sched_yield, (void), ())
ALIAS(pid_t, __wait, wait, (int *status), (status))
ALIAS(pid_t, __waitpid, waitpid, (pid_t child, int *status, int options),
      (child, status, options))
ALIAS(int, __pthread_mutex_lock, pthread_mutex_lock, (pthread_mutex_t * mutex),
      (mutex))
ALIAS(int, __pthread_mutex_trylock, pthread_mutex_trylock,
      (pthread_mutex_t * mutex), (mutex))
ALIAS(int, __pthread_mutex_unlock, pthread_mutex_unlock,
      (pthread_mutex_t * mutex), (mutex))
ALIAS(int, __pthread_rwlock_rdlock, pthread_rwlock_rdlock,
      (pthread_rwlock_t * lock), (lock))
ALIAS(int, __pthread_rwlock_wrlock, pthread_rwlock_wrlock,
      (pthread_rwlock_t * lock), (lock))
ALIAS(int, __pthread_rwlock_tryrdlock, pthread_rwlock_tryrdlock,
      (pthread_rwlock_t * lock), (lock))
ALIAS(int, __pthread_rwlock_trywrlock, pthread_rwlock_trywrlock,
      (pthread_rwlock_t * lock), (lock))
ALIAS(int, __pthread_rwlock_unlock, pthread_rwlock_unlock,
      (pthread_rwlock_t * lock), (lock))
#undef ALIAS

/* ---- what _FORTIFY_SOURCE makes of some ---- */

__attribute__((noreturn)) void __chk_fail(void);

static void check(size_t len, size_t room)
{
    if (len > room)
        __chk_fail();
}

ED_API ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
    check(len, room);
    return calls_here()->read(fd, buf, len);
}

ED_API ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room,
                          int flags);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
    check(len, room);
    return calls_here()->recv(fd, buf, len, flags);
}

ED_API ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room,
                              int flags, struct sockaddr *from,
                              socklen_t *from_len);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags,
                       struct sockaddr *from, socklen_t *from_len)
{
    check(len, room);
    return calls_here()->recvfrom(fd, buf, len, flags, from, from_len);
}

ED_API int __poll_chk(struct pollfd *fds, nfds_t count, int timeout,
                      size_t room);
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room)
{
    check(count, room / sizeof *fds);
    return calls_here()->poll(fds, count, timeout);
}

ED_API int __ppoll_chk(struct pollfd *fds, nfds_t count,
                       const struct timespec *timeout, const sigset_t *mask,
                       size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t count,
                const struct timespec *timeout, const sigset_t *mask,
                size_t room)
{
    check(count, room / sizeof *fds);
    return calls_here()->ppoll(fds, count, timeout, mask);
}
