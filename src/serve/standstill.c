/*
 * standstill.c - the loops that stood still lately: one writes, any number
 * read.
 *
 * A version that is odd, or changes, tells a reader that what it has read is
 * neither the one nor the other. The content are atomic words for the same
 * reason: it may be read while it is written.
 */
#include "serve/standstill.h"

#include <eddy/clock.h>
#include <stddef.h>
#include <string.h>

_Static_assert(sizeof(struct ed_standstill) % sizeof(uint64_t) == 0,
               "it is written by words");

enum { WORDS = sizeof(struct ed_standstill) / sizeof(uint64_t) };

/* Writing takes far less than a microsecond: who has not come to an end after
 * so many attempts was killed. */
enum { ATTEMPTS = 1000 };

static void copy_text(char *to, size_t size, const char *from)
{
    size_t len = from ? strnlen(from, size - 1) : 0;

    if (len)
        memcpy(to, from, len);
    memset(to + len, 0, size - len);
}

static void put(struct ed_standstill_note *note,
                const struct ed_standstill *what)
{
    uint32_t version =
        atomic_load_explicit(&note->version, memory_order_relaxed);
    uint64_t words[WORDS];

    memcpy(words, what, sizeof words);
    atomic_store_explicit(&note->version, version | 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < WORDS; i++)
        atomic_store_explicit(&note->words[i], words[i], memory_order_relaxed);
    atomic_store_explicit(&note->version, (version | 1) + 1,
                          memory_order_release);
}

/* False: it is being written. */
static bool get(const struct ed_standstill_note *note,
                struct ed_standstill *what)
{
    uint64_t words[WORDS];
    uint32_t version =
        atomic_load_explicit(&note->version, memory_order_acquire);

    for (size_t i = 0; i < WORDS; i++)
        words[i] = atomic_load_explicit(&note->words[i], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    if (version & 1 ||
        version != atomic_load_explicit(&note->version, memory_order_relaxed))
        return false;
    memcpy(what, words, sizeof words);
    return true;
}

void ed_standstill_read(const struct ed_standstill_note notes[ED_STANDSTILLS],
                        size_t i, struct ed_standstill *seen)
{
    bool got = false;

    for (int n = 0; n < ATTEMPTS && !got; n++)
        got = get(&notes[i], seen);
    if (!got)
        *seen = (struct ed_standstill){0};
    /* A worker that was taken over may have written anything. */
    seen->names[sizeof seen->names - 1] = '\0';
    seen->fiber[sizeof seen->fiber - 1] = '\0';
    seen->place[sizeof seen->place - 1] = '\0';
}

void ed_standstill_write(struct ed_standstill_note notes[ED_STANDSTILLS],
                         const struct ed_block *block)
{
    size_t i = block->number % ED_STANDSTILLS;
    struct ed_standstill now;

    ed_standstill_read(notes, i, &now);
    if (now.number > block->number)
        return; /* it has made room: another loop stood still meanwhile */
    if (now.number != block->number)
        now = (struct ed_standstill){
            .number = block->number,
            .began = ed_clock_realtime() - block->lasted,
        };
    now.lasted = block->lasted;
    now.over = block->over;
    if (block->names) {
        copy_text(now.names, sizeof now.names, block->names);
        copy_text(now.fiber, sizeof now.fiber, block->fiber);
        copy_text(now.place, sizeof now.place, block->place);
    }
    put(&notes[i], &now);
}
