/*
 * hash.c - SipHash-1-3 under a random key of the process.
 *
 * Owns that key. One round a word and three at the end withstand flooding by
 * chosen keys at half the cost of the original 2-4.
 */
#include "base/hash.h"
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/random.h>

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void round_of(struct state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32) + s->v3;
    s->v2 += s->v1;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline void absorb(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    round_of(s);
    s->v0 ^= word;
}

/* Up to eight bytes, little-endian on every machine. */
static inline uint64_t load(const char *ptr, size_t len)
{
    uint64_t word = 0;

    if (len)
        memcpy(&word, ptr, len);
    return le64toh(word);
}

uint64_t ed_siphash13(const uint64_t key[2], struct ed_bytes b)
{
    /* The initial constants spell "somepseudorandomlygeneratedbytes". */
    struct state s = {
        key[0] ^ 0x736f6d6570736575,
        key[1] ^ 0x646f72616e646f6d,
        key[0] ^ 0x6c7967656e657261,
        key[1] ^ 0x7465646279746573,
    };
    uint64_t len_byte = (uint64_t)b.len << 56;

    for (; b.len >= 8; b.ptr += 8, b.len -= 8)
        absorb(&s, load(b.ptr, 8));
    /* The last word has the rest and, on top, the length. */
    absorb(&s, len_byte | load(b.ptr, b.len));
    s.v2 ^= 0xff;
    round_of(&s);
    round_of(&s);
    round_of(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

static uint64_t process_key[2];
static pthread_once_t key_drawn = PTHREAD_ONCE_INIT;

static void draw_key(void)
{
    ssize_t n;

    do
        n = getrandom(process_key, sizeof(process_key), 0);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)sizeof(process_key))
        return;
    /* Forbidden, as in some sandboxes: the kernel gave every program 16 random
     * bytes at its start. */
    const void *random = (const void *)getauxval(AT_RANDOM);
    if (random)
        memcpy(process_key, random, sizeof(process_key));
}

uint64_t ed_hash(struct ed_bytes b)
{
    pthread_once(&key_drawn, draw_key);
    return ed_siphash13(process_key, b);
}
