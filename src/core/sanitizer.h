/*
 * sanitizer.h - telling AddressSanitizer, ThreadSanitizer and Valgrind about
 * stacks that they cannot know of. Costs nothing in ordinary builds.
 */
#ifndef EDDY_CORE_SANITIZER_H
#define EDDY_CORE_SANITIZER_H

#include "base/asan.h"
#include "core/loop_internal.h"

#if defined(__SANITIZE_THREAD__)
#define ED_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ED_TSAN 1
#endif
#endif

#if ED_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef ED_TSAN
#include <sanitizer/tsan_interface.h>
/* Of libtsan; no header has them. */
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
#endif
#if __has_include(<valgrind/valgrind.h>) && !defined(NVALGRIND)
#include <valgrind/valgrind.h>
#define ED_VALGRIND 1
#endif

static inline void ed_sanitizer_stack_made(ed_fiber *fiber, char *low,
                                           char *top)
{
    (void)fiber, (void)low, (void)top;
#ifdef ED_VALGRIND
    fiber->valgrind_id = VALGRIND_STACK_REGISTER(low, top);
#endif
#ifdef ED_TSAN
    fiber->sanitizer = __tsan_create_fiber(0);
#endif
}

static inline void ed_sanitizer_stack_gone(ed_fiber *fiber)
{
    (void)fiber;
#ifdef ED_VALGRIND
    VALGRIND_STACK_DEREGISTER(fiber->valgrind_id);
#endif
#ifdef ED_TSAN
    __tsan_destroy_fiber(fiber->sanitizer);
#endif
#if ED_ASAN
    /* The frames of its entry function never returned. */
    __asan_unpoison_memory_region(
        fiber->stack_low, (size_t)((char *)(fiber + 1) - fiber->stack_low));
#endif
}

/* Around a switch from the loop to a fiber... */
static inline void ed_sanitizer_enter(ed_loop *loop, ed_fiber *fiber)
{
    (void)loop, (void)fiber;
#if ED_ASAN
    __sanitizer_start_switch_fiber(&loop->sanitizer, fiber->stack_low,
                                   (size_t)((char *)fiber - fiber->stack_low));
#endif
#ifdef ED_TSAN
    loop->sanitizer = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(fiber->sanitizer, 0);
#endif
}

static inline void ed_sanitizer_entered_loop(ed_loop *loop)
{
    (void)loop;
#if ED_ASAN
    __sanitizer_finish_switch_fiber(loop->sanitizer, NULL, NULL);
#endif
}

/* ...and back. Enters in one fiber and leaves in another, if it is not inlined,
 * and so must not tell ThreadSanitizer of either. */
__attribute__((no_sanitize("thread"))) static inline void ed_sanitizer_leave(
    ed_loop *loop, ed_fiber *fiber)
{
    (void)loop, (void)fiber;
#if ED_ASAN
    __sanitizer_start_switch_fiber(&fiber->sanitizer, loop->thread_stack,
                                   loop->thread_stack_bytes);
#endif
#ifdef ED_TSAN
    __tsan_switch_to_fiber(loop->sanitizer, 0);
#endif
}

static inline void ed_sanitizer_entered_fiber(ed_loop *loop, ed_fiber *fiber)
{
    (void)loop, (void)fiber;
#if ED_ASAN
    __sanitizer_finish_switch_fiber(fiber->sanitizer, &loop->thread_stack,
                                    &loop->thread_stack_bytes);
#endif
}

/* Between these a thread reads what is another's that cannot run meanwhile:
 * ThreadSanitizer does not see what stops it. */
static inline void ed_sanitizer_read_begin(void)
{
#ifdef ED_TSAN
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
#endif
}

static inline void ed_sanitizer_read_end(void)
{
#ifdef ED_TSAN
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
#endif
}

#endif
