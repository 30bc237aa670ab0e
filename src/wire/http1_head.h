/*
 * http1_head.h - the pieces a head reader is made of.
 *
 * http1_lines.h cuts a head into lines and those into spans, once for each
 * instruction set; http1_fields.c knows what a target and the fields mean,
 * once for all. http1.c chooses the instruction set.
 */
#ifndef EDDY_WIRE_HTTP1_HEAD_H
#define EDDY_WIRE_HTTP1_HEAD_H

#include "wire/http1.h"

#if defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HTTP1_HAS_NEON 1
#else
#define HTTP1_HAS_NEON 0
#endif

/* Longer than any registered method (RFC 9112, 3: answered with 501). */
#define HTTP1_METHOD_MAX 32

/* Empty lines before a request line that are skipped: some clients send one
 * behind a body (RFC 9112, 2.2). */
#define HTTP1_EMPTY_LINES_MAX 4

/* ed_http1_head.seen: what the lines so far held. */
enum {
    HTTP1_SEEN_START = 1 << 0, /* the request line or the status line */
    HTTP1_SEEN_HOST = 1 << 1,
    HTTP1_SEEN_AUTHORITY = 1 << 2, /* the target names the host */
    HTTP1_SEEN_LENGTH = 1 << 3,
    HTTP1_SEEN_ENCODING = 1 << 4, /* a Transfer-Encoding line */
    HTTP1_SEEN_CHUNKED = 1 << 5,  /* whose last coding is chunked */
    HTTP1_SEEN_CLOSE = 1 << 6,    /* in Connection, as the next two */
    HTTP1_SEEN_KEEP_ALIVE = 1 << 7,
    HTTP1_SEEN_UPGRADE_OPTION = 1 << 8,
    HTTP1_SEEN_UPGRADE = 1 << 9,
    HTTP1_SEEN_CONTINUE = 1 << 10,
};

/* One way of reading lines. Returns the length of the head; 0 with
 * head->error set or, if more is needed, NULL. */
typedef size_t http1_read(struct ed_http1_head *head, const char *buf,
                          size_t len, const struct ed_http1_limits *limits);

struct http1_unit {
    const char *name;
    size_t width; /* the shortest buffer it reads */
    http1_read *request;
    http1_read *response;
    const struct http1_unit *narrower;
};

extern const struct http1_unit ed_http1_plain;
#if HTTP1_HAS_NEON
extern const struct http1_unit ed_http1_neon;
#endif
#if defined(__x86_64__)
extern const struct http1_unit ed_http1_sse42;
extern const struct http1_unit ed_http1_avx2;
#endif

/*
 * Reads with another instruction set from here on: "avx2", "sse4.2",
 * "neon" or "plain". For tests and benchmarks: not while another thread reads a
 * head. False when this machine has none such.
 */
bool ed_http1_use(const char *unit);

/* The name of the one in use. */
const char *ed_http1_used(void);

/* Notes what is wrong with a head and returns NULL, which is what a reader of
 * lines returns then. */
const char *ed_http1_fail(struct ed_http1_head *head, int status,
                          const char *error);

/* Looks at a target that does not begin with '/', whose span is in
 * head->target. False with head->error set. */
bool ed_http1_note_target(struct ed_http1_head *head, const char *buf);

/* Takes note of the last field, a known one but Host, which is the reader's.
 * False with head->error set. */
bool ed_http1_note_request_field(struct ed_http1_head *head, const char *buf);
bool ed_http1_note_response_field(struct ed_http1_head *head, const char *buf);

/* What can be said only when all lines were seen. False with head->error
 * set. */
bool ed_http1_finish_request(struct ed_http1_head *head);
bool ed_http1_finish_response(struct ed_http1_head *head, bool to_head,
                              bool to_connect);

static inline uint32_t http1_load32(const char *at)
{
    uint32_t word;

    memcpy(&word, at, sizeof(word));
    return word;
}

static inline uint64_t http1_load64(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return word;
}

/* Whether `len` bytes, a constant from 4 to 16, are `lower`, a literal of
 * lower-case letters, '-' and digits, when letters of either case count as
 * the same. Two loads that overlap cover all. Setting bit 5 makes letters
 * lower-case; what else it changes into one of those is a control character,
 * which no name or value has. */
static inline __attribute__((always_inline)) bool http1_same_word(
    const char *at, const char *lower, size_t len)
{
    const uint64_t bit_5 = 0x2020202020202020;

    if (len < 8)
        return !(((http1_load32(at) | (uint32_t)bit_5) ^ http1_load32(lower)) |
                 ((http1_load32(at + len - 4) | (uint32_t)bit_5) ^
                  http1_load32(lower + len - 4)));
    return !(
        ((http1_load64(at) | bit_5) ^ http1_load64(lower)) |
        ((http1_load64(at + len - 8) | bit_5) ^ http1_load64(lower + len - 8)));
}

static inline bool http1_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Moves both ends of a value, which a ':' precedes and a CR follows, past the
 * white space there. One space in front and none behind is what nearly all
 * senders write, so that is what is tried before any loop. */
static inline __attribute__((always_inline)) void http1_trim(const char **value,
                                                             const char **stop)
{
    *value += **value == ' ';
    if ((unsigned char)**value <= ' ')
        while (*value < *stop && http1_is_blank(**value))
            ++*value;
    if ((unsigned char)(*stop)[-1] <= ' ')
        while (*stop > *value && http1_is_blank((*stop)[-1]))
            --*stop;
}

/* The known field of a name; length first, so that most names cost one look
 * at it. */
static inline __attribute__((always_inline)) enum ed_http1_known http1_known(
    const char *name, size_t len)
{
#define HTTP1_SAME(lower) http1_same_word(name, lower, sizeof(lower) - 1)
    switch (len) {
    case 4:
        if (HTTP1_SAME("host"))
            return ED_FIELD_HOST;
        return HTTP1_SAME("date") ? ED_FIELD_DATE : ED_FIELD_OTHER;
    case 6:
        if (HTTP1_SAME("accept"))
            return ED_FIELD_ACCEPT;
        if (HTTP1_SAME("cookie"))
            return ED_FIELD_COOKIE;
        if (HTTP1_SAME("expect"))
            return ED_FIELD_EXPECT;
        return HTTP1_SAME("server") ? ED_FIELD_SERVER : ED_FIELD_OTHER;
    case 7:
        return HTTP1_SAME("upgrade") ? ED_FIELD_UPGRADE : ED_FIELD_OTHER;
    case 10:
        return HTTP1_SAME("connection") ? ED_FIELD_CONNECTION : ED_FIELD_OTHER;
    case 12:
        return HTTP1_SAME("content-type") ? ED_FIELD_CONTENT_TYPE
                                          : ED_FIELD_OTHER;
    case 14:
        return HTTP1_SAME("content-length") ? ED_FIELD_CONTENT_LENGTH
                                            : ED_FIELD_OTHER;
    case 17:
        return HTTP1_SAME("transfer-encodin") && (name[16] | 0x20) == 'g'
                   ? ED_FIELD_TRANSFER_ENCODING
                   : ED_FIELD_OTHER;
    default:
        return ED_FIELD_OTHER;
    }
#undef HTTP1_SAME
}

#endif
