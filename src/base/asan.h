/*
 * asan.h - tells AddressSanitizer which memory of ours nobody may touch.
 *
 * Without the sanitizer all of this compiles to nothing.
 */
#ifndef EDDY_BASE_ASAN_H
#define EDDY_BASE_ASAN_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define ED_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ED_ASAN 1
#endif
#endif
#ifndef ED_ASAN
#define ED_ASAN 0
#endif

#if ED_ASAN
#include <sanitizer/asan_interface.h>
#endif

/* GCC takes a pointer to const for a promise to read, and warns of memory that
 * nobody has written yet. */
#if ED_ASAN && defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

static inline void ed_asan_poison(const void *ptr, size_t len)
{
#if ED_ASAN
    __asan_poison_memory_region(ptr, len);
#else
    (void)ptr;
    (void)len;
#endif
}

static inline void ed_asan_unpoison(const void *ptr, size_t len)
{
#if ED_ASAN
    __asan_unpoison_memory_region(ptr, len);
#else
    (void)ptr;
    (void)len;
#endif
}

#endif
