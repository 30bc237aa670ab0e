/*
 * api.h - the words every public header uses: visibility, must-check, printf
 * checking, units of time, and the way options are passed.
 */
#ifndef EDDY_API_H
#define EDDY_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Templates and overloads, which take the place of what only C knows, stand
 * between the other two, also within these. */
#ifdef __cplusplus
#define ED_BEGIN_DECLS     extern "C" {
#define ED_END_DECLS       }
#define ED_BEGIN_CXX_DECLS extern "C++" {
#define ED_END_CXX_DECLS   }
#else
#define ED_BEGIN_DECLS
#define ED_END_DECLS
#endif

/* Of the library these headers belong to. */
#define ED_VERSION "0.1.0"

#define ED_API              __attribute__((visibility("default")))
#define ED_CHECK            __attribute__((warn_unused_result))
#define ED_PRINTF(fmt, arg) __attribute__((format(printf, fmt, arg)))

/* All times and durations are int64_t nanoseconds of the monotonic clock. */
#define ED_NS  ((int64_t)1)
#define ED_US  (1000 * ED_NS)
#define ED_MS  (1000 * ED_US)
#define ED_S   (1000 * ED_MS)
#define ED_MIN (60 * ED_S)

/*
 * Options are a struct filled by name at the call: f(x, .limit = 4). The
 * macro notes the struct's size in its first member, so that a library newer
 * than the program knows which members the program has never heard of. A
 * member left out is zero, and zero always means "the default".
 *
 * C++ wants the members in the order in which the struct has them, and those of
 * a struct within as .retry = {.attempts = 3}. They last as long as the call.
 */
#ifdef __cplusplus
ED_BEGIN_CXX_DECLS
template <class T> static inline const T *ed_options_(const T &options)
{
    return &options;
}
ED_END_CXX_DECLS
#define ED_OPTIONS(type, ...) \
    ed_options_<type>({.size = sizeof(type), __VA_ARGS__})
#else
#define ED_OPTIONS(type, ...) (&(const type){.size = sizeof(type), __VA_ARGS__})
#endif

#endif
