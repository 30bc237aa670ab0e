/*
 * log.h - what the program tells its operator.
 *
 * One line a message, as text or as a JSON object, written to a descriptor
 * with one write() each so that lines of several processes never mix. Any
 * thread may log.
 */
#ifndef EDDY_LOG_H
#define EDDY_LOG_H

#include <eddy/api.h>

ED_BEGIN_DECLS

enum ed_log_level {
    ED_LOG_DEBUG,
    ED_LOG_INFO,
    ED_LOG_WARN,
    ED_LOG_ERROR,
    ED_LOG_OFF,
};

enum ed_log_format { ED_LOG_TEXT, ED_LOG_JSON };

/* Level, format and descriptor; the defaults are INFO, TEXT and 2. */
ED_API void ed_log_set_level(enum ed_log_level level);
ED_API void ed_log_set_format(enum ed_log_format format);
ED_API void ed_log_set_fd(int fd);

/*
 * Has lines appended to a file, which is made if need be (mode 0640) and stays
 * the log's own; ed_log_set_fd() closes it. Several processes may have the same
 * file. Returns 0, or -errno; the log then goes where it went before.
 */
ED_API ED_CHECK int ed_log_open(const char *file);

/* Opens that file anew, when it was moved away (logrotate). 0, also when the
 * log goes to no file; or -errno, told in the old one, which stays. */
ED_API int ed_log_reopen(void);

/* Reads "debug", "info", "warn", "error" or "off", with ",json" or ",text"
 * behind it if wanted, and sets the level and, if given, the format. Returns 0,
 * or ED_EPARSE when it is anything else; nothing is then changed. */
ED_API ED_CHECK int ed_log_configure(const char *text);

ED_API bool ed_log_enabled(enum ed_log_level level);

/*
 * Writes one message, as one of
 *
 *     2026-11-20T18:31:52.123Z WARN  [context trace] message
 *     {"time":"...","level":"warn","context":"...","trace_id":"...",
 *      "span_id":"...","message":"..."}
 *
 * without what there is none of (JSON: the trace's members; the context is ""
 * then).
 *
 * Control characters, line ends among them, and bytes that are not UTF-8 are
 * escaped, so that nothing a peer sends can forge a line. What is longer than
 * 8 KiB is cut and marked. Never waits for a descriptor that is non-blocking
 * and full: the line is dropped, and the next one that goes through says how
 * many were (JSON: a member "dropped"). Text is coloured on a terminal unless
 * NO_COLOR is set. To systemd's journal, which JOURNAL_STREAM names, a line has
 * its priority in front ("<4>"), which the journal takes away again. errno is
 * as it was. Not for signal handlers.
 */
ED_API void ed_log(enum ed_log_level level, const char *fmt, ...)
    ED_PRINTF(2, 3);

#define ed_log_debug(...) \
    (ed_log_enabled(ED_LOG_DEBUG) ? ed_log(ED_LOG_DEBUG, __VA_ARGS__) : (void)0)
#define ed_log_info(...)  ed_log(ED_LOG_INFO, __VA_ARGS__)
#define ed_log_warn(...)  ed_log(ED_LOG_WARN, __VA_ARGS__)
#define ed_log_error(...) ed_log(ED_LOG_ERROR, __VA_ARGS__)

/*
 * Names what the current thread is working on: the function writes a short
 * id, such as a request's, into `out` (NUL-terminated) and every line carries
 * it. Set by the runtime; NULL takes it away.
 */
typedef void ed_log_context_fn(char *out, size_t size);
ED_API void ed_log_set_context(ed_log_context_fn *fn);

/*
 * Names the trace the current thread is working in: the function writes the ids
 * in hexadecimal, with a NUL, and returns whether there is one. Set by the
 * runtime; NULL takes it away.
 */
#define ED_LOG_TRACE_ID 33
#define ED_LOG_SPAN_ID  17
typedef bool ed_log_trace_fn(char trace_id[ED_LOG_TRACE_ID],
                             char span_id[ED_LOG_SPAN_ID]);
ED_API void ed_log_set_trace(ed_log_trace_fn *fn);

ED_END_DECLS
#endif
