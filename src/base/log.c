/*
 * log.c - what the program tells its operator, a line at a time.
 *
 * Owns the settings of the process's log and one buffer, under one lock: a
 * line is put together and written with a single write() while it is held. A
 * descriptor that is not ready, or broken, never makes anyone wait: the line
 * is dropped, and the next one that goes through says how many were. After a
 * line that went out in part, the next one begins on a line of its own.
 *
 * Leaves errno alone.
 */
#include "base/calls.h"
#include "base/log_safe.h"
#include "base/log_watch.h"
#include "base/utf8.h"
#include <eddy/bytes.h>
#include <eddy/clock.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of a message as written, escapes included: collectors of logs split or drop
 * lines of 16 KiB and more. */
#define MAX_MESSAGE_BYTES 8192

/* Of a context, with its NUL; it is an id, not a story. */
#define MAX_CONTEXT_BYTES 64

/* For all but the message; a context of nothing but escapes fits. */
#define FRAME_BYTES 1024

static const struct {
    const char *name; /* in settings and JSON */
    const char *text;
    const char *colour;
    const char *priority; /* in front of a line to the journal (sd-daemon(3)) */
} levels[] = {
    [ED_LOG_DEBUG] = {"debug", "DEBUG", "\033[2m", "<7>"},
    [ED_LOG_INFO] = {"info", "INFO ", "\033[32m", "<6>"},
    [ED_LOG_WARN] = {"warn", "WARN ", "\033[33m", "<4>"},
    [ED_LOG_ERROR] = {"error", "ERROR", "\033[31m", "<3>"},
    [ED_LOG_OFF] = {"off", "OFF  ", "", ""},
};

static _Atomic int min_level = ED_LOG_INFO;
static _Atomic int line_format = ED_LOG_TEXT;
static ed_log_context_fn *_Atomic context_fn;
static ed_log_trace_fn *_Atomic trace_fn;

/* Guards all that follows; ed_log_safely() reads without it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int log_fd = STDERR_FILENO;
static char *log_file; /* that log_fd is of, and which is ours; or NULL */
static _Atomic bool colour;
static _Atomic bool journal; /* it reads what is written */
static bool torn;            /* the last line went out in part */
static size_t dropped;       /* lines lost since the last that went through */
static struct ed_log_watch *watches;

/* Not on the stack: fibers have small ones, whose pages stay touched. */
static char message[MAX_MESSAGE_BYTES + 1];
static char line[MAX_MESSAGE_BYTES + FRAME_BYTES];

/* Whose line it is. */
struct origin {
    char context[MAX_CONTEXT_BYTES];
    char trace[ED_LOG_TRACE_ID]; /* "": none */
    char span[ED_LOG_SPAN_ID];
};

/* A line being put together; what does not fit before `end` is left out. */
struct writer {
    char *at;
    char *end;
    bool json;
};

static void lock_log(void)
{
    pthread_mutex_lock(&lock);
}

static void unlock_log(void)
{
    pthread_mutex_unlock(&lock);
}

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);

    return value && *value;
}

/* See https://no-color.org and https://bixense.com/clicolors. */
static bool wants_colour(int fd)
{
    return !is_set("NO_COLOR") && (is_set("CLICOLOR_FORCE") || isatty(fd));
}

/* systemd tells which stream of a service's is connected to the journal: it may
 * have been made another since (systemd.exec(5)). */
static bool is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char own[64];
    struct stat about;

    if (!stream || fstat(fd, &about))
        return false;
    snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)about.st_dev,
             (uintmax_t)about.st_ino);
    return !strcmp(own, stream);
}

static void look_who_reads(int fd)
{
    colour = wants_colour(fd);
    journal = is_journal(fd);
}

/* A child forked while another thread logs would inherit a lock that nobody
 * in it will ever release. Whoever logs may hold locks of its own: fork() must
 * take this one last, so its handler is the first to be registered, and this
 * constructor the first of all that may be given a number. */
__attribute__((constructor(101))) static void watch_forks(void)
{
    pthread_atfork(lock_log, unlock_log, unlock_log);
}

static void start(void)
{
    look_who_reads(log_fd);
}

static pthread_once_t started = PTHREAD_ONCE_INIT;

void ed_log_prepare(void)
{
    pthread_once(&started, start);
}

void ed_log_set_level(enum ed_log_level level)
{
    atomic_store_explicit(&min_level, (int)level, memory_order_relaxed);
}

void ed_log_set_format(enum ed_log_format format)
{
    atomic_store_explicit(&line_format, (int)format, memory_order_relaxed);
}

/* Takes a descriptor into use, and a file's name that was allocated. */
static void use(int fd, char *file)
{
    ed_log_prepare();
    lock_log();
    if (log_file)
        close(log_fd);
    free(log_file);
    log_fd = fd;
    log_file = file;
    look_who_reads(fd);
    torn = false;
    unlock_log();
}

void ed_log_set_fd(int fd)
{
    int saved_errno = errno;

    use(fd, NULL);
    errno = saved_errno;
}

/* Without waiting for whoever reads a pipe. */
static int open_to_append(const char *file)
{
    int fd = open(
        file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
        0640);

    return fd < 0 ? -errno : fd;
}

int ed_log_open(const char *file)
{
    int saved_errno = errno;
    char *name = strdup(file);
    int fd = name ? open_to_append(name) : ED_ENOMEM;

    if (fd < 0)
        free(name);
    else
        use(fd, name);
    errno = saved_errno;
    return fd < 0 ? fd : 0;
}

int ed_log_reopen(void)
{
    lock_log();
    char *name = log_file ? strdup(log_file) : NULL;
    bool wanted = log_file;
    unlock_log();

    int err = name ? ed_log_open(name) : wanted ? ED_ENOMEM : 0;
    if (err)
        ed_log_error("the log stays in the old file: %s: %s",
                     name ? name : "its name", ed_err_text(err));
    free(name);
    return err;
}

void ed_log_set_context(ed_log_context_fn *fn)
{
    atomic_store_explicit(&context_fn, fn, memory_order_release);
}

void ed_log_set_trace(ed_log_trace_fn *fn)
{
    atomic_store_explicit(&trace_fn, fn, memory_order_release);
}

void ed_log_watch(struct ed_log_watch *watch)
{
    lock_log();
    watch->next = watches;
    watches = watch;
    unlock_log();
}

void ed_log_unwatch(struct ed_log_watch *watch)
{
    lock_log();
    struct ed_log_watch **at = &watches;
    while (*at && *at != watch)
        at = &(*at)->next;
    if (*at)
        *at = watch->next;
    unlock_log();
}

/* Whether the line is to be written, too. */
static bool tell_watches(enum ed_log_level level, const char *context,
                         size_t len)
{
    size_t held = len < sizeof(message) ? len : sizeof(message) - 1;
    bool wanted = true;

    for (struct ed_log_watch *w = watches; w; w = w->next)
        if (level >= w->level &&
            !w->told(w, level, context, ed_bytes_of(message, held)))
            wanted = false;
    return wanted;
}

bool ed_log_enabled(enum ed_log_level level)
{
    return (int)level < ED_LOG_OFF &&
           (int)level >= atomic_load_explicit(&min_level, memory_order_relaxed);
}

static int level_by_name(struct ed_bytes name)
{
    for (int i = ED_LOG_DEBUG; i <= ED_LOG_OFF; i++) {
        if (ed_bytes_equal(name, ed_bytes(levels[i].name)))
            return i;
    }
    return ED_EPARSE;
}

static int format_by_name(struct ed_bytes name)
{
    if (ed_bytes_equal(name, ED_BYTES("text")))
        return ED_LOG_TEXT;
    if (ed_bytes_equal(name, ED_BYTES("json")))
        return ED_LOG_JSON;
    return ED_EPARSE;
}

int ed_log_configure(const char *text)
{
    struct ed_bytes rest = ed_bytes(text);
    int level = level_by_name(ed_bytes_cut(&rest, ','));

    if (level < 0)
        return level;
    if (rest.ptr) {
        int format = format_by_name(rest);
        if (format < 0)
            return format;
        ed_log_set_format((enum ed_log_format)format);
    }
    ed_log_set_level((enum ed_log_level)level);
    return 0;
}

/* All of it or nothing. */
static bool put(struct writer *w, const char *text, size_t len)
{
    if (len > (size_t)(w->end - w->at))
        return false;
    memcpy(w->at, text, len);
    w->at += len;
    return true;
}

ED_PRINTF(2, 3)
static void putf(struct writer *w, const char *fmt, ...)
{
    char text[128];
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (len > 0 && (size_t)len < sizeof(text))
        put(w, text, (size_t)len);
}

/* C0, DEL, and C1 in its two-byte form, which terminals obey, too. */
static bool is_control(const char *text, size_t len)
{
    unsigned char first = (unsigned char)text[0];

    if (len == 2)
        return first == 0xc2 && (unsigned char)text[1] < 0xa0;
    return len == 1 && (first < 0x20 || first == 0x7f);
}

static bool put_hex(struct writer *w, const char *text, size_t len)
{
    char escaped[2 * sizeof("\\xff")];
    int size = 0;

    for (size_t i = 0; i < len; i++)
        size += sprintf(escaped + size, "\\x%02x", (unsigned char)text[i]);
    return put(w, escaped, (size_t)size);
}

static bool put_json_control(struct writer *w, const char *text, size_t len)
{
    char escaped[sizeof("\\u0000")];

    /* The last byte of a C1 control is its code point. */
    int size = snprintf(escaped, sizeof(escaped), "\\u00%02x",
                        (unsigned char)text[len - 1]);
    return put(w, escaped, (size_t)size);
}

/* One character of `len` bytes, or one invalid byte when that is 0. */
static bool put_char(struct writer *w, const char *text, size_t len)
{
    if (len == 0)
        return w->json ? put(w, "\\ufffd", 6) : put_hex(w, text, 1);
    if (is_control(text, len))
        return w->json ? put_json_control(w, text, len) : put_hex(w, text, len);
    if (w->json && (*text == '"' || *text == '\\'))
        return put(w, (char[]){'\\', *text}, 2);
    return put(w, text, len);
}

/* How many bytes at the front, at most as many as there is room for, stand
 * for themselves in either format: most of what is ever logged. */
static size_t plain_len(const struct writer *w, const char *text, size_t len)
{
    size_t room = (size_t)(w->end - w->at);
    size_t i = 0;

    if (len > room)
        len = room;
    while (i < len && text[i] >= ' ' && text[i] <= '~' && text[i] != '"' &&
           text[i] != '\\')
        i++;
    return i;
}

/* Escapes a text. False when it had to stop, between two characters, since no
 * more fits. */
static bool put_escaped(struct writer *w, const char *text, size_t len)
{
    while (len) {
        size_t size = plain_len(w, text, len);

        if (size) {
            put(w, text, size);
        } else {
            size = ed_utf8_len(text, len);
            if (!put_char(w, text, size))
                return false;
            size += size == 0;
        }
        text += size;
        len -= size;
    }
    return true;
}

static void put_time(struct writer *w)
{
    char date[ED_ISO_DATE_LEN + 1];

    ed_iso_date(date, ed_clock_realtime());
    put(w, date, ED_ISO_DATE_LEN);
}

/*
 * The message, cut at MAX_MESSAGE_BYTES. `len` is how long it is in full,
 * which may be more than there is in the buffer; a character torn there does
 * not show, since the escapes of its bytes would not fit.
 */
static void put_message(struct writer *w, size_t len)
{
    struct writer part = {w->at, w->at + MAX_MESSAGE_BYTES, w->json};
    size_t held = len < sizeof(message) ? len : sizeof(message) - 1;

    bool whole = put_escaped(&part, message, held) && held == len;
    w->at = part.at;
    if (!whole)
        putf(w, "... [truncated, %zu bytes in all]", len);
}

/* "[context trace] ", of which either may be missing. */
static void put_origin(struct writer *w, const struct origin *from)
{
    if (!*from->context && !*from->trace)
        return;
    putf(w, "[");
    put_escaped(w, from->context, strlen(from->context));
    putf(w, "%s%s] ", *from->context && *from->trace ? " " : "", from->trace);
}

static void put_text_line(struct writer *w, int level,
                          const struct origin *from, size_t len)
{
    put_time(w);
    if (colour)
        putf(w, " %s%s\033[0m ", levels[level].colour, levels[level].text);
    else
        putf(w, " %s ", levels[level].text);
    put_origin(w, from);
    put_message(w, len);
    if (dropped)
        putf(w, " (%zu lines before this one were lost)", dropped);
}

static void put_json_line(struct writer *w, int level,
                          const struct origin *from, size_t len)
{
    putf(w, "{\"time\":\"");
    put_time(w);
    putf(w, "\",\"level\":\"%s\",\"context\":\"", levels[level].name);
    put_escaped(w, from->context, strlen(from->context));
    if (*from->trace)
        putf(w, "\",\"trace_id\":\"%s\",\"span_id\":\"%s", from->trace,
             from->span);
    putf(w, "\",\"message\":\"");
    put_message(w, len);
    putf(w, "\"");
    if (dropped)
        putf(w, ",\"dropped\":%zu", dropped);
    putf(w, "}");
}

/* Writes a line or counts it as lost. */
static void write_out(const char *text, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = ed_calls.write(log_fd, text + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (done == len) {
        torn = false;
        dropped = 0;
        return;
    }
    torn = torn || done > 0;
    dropped++;
}

static void write_line(int level, const struct origin *from, size_t len)
{
    struct writer w = {
        .at = line,
        .end = line + sizeof(line) - 1, /* the line end always fits */
        .json = atomic_load_explicit(&line_format, memory_order_relaxed) ==
                ED_LOG_JSON,
    };

    if (torn)
        put(&w, "\n", 1);
    if (journal)
        put(&w, levels[level].priority, strlen(levels[level].priority));
    if (w.json)
        put_json_line(&w, level, from, len);
    else
        put_text_line(&w, level, from, len);
    *w.at++ = '\n';
    write_out(line, (size_t)(w.at - line));
}

static void get_origin(struct origin *from)
{
    ed_log_context_fn *context =
        atomic_load_explicit(&context_fn, memory_order_acquire);
    ed_log_trace_fn *trace =
        atomic_load_explicit(&trace_fn, memory_order_acquire);

    from->context[0] = from->trace[0] = '\0';
    if (context)
        context(from->context, sizeof(from->context));
    if (trace && !trace(from->trace, from->span))
        from->trace[0] = '\0';
}

void ed_log(enum ed_log_level level, const char *fmt, ...)
{
    struct origin from;
    int saved_errno = errno;
    va_list args;

    if (!ed_log_enabled(level))
        return;
    ed_log_prepare();
    get_origin(&from);

    lock_log();
    errno = saved_errno; /* for %m */
    va_start(args, fmt);
    int len = vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    if (len < 0) /* a %ls that is no text in this locale */
        len = snprintf(message, sizeof(message), "%s", fmt);
    if (tell_watches(level, from.context, (size_t)len))
        write_line(level, &from, (size_t)len);
    unlock_log();
    errno = saved_errno;
}

/* ---- without the lock ---- */

/* A line of ed_safe_line's, each byte of it escaped, with what stands around.
 * On the stack, which may be that of a signal. */
#define SAFE_BYTES (4 * sizeof(struct ed_safe_line) + 128)

static void put_literal(struct writer *w, const char *text)
{
    put(w, text, strlen(text));
}

static void put_safe_text(struct writer *w, enum ed_log_level level,
                          const struct ed_safe_line *text)
{
    put_time(w);
    put_literal(w, " ");
    if (colour)
        put_literal(w, levels[level].colour);
    put_literal(w, levels[level].text);
    put_literal(w, colour ? "\033[0m " : " ");
    put_escaped(w, text->text, text->len);
}

static void put_safe_json(struct writer *w, enum ed_log_level level,
                          const struct ed_safe_line *text)
{
    put_literal(w, "{\"time\":\"");
    put_time(w);
    put_literal(w, "\",\"level\":\"");
    put_literal(w, levels[level].name);
    put_literal(w, "\",\"context\":\"\",\"message\":\"");
    /* Where escapes take more room than there is, what ends it still fits. */
    w->end -= sizeof("\"}");
    put_escaped(w, text->text, text->len);
    w->end += sizeof("\"}");
    put_literal(w, "\"}");
}

void ed_log_safely(enum ed_log_level level, const struct ed_safe_line *text)
{
    char out[SAFE_BYTES];
    struct writer w = {
        .at = out,
        .end = out + sizeof(out) - 1, /* the line end always fits */
        .json = atomic_load_explicit(&line_format, memory_order_relaxed) ==
                ED_LOG_JSON,
    };
    int saved_errno = errno;
    ssize_t n;

    if (!ed_log_enabled(level))
        return;
    if (journal)
        put_literal(&w, levels[level].priority);
    if (w.json)
        put_safe_json(&w, level, text);
    else
        put_safe_text(&w, level, text);
    *w.at++ = '\n';
    do
        n = ed_calls.write(log_fd, out, (size_t)(w.at - out));
    while (n < 0 && errno == EINTR);
    errno = saved_errno;
}
