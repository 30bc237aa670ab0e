/*
 * suggest.c - the word that was probably meant.
 */
#include "app/app_internal.h"

/* Longer words are not looked at: nobody types them by hand. */
#define WORD_MAX 64

static size_t least(size_t a, size_t b, size_t c)
{
    size_t low = a < b ? a : b;
    return low < c ? low : c;
}

/* How many letters must be added, left out or changed, or swapped with their
 * neighbour, to make one word the other. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        above[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = least(above[j] + 1, row[j - 1] + 1,
                           above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                a[i - 2] == b[j - 1] && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[b_len];
}

void ed_suggest(struct ed_suggestion *best, const char *text, const char *word)
{
    size_t len = strlen(text), word_len = strlen(word);
    if (len > WORD_MAX || word_len > WORD_MAX)
        return;
    size_t d = distance(text, len, word, word_len);
    /* More than every third letter wrong is another word; one may be in any. */
    size_t most = word_len < 6 ? 1 : word_len / 3;
    if (d > most || (best->word && d >= best->distance))
        return;
    best->word = word;
    best->distance = d;
}
