/*
 * runtime.h - what libeddy-patch.so and the library agree on.
 *
 * The functions named as libc's lie in libeddy-patch.so (preload/), and do
 * nothing but choose: the plain function, or in a fiber the library's. The
 * library (the rest of this room) has the cooperative ones. It looks for
 * libeddy-patch.so when it is loaded, by the name of ed_patch_attach_(), so it
 * does not matter in which of its two shapes the library is there, and both
 * may be.
 */
#ifndef EDDY_PATCH_RUNTIME_H
#define EDDY_PATCH_RUNTIME_H

#include <eddy/api.h>

#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

struct epoll_event; /* its header is the loop's alone */

/* A function each: the plain ones of libc, or the cooperative ones. */
struct ed_patch_calls {
#define PATCH_CALL(result, name, parameters, arguments) \
    result(*name) parameters;
#include "patch/calls.def"
#undef PATCH_CALL
};

/* The version, and all names in their order: what both sides must agree on. */
#define PATCH_CALL(result, name, parameters, arguments) " " #name
static const char ed_patch_contract[] = ED_VERSION
#include "patch/calls.def"
    ;
#undef PATCH_CALL

/* One copy of the library in the process. */
struct ed_patch_runtime {
    const char *contract;
    /* Whether the caller is a fiber of this copy, and its calls are to be
     * replaced. */
    bool (*here)(void);
    const struct ed_patch_calls *calls;
    /* Who is no fiber has signalled at that address. */
    void (*signalled)(const void *address);
    struct ed_patch_runtime *next; /* libeddy-patch.so's own */
};

/* Of libeddy-patch.so: has the calls made in the runtime's fibers go to it,
 * from now on and for ever. Returns the plain functions, NULL when the two do
 * not belong together. Any thread. */
typedef const struct ed_patch_calls *ed_patch_attach_fn(
    struct ed_patch_runtime *runtime);
#define ED_PATCH_ATTACH "ed_patch_attach_"

#endif
