/*
 * switch.c - the first frame of a new stack, and the portable switch.
 *
 * Where no assembly exists, or EDDY_UCONTEXT is defined, ed_switch() is made
 * of ucontext calls: some sixty times slower, for two system calls each, but
 * everywhere.
 */
#include "core/switch.h"

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && !defined(EDDY_UCONTEXT)

extern char ed_switch_start[];

void *ed_switch_prepare(void *top, struct ed_switch_home (*entry)(void *arg),
                        void *arg)
{
    /* The ABI wants the stack aligned to 16 at the call in the trampoline,
     * which is where the pointer stands once the frame has been popped. */
    void **frame = (void **)((uintptr_t)top & ~(uintptr_t)15) - 9;
    memset(frame, 0, 9 * sizeof *frame);
    frame[2] = arg;                          /* r13 */
    memcpy(&frame[3], &entry, sizeof entry); /* r12 */
    frame[6] = ed_switch_start;
    return frame;
}

#elif defined(__aarch64__) && !defined(EDDY_UCONTEXT)

extern char ed_switch_start[];

void *ed_switch_prepare(void *top, struct ed_switch_home (*entry)(void *arg),
                        void *arg)
{
    void **frame = (void **)((uintptr_t)top & ~(uintptr_t)15) - 20;
    memset(frame, 0, 20 * sizeof *frame);
    memcpy(&frame[0], &entry, sizeof entry); /* x19 */
    frame[1] = arg;                          /* x20 */
    frame[11] = ed_switch_start;             /* x30 */
    return frame;
}

#else

#include <ucontext.h>

/* The saved pointer of a stack is the address of its context. That of a new
 * stack stands at the stack's top; that of a left one in the frame of the
 * ed_switch() that left it. */
void ed_switch(void **save, void *to)
{
    ucontext_t here;
    *save = &here;
    swapcontext(&here, to);
}

/* makecontext() passes ints; two of them carry the pointer to this. */
struct start {
    ucontext_t context;
    struct ed_switch_home (*entry)(void *arg);
    void *arg;
};

static void enter(unsigned high, unsigned low)
{
    struct start *start =
        (struct start *)(((uintptr_t)high << 16 << 16) | (uintptr_t)low);
    for (;;) {
        struct ed_switch_home home = start->entry(start->arg);
        ed_switch(home.save, home.to);
    }
}

void *ed_switch_prepare(void *top, struct ed_switch_home (*entry)(void *arg),
                        void *arg)
{
    uintptr_t at = ((uintptr_t)top - sizeof(struct start)) & ~(uintptr_t)63;
    struct start *start = (struct start *)at;
    /* What lies below belongs to the stack; makecontext() only looks at its
     * upper end. */
    const size_t any = 8192;
    start->entry = entry;
    start->arg = arg;
    getcontext(&start->context);
    start->context.uc_stack.ss_sp = (char *)at - any;
    start->context.uc_stack.ss_size = any;
    start->context.uc_link = NULL;
    makecontext(&start->context, (void (*)(void))enter, 2,
                (unsigned)(at >> 16 >> 16), (unsigned)at);
    return &start->context;
}

/* What a context holds is not laid out for an unwinder. */
uintptr_t ed_switch_look(void *sp, void (*look)(void *arg), void *arg)
{
    (void)sp, (void)look, (void)arg;
    return 0;
}

#endif
