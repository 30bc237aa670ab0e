/*
 * loop.h - reaching a loop from other threads.
 */
#ifndef EDDY_LOOP_H
#define EDDY_LOOP_H

#include <eddy/api.h>

ED_BEGIN_DECLS

typedef struct ed_loop ed_loop;

/* This thread's loop, or NULL. */
ED_API ed_loop *ed_loop_current(void);

/* A piece of work for a loop; embedded in what it is about. */
struct ed_post {
    void (*run)(struct ed_post *post);
    struct ed_post *next;
};

/*
 * Has the loop call post->run(post), on the loop's own stack, soon. Posts of
 * one thread run in their order. `post` must stay until it has run; run may
 * free it. run must not suspend.
 *
 * Any thread, and signal handlers. The loop must still be running, which the
 * caller sees to.
 */
ED_API void ed_loop_post(ed_loop *loop, struct ed_post *post);

ED_END_DECLS
#endif
