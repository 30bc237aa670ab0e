/*
 * http1_scan.h - finding the end of a token, a target or a value.
 *
 * One definition of which bytes belong where serves every instruction set:
 * a set of bytes is sixteen rows of eight bits, at once a table for byte
 * shuffles and one for plain look-ups. The file that includes this names the
 * instruction set by defining SCAN_AVX2, SCAN_SSE42 or SCAN_NEON; without one
 * it is eight bytes at a time in a plain register.
 *
 * Nothing here reads outside of the buffer: its last bytes are looked at by
 * a load that ends where the buffer ends. That asks for a buffer of at least
 * SCAN_WIDTH bytes; a shorter one belongs to a narrower instruction set.
 */
#ifndef EDDY_WIRE_HTTP1_SCAN_H
#define EDDY_WIRE_HTTP1_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SCAN_INLINE static inline __attribute__((always_inline))

/* Which bytes a scan passes over; any other ends it. */
struct scan_set {
    /* Bit h of rows[l] tells whether the byte (h << 4 | l) belongs. */
    _Alignas(16) uint8_t rows[16];
    bool high; /* and whether the bytes from 0x80 do */
};

#define SCAN_ALNUM(c)                                            \
    (((c) >= '0' && (c) <= '9') || ((c) >= 'A' && (c) <= 'Z') || \
     ((c) >= 'a' && (c) <= 'z'))

/* RFC 9110, 5.6.2: tchar */
#define SCAN_IS_TOKEN(c)                                                      \
    (SCAN_ALNUM(c) || (c) == '!' || (c) == '#' || (c) == '$' || (c) == '%' || \
     (c) == '&' || (c) == '\'' || (c) == '*' || (c) == '+' || (c) == '-' ||   \
     (c) == '.' || (c) == '^' || (c) == '_' || (c) == '`' || (c) == '|' ||    \
     (c) == '~')

/* A request target up to its query: visible, without the '#' that only ever
 * stands in a URL on its way to the client. */
#define SCAN_IS_TARGET(c) ((c) > ' ' && (c) < 0x7f && (c) != '#' && (c) != '?')

/* RFC 9110, 5.5: field-vchar, space and tab */
#define SCAN_IS_VALUE(c) ((c) == '\t' || ((c) >= ' ' && (c) < 0x7f))

/* RFC 3986, 3.2.2: reg-name without pct-encoded; IPv4 addresses are part */
#define SCAN_IS_HOST(c)                                                       \
    (SCAN_ALNUM(c) || (c) == '-' || (c) == '.' || (c) == '_' || (c) == '~' || \
     (c) == '!' || (c) == '$' || (c) == '&' || (c) == '\'' || (c) == '(' ||   \
     (c) == ')' || (c) == '*' || (c) == '+' || (c) == ',' || (c) == ';' ||    \
     (c) == '=')

#define SCAN_ROW(is, l)                                                \
    ((is(0x00 | l)) << 0 | (is(0x10 | l)) << 1 | (is(0x20 | l)) << 2 | \
     (is(0x30 | l)) << 3 | (is(0x40 | l)) << 4 | (is(0x50 | l)) << 5 | \
     (is(0x60 | l)) << 6 | (is(0x70 | l)) << 7)
#define SCAN_ROWS(is)                                                       \
    {                                                                       \
        SCAN_ROW(is, 0), SCAN_ROW(is, 1), SCAN_ROW(is, 2), SCAN_ROW(is, 3), \
            SCAN_ROW(is, 4), SCAN_ROW(is, 5), SCAN_ROW(is, 6),              \
            SCAN_ROW(is, 7), SCAN_ROW(is, 8), SCAN_ROW(is, 9),              \
            SCAN_ROW(is, 10), SCAN_ROW(is, 11), SCAN_ROW(is, 12),           \
            SCAN_ROW(is, 13), SCAN_ROW(is, 14), SCAN_ROW(is, 15)            \
    }

static const struct scan_set scan_token = {SCAN_ROWS(SCAN_IS_TOKEN), false};
static const struct scan_set scan_target = {SCAN_ROWS(SCAN_IS_TARGET), false};
static const struct scan_set scan_value = {SCAN_ROWS(SCAN_IS_VALUE), true};
static const struct scan_set scan_host = {SCAN_ROWS(SCAN_IS_HOST), false};

SCAN_INLINE bool scan_has(const struct scan_set *set, char byte)
{
    unsigned char c = (unsigned char)byte;

    return c < 0x80 ? set->rows[c & 15] >> (c >> 4) & 1 : set->high;
}

/* One byte at a time, for any length. */
SCAN_INLINE const char *scan_bytes(const char *at, const char *end,
                                   const struct scan_set *set)
{
    while (at < end && scan_has(set, *at))
        at++;
    return at;
}

#if defined(SCAN_AVX2)

#include <immintrin.h>

#define SCAN_TARGET   __attribute__((target("avx2,bmi")))
#define SCAN_WIDTH    32
#define SCAN_BIT_STEP 1
typedef uint32_t scan_mask;

/* The bytes of `at` that end a scan, as a mask with its first byte lowest. */
SCAN_TARGET SCAN_INLINE scan_mask scan_stops(const char *at,
                                             const struct scan_set *set)
{
    const __m256i rows =
        _mm256_broadcastsi128_si256(_mm_load_si128((const void *)set->rows));
    const __m256i bits = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    __m256i bytes = _mm256_loadu_si256((const void *)at);
    __m256i high =
        _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(0x0f));
    __m256i belongs = _mm256_and_si256(_mm256_shuffle_epi8(rows, bytes),
                                       _mm256_shuffle_epi8(bits, high));
    scan_mask stops = (scan_mask)_mm256_movemask_epi8(
        _mm256_cmpeq_epi8(belongs, _mm256_setzero_si256()));

    /* A shuffle gives zero for bytes from 0x80: they stop, unless allowed. */
    return set->high ? stops & ~(scan_mask)_mm256_movemask_epi8(bytes) : stops;
}

#elif defined(SCAN_SSE42)

#include <immintrin.h>

#define SCAN_TARGET   __attribute__((target("sse4.2")))
#define SCAN_WIDTH    16
#define SCAN_BIT_STEP 1
typedef uint32_t scan_mask;

SCAN_TARGET SCAN_INLINE scan_mask scan_stops(const char *at,
                                             const struct scan_set *set)
{
    const __m128i rows = _mm_load_si128((const void *)set->rows);
    const __m128i bits = _mm_set1_epi64x((int64_t)0x8040201008040201);
    __m128i bytes = _mm_loadu_si128((const void *)at);
    __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(15));
    __m128i belongs = _mm_and_si128(_mm_shuffle_epi8(rows, bytes),
                                    _mm_shuffle_epi8(bits, high));
    scan_mask stops = (scan_mask)_mm_movemask_epi8(
        _mm_cmpeq_epi8(belongs, _mm_setzero_si128()));

    return set->high ? stops & ~(scan_mask)_mm_movemask_epi8(bytes) : stops;
}

#elif defined(SCAN_NEON)

#include <arm_neon.h>

#define SCAN_TARGET
#define SCAN_WIDTH    16
#define SCAN_BIT_STEP 4
typedef uint64_t scan_mask;

SCAN_INLINE scan_mask scan_stops(const char *at, const struct scan_set *set)
{
    const uint8x16_t rows = vld1q_u8(set->rows);
    const uint8x16_t bits =
        vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    uint8x16_t bytes = vld1q_u8((const uint8_t *)at);
    uint8x16_t low = vqtbl1q_u8(rows, vandq_u8(bytes, vdupq_n_u8(0x0f)));
    uint8x16_t high = vqtbl1q_u8(bits, vshrq_n_u8(bytes, 4));
    uint8x16_t from_0x80 = vcgeq_u8(bytes, vdupq_n_u8(0x80));
    uint8x16_t belongs = vtstq_u8(low, high);

    belongs =
        set->high ? vorrq_u8(belongs, from_0x80) : vbicq_u8(belongs, from_0x80);
    /* Narrowing each pair of bytes by four bits leaves four bits a byte. */
    uint8x8_t mask = vshrn_n_u16(vreinterpretq_u16_u8(vmvnq_u8(belongs)), 4);
    return vget_lane_u64(vreinterpret_u64_u8(mask), 0);
}

#else

#define SCAN_TARGET
#define SCAN_WIDTH 0

#define SCAN_EACH(byte) (0x0101010101010101 * (uint64_t)(byte))

/* These set the top bit of each byte that ...; a carry never leaves its byte,
 * so that the answer is right for every byte and not only for the first. */
SCAN_INLINE uint64_t scan_below(uint64_t word, uint8_t limit)
{
    uint64_t at_least = (word & SCAN_EACH(0x7f)) + SCAN_EACH(0x80 - limit);

    return ~(at_least | word) & SCAN_EACH(0x80);
}

SCAN_INLINE uint64_t scan_equals(uint64_t word, uint8_t byte)
{
    return scan_below(word ^ SCAN_EACH(byte), 1);
}

SCAN_INLINE uint64_t scan_word_stops(uint64_t word, bool target)
{
    uint64_t stops = scan_equals(word, 0x7f);

    if (!target)
        return stops | (scan_below(word, ' ') & ~scan_equals(word, '\t'));
    return stops | scan_below(word, ' ' + 1) | (word & SCAN_EACH(0x80)) |
           scan_equals(word, '#') | scan_equals(word, '?');
}

SCAN_INLINE uint64_t scan_load_word(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

#endif

/* The first byte from `at` that is not of the set, or `end`, where the buffer
 * ends. */
#if SCAN_WIDTH > 0
SCAN_TARGET SCAN_INLINE const char *scan(const char *at, const char *end,
                                         const struct scan_set *set)
{
    for (; end - at >= SCAN_WIDTH; at += SCAN_WIDTH) {
        scan_mask stops = scan_stops(at, set);

        if (stops)
            return at + __builtin_ctzll(stops) / SCAN_BIT_STEP;
    }
    if (at == end)
        return end;

    /* The last load ends with the buffer; what it saw before goes out. */
    ptrdiff_t before = SCAN_WIDTH - (end - at);
    scan_mask stops = scan_stops(end - SCAN_WIDTH, set);

    stops >>= before * SCAN_BIT_STEP;
    return stops ? at + __builtin_ctzll(stops) / SCAN_BIT_STEP : end;
}
#else
SCAN_INLINE const char *scan(const char *at, const char *end,
                             const struct scan_set *set)
{
    /* Tokens and hosts are short, and their sets no simple ranges. */
    if (set != &scan_value && set != &scan_target)
        return scan_bytes(at, end, set);

    for (; end - at >= 8; at += 8) {
        uint64_t stops =
            scan_word_stops(scan_load_word(at), set == &scan_target);

        if (stops)
            return at + __builtin_ctzll(stops) / 8;
    }
    return scan_bytes(at, end, set);
}
#endif

/*
 * The ends of values in a buffer, one behind the other. Where a vector unit
 * looks at SCAN_BLOCK bytes ahead of the reader, the way from one line to the
 * next is bit arithmetic in a register; it does not wait for a load and a
 * compare whose address is only known when the line before it has been read.
 */
struct scan_ends {
    const char *end; /* of the buffer */
#if SCAN_WIDTH > 0
    const char *block;
    uint64_t stops; /* those of the block that were not asked for yet */
#endif
};

#if SCAN_WIDTH > 0

#define SCAN_BLOCK (64 / SCAN_BIT_STEP)

SCAN_TARGET SCAN_INLINE uint64_t scan_block(const char *at, const char *end)
{
    uint64_t stops = 0;

    for (int i = 0; i < SCAN_BLOCK; i += SCAN_WIDTH) {
        ptrdiff_t left = end - at - i;

        if (left >= SCAN_WIDTH)
            stops |= (uint64_t)scan_stops(at + i, &scan_value)
                     << i * SCAN_BIT_STEP;
        else if (left > 0)
            stops |= (uint64_t)(scan_stops(end - SCAN_WIDTH, &scan_value) >>
                                (SCAN_WIDTH - left) * SCAN_BIT_STEP)
                     << i * SCAN_BIT_STEP;
    }
    return stops;
}

SCAN_TARGET SCAN_INLINE struct scan_ends scan_ends_from(const char *at,
                                                        const char *end)
{
    struct scan_ends ends = {end, at, scan_block(at, end)};

    return ends;
}

/* The next byte that ends a value, or `end`. `at`, where the reader stands,
 * is behind the one before. */
SCAN_TARGET SCAN_INLINE const char *scan_next_end(struct scan_ends *ends,
                                                  const char *at)
{
    (void)at; /* the stops before it are gone */
    while (!ends->stops) {
        if (ends->end - ends->block <= SCAN_BLOCK)
            return ends->end;
        ends->block += SCAN_BLOCK;
        ends->stops = scan_block(ends->block, ends->end);
    }

    int bit = __builtin_ctzll(ends->stops);
#if SCAN_BIT_STEP == 1
    ends->stops &= ends->stops - 1;
#else
    ends->stops &= ~((((uint64_t)1 << SCAN_BIT_STEP) - 1) << bit);
#endif
    return ends->block + bit / SCAN_BIT_STEP;
}

#else

SCAN_INLINE struct scan_ends scan_ends_from(const char *at, const char *end)
{
    struct scan_ends ends = {end};

    (void)at; /* nothing is looked at ahead */
    return ends;
}

SCAN_INLINE const char *scan_next_end(struct scan_ends *ends, const char *at)
{
    return scan(at, ends->end, &scan_value);
}

#endif

#endif
