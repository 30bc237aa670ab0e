/*
 * bytes.c - comparing, cutting and reading borrowed views.
 *
 * Owns nothing and allocates nothing. Every function takes an empty view,
 * with or without a pointer.
 */
#include <eddy/bytes.h>
#include <eddy/error.h>

/*
 * Whether eight bytes differ in nothing but the case of ASCII letters, without
 * a branch. Where they differ it must be in bit 0x20, and in a letter: adding
 * moves a byte's letter-or-not into its top bit, which bytes beyond ASCII
 * have set already and are left out for.
 */
static inline bool same8(uint64_t a, uint64_t b)
{
    const uint64_t ones = 0x0101010101010101;
    uint64_t low = (a | 0x20 * ones) & 0x7f * ones;
    uint64_t from_a = low + (0x80 - 'a') * ones;
    uint64_t past_z = low + (0x7f - 'z') * ones;
    uint64_t letter = from_a & ~past_z & ~a & 0x80 * ones;

    return ((a ^ b) & ~(letter >> 2)) == 0;
}

static inline uint64_t load8(const char *ptr)
{
    uint64_t word;

    memcpy(&word, ptr, sizeof(word));
    return word;
}

/* Up to seven bytes in one word: two loads that may overlap for four and
 * more, so that names such as "host" and "cookie" need no loop. */
static inline uint64_t load_few(const char *ptr, size_t len)
{
    uint32_t front, back;

    if (len >= 4) {
        memcpy(&front, ptr, 4);
        memcpy(&back, ptr + len - 4, 4);
        return (uint64_t)front << 32 | back;
    }
    if (len == 0)
        return 0;
    return (uint64_t)(unsigned char)ptr[0] << 16 |
           (uint64_t)(unsigned char)ptr[len / 2] << 8 |
           (unsigned char)ptr[len - 1];
}

bool ed_bytes_equal_nocase(struct ed_bytes a, struct ed_bytes b)
{
    if (a.len != b.len)
        return false;
    if (a.len < 8)
        return same8(load_few(a.ptr, a.len), load_few(b.ptr, b.len));
    for (size_t i = 0; i + 8 < a.len; i += 8) {
        if (!same8(load8(a.ptr + i), load8(b.ptr + i)))
            return false;
    }
    size_t last = a.len - 8;
    return same8(load8(a.ptr + last), load8(b.ptr + last));
}

bool ed_bytes_starts(struct ed_bytes b, struct ed_bytes prefix)
{
    if (prefix.len == 0)
        return true;
    return b.len >= prefix.len && !memcmp(b.ptr, prefix.ptr, prefix.len);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct ed_bytes ed_bytes_trim(struct ed_bytes b)
{
    while (b.len && is_blank(b.ptr[0])) {
        b.ptr++;
        b.len--;
    }
    while (b.len && is_blank(b.ptr[b.len - 1]))
        b.len--;
    return b;
}

struct ed_bytes ed_bytes_cut(struct ed_bytes *rest, char sep)
{
    struct ed_bytes part = *rest;
    const char *at = part.len ? memchr(part.ptr, sep, part.len) : NULL;

    if (!at) {
        *rest = ed_bytes_of(NULL, 0);
        return part;
    }
    part.len = (size_t)(at - part.ptr);
    rest->ptr += part.len + 1;
    rest->len -= part.len + 1;
    return part;
}

ssize_t ed_bytes_find(struct ed_bytes b, struct ed_bytes needle)
{
    if (needle.len == 0)
        return 0;
    if (needle.len > b.len)
        return -1;
    const char *at = memmem(b.ptr, b.len, needle.ptr, needle.len);
    return at ? at - b.ptr : -1;
}

int ed_bytes_int(struct ed_bytes b, int64_t *value)
{
    bool negative = b.len && b.ptr[0] == '-';
    size_t at = negative || (b.len && b.ptr[0] == '+');
    int64_t sum = 0;

    if (at == b.len)
        return ED_EPARSE;
    for (; at < b.len; at++) {
        int digit = b.ptr[at] - '0';

        if (digit < 0 || digit > 9)
            return ED_EPARSE;
        /* Towards the sign's own end: INT64_MIN has no positive twin. */
        if (__builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, negative ? -digit : digit, &sum))
            return ED_EPARSE;
    }
    *value = sum;
    return 0;
}

bool ed_bytes_equal_secret(struct ed_bytes a, struct ed_bytes b)
{
    unsigned char differ = 0;

    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        differ |= (unsigned char)(a.ptr[i] ^ b.ptr[i]);
        /* Keeps the compiler from leaving the loop once the answer is out. */
        __asm__ volatile("" : "+r"(differ));
    }
    return differ == 0;
}
