/*
 * asked.h - many who ask a database at once while its wire is disturbed, and
 * what came of it: each has its own answer or a clear error, in time.
 *
 * For tests of a fiber; the checks are those of fiber_test.h, which stands
 * before this.
 */
#ifndef EDDY_TESTS_ASKED_H
#define EDDY_TESTS_ASKED_H

#include <eddy/error.h>

enum { ASKED_FIBERS = 6, ASKED_EACH = 3, ASKED = ASKED_FIBERS * ASKED_EACH };

struct asked {
    /* Asks for what only `number` gives, which is below `numbers`; 0 and the
     * answer, or an error. */
    int (*ask)(const struct asked *asked, long long number, long long *answer);
    uint32_t numbers;
    void *db;
    const void *how; /* for ask() */
    int64_t within;  /* each question's deadline */

    int right, uncertain, down, late, wrong;
    char text[200]; /* of the last error */
};

static inline void asked_count_(struct asked *a, int err, bool same)
{
    a->right += !err && same;
    a->wrong += !err && !same;
    a->uncertain += err == ED_EUNCERTAIN;
    a->down += err == ED_EDATABASE;
    a->late += err == ED_ETIMEOUT;
    if (err)
        snprintf(a->text, sizeof a->text, "%s: %s", ed_err_name(err),
                 ed_error());
}

static inline int asked_some_(void *arg)
{
    static uint32_t seed = 1;
    struct asked *a = arg;

    for (int i = 0; i < ASKED_EACH; i++) {
        ed_scope(s, .within = a->within);
        (void)s;
        long long number = test_random(&seed, a->numbers), answer = -1;
        int err = a->ask(a, number, &answer);
        asked_count_(a, err, answer == number);
    }
    return 0;
}

/* All of them at once; each has to end with one of the outcomes known. `words`
 * and `at` tell where the wire was disturbed. */
static inline void asked_together(struct asked *a, const char *words,
                                  unsigned at)
{
    int64_t began = ed_now();
    ed_scope(s, .independent = true);
    for (int i = 0; i < ASKED_FIBERS; i++)
        ed_go(s, asked_some_, a);
    check_int(ed_wait(s), 0);
    int ended = a->right + a->uncertain + a->down + a->late;
    check_(ended == ASKED && !a->wrong,
           "%s at byte %u: %d right, %d wrong, %d uncertain, %d down, %d late,"
           " of %d; %s",
           words, at, a->right, a->wrong, a->uncertain, a->down, a->late, ASKED,
           a->text);
    check_(ed_now() - began < ASKED_EACH * a->within + ED_S,
           "%s at byte %u: took %d ms", words, at,
           (int)((ed_now() - began) / ED_MS));
}

#endif
