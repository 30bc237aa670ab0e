/*
 * http1.c - the entry to reading heads, and the small things both sides write.
 *
 * Chooses the instruction set before main() begins. Until then, and on every
 * other machine, the plain one is in use; so there is no moment in which
 * reading would not work, and nothing to lock.
 */
#include "wire/http1.h"
#include "wire/http1_head.h"
#include "wire/http1_scan.h"

#include <eddy/error.h>

static const struct http1_unit *const units[] = {
#if defined(__x86_64__)
    &ed_http1_avx2,
    &ed_http1_sse42,
#endif
#if HTTP1_HAS_NEON
    &ed_http1_neon,
#endif
    &ed_http1_plain,
};

static const struct http1_unit *unit_in_use = &ed_http1_plain;

static bool machine_has(const struct http1_unit *unit)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (unit == &ed_http1_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
    if (unit == &ed_http1_sse42)
        return __builtin_cpu_supports("sse4.2");
#endif
    return unit != NULL;
}

static __attribute__((constructor)) void choose_the_widest_unit(void)
{
    size_t i = 0;

    while (!machine_has(units[i]))
        i++;
    unit_in_use = units[i];
}

bool ed_http1_use(const char *unit)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(units[i]->name, unit) || !machine_has(units[i]))
            continue;
        unit_in_use = units[i];
        return true;
    }
    return false;
}

const char *ed_http1_used(void)
{
    return unit_in_use->name;
}

void ed_http1_begin(struct ed_http1_head *head, struct ed_http1_field *fields)
{
    *head = (struct ed_http1_head){.fields = fields};
}

const char *ed_http1_fail(struct ed_http1_head *head, int status,
                          const char *error)
{
    head->error_status = (uint16_t)status;
    head->error = error;
    return NULL;
}

static int failure(const struct ed_http1_head *head)
{
    switch (head->error_status) {
    case 414:
        return ED_EURILIMIT;
    case 431:
        return ED_EHEADLIMIT;
    default:
        return ED_EPROTO;
    }
}

static const struct http1_unit *unit_for(size_t len)
{
    const struct http1_unit *unit = unit_in_use;

    while (len < unit->width)
        unit = unit->narrower;
    return unit;
}

/* What a reader may see: never a byte behind the limit, so that it does not
 * matter how many have come already. */
static size_t within_limit(size_t len, const struct ed_http1_limits *limits)
{
    return len < limits->max_head ? len : limits->max_head;
}

/* The verdict over a head that is not whole. */
static ssize_t not_whole(struct ed_http1_head *head, size_t len,
                         const struct ed_http1_limits *limits)
{
    if (!head->error && len >= limits->max_head)
        ed_http1_fail(head, 431, "head too large");
    return head->error ? failure(head) : 0;
}

ssize_t ed_http1_request(struct ed_http1_head *head, const char *buf,
                         size_t len, const struct ed_http1_limits *limits)
{
    size_t seen = within_limit(len, limits);
    size_t end;

    if (head->error)
        return failure(head);
    end = unit_for(seen)->request(head, buf, seen, limits);
    if (!end)
        return not_whole(head, len, limits);
    return ed_http1_finish_request(head) ? (ssize_t)end : failure(head);
}

ssize_t ed_http1_response(struct ed_http1_head *head, const char *buf,
                          size_t len, const struct ed_http1_limits *limits,
                          bool to_head, bool to_connect)
{
    size_t seen = within_limit(len, limits);
    size_t end;

    if (head->error)
        return failure(head);
    end = unit_for(seen)->response(head, buf, seen, limits);
    if (!end)
        return not_whole(head, len, limits);
    return ed_http1_finish_response(head, to_head, to_connect) ? (ssize_t)end
                                                               : failure(head);
}

const struct ed_http1_field *ed_http1_find(const char *head,
                                           const struct ed_http1_field *fields,
                                           uint32_t count, struct ed_bytes name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (fields[i].name.len == name.len &&
            ed_bytes_equal_nocase(ed_http1_bytes(head, fields[i].name), name))
            return &fields[i];
    }
    return NULL;
}

bool ed_http1_is_token(struct ed_bytes b)
{
    return b.len &&
           scan_bytes(b.ptr, b.ptr + b.len, &scan_token) == b.ptr + b.len;
}

bool ed_http1_lists(struct ed_bytes list, struct ed_bytes token)
{
    while (list.ptr) {
        struct ed_bytes element = ed_bytes_cut(&list, ',');
        if (ed_bytes_equal_nocase(ed_bytes_trim(element), token))
            return true;
    }
    return false;
}

bool ed_http1_is_value(struct ed_bytes b)
{
    if (!b.len)
        return true;
    if (http1_is_blank(b.ptr[0]) || http1_is_blank(b.ptr[b.len - 1]))
        return false;
    return scan(b.ptr, b.ptr + b.len, &scan_value) == b.ptr + b.len;
}

size_t ed_http1_chunk_line(char out[ED_HTTP1_CHUNK_LINE_MAX], uint64_t size)
{
    size_t digits = 1;

    while (digits < 16 && size >> (4 * digits))
        digits++;
    for (size_t i = digits; i > 0; i--, size >>= 4)
        out[i - 1] = "0123456789abcdef"[size & 15];
    out[digits] = '\r';
    out[digits + 1] = '\n';
    return digits + 2;
}

const char *ed_http_reason(int status)
{
    switch (status) {
#define ED_STATUS(code, reason) \
    case code:                  \
        return reason;
#include "wire/http_status.def"
#undef ED_STATUS
    default:
        return "";
    }
}
