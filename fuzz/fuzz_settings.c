/*
 * fuzz_settings.c - the file of settings: each error is told, nothing is
 * guessed, and what was read and printed reads the same.
 */
#include "check.h"
#include "serve/settings_internal.h"
#include <eddy/log.h>

static const char *word, *mild;

static struct ed_option second = {NULL, "mild", &mild, NULL, "a flag"};
static struct ed_option first = {&second, "word", &word, "WORD", "a text"};

static const struct ed_settings_from from = {
    .program = "fuzz",
    .section = "serve",
    .usage = "fuzz",
    .own = &first,
};

static void read_lines(struct ed_settings *s, struct ed_bytes lines)
{
    CHECK(!ed_settings_begin(s, &from, 0, NULL));
    s->inside->to_log = true;
    ed_settings_default(s);
    ed_settings_read_lines(s, "file", lines);
}

static struct ed_buf print(const struct ed_settings *s)
{
    struct ed_buf out = {0};
    FILE *f = open_memstream(&out.ptr, &out.len);

    CHECK(f);
    ed_settings_print(s, f);
    CHECK(!fclose(f));
    return out;
}

static bool says_its_source(struct ed_bytes line)
{
    return ed_bytes_starts(line, ED_BYTES("# (from"));
}

/* All but where values come from, which is another line of another file. */
static void check_same(struct ed_bytes a, struct ed_bytes b)
{
    while (a.ptr || b.ptr) {
        struct ed_bytes one = ed_bytes_cut(&a, '\n');
        struct ed_bytes other = ed_bytes_cut(&b, '\n');
        CHECK(says_its_source(one) ? says_its_source(other)
                                   : ed_bytes_equal(one, other));
    }
}

static void check_reads_the_same(const struct ed_settings *s)
{
    struct ed_settings again;
    struct ed_buf said = print(s);

    read_lines(&again, ed_buf_bytes(&said));
    CHECK(again.inside->errors == 0);
    struct ed_buf repeated = print(&again);
    check_same(ed_buf_bytes(&said), ed_buf_bytes(&repeated));
    ed_settings_free(&again);
    free(repeated.ptr);
    free(said.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *copy = check_copy(ed_bytes_of(data, len));
    struct ed_settings s;

    CHECK(!ed_log_configure("off"));
    read_lines(&s, ed_bytes_of(copy, len));
    free(copy); /* nothing points there */
    if (!s.inside->errors)
        check_reads_the_same(&s);
    ed_settings_free(&s);
    return 0;
}
