/*
 * test_dialogues.c - every dialogue of tests/wire, held in full, byte by
 * byte and in random pieces; what the server sends must be the same each time.
 */
#include "dialogue.h"

#include "../fiber_test.h"

#include <eddy/log.h>
#include <glob.h>
#include <stdlib.h>

enum { RANDOM_CUTS = 6 };

static struct dialogue *dialogues;

static bool hold_again(const struct dialogue *d, int cut,
                       const struct ed_buf *first)
{
    struct ed_buf heard = {0};
    bool well = dialogue_hold(d, cut, &heard);
    well = check_(!well ||
                      ed_bytes_equal(ed_buf_bytes(&heard), ed_buf_bytes(first)),
                  "%s: %s: sent in pieces (%d) the answer differs:\n%.*s",
                  d->file, d->name, cut, (int)heard.len, heard.ptr) &&
           well;
    ed_buf_free(&heard);
    return well;
}

static int hold_all_ways(void *arg)
{
    const struct dialogue *d = arg;
    struct ed_buf heard = {0};
    bool well = dialogue_hold(d, CUT_NOT, &heard);
    for (int cut = CUT_BYTES; well && cut <= RANDOM_CUTS; cut++)
        well = hold_again(d, cut, &heard);
    ed_buf_free(&heard);
    return well ? 0 : ED_EPROTO;
}

static void a_dialogue(void **state)
{
    fiber_test_failures = 0;
    assert_int_equal(ed_run(hold_all_ways, *state, .virtual_clock = true), 0);
}

static struct CMUnitTest *make_tests(size_t *count)
{
    struct CMUnitTest *tests = NULL;
    *count = 0;
    for (struct dialogue *d = dialogues; d; d = d->next) {
        tests = realloc(tests, (*count + 1) * sizeof *tests);
        tests[(*count)++] = (struct CMUnitTest){
            .name = d->name,
            .test_func = a_dialogue,
            .initial_state = d,
        };
    }
    return tests;
}

static bool read_files(const glob_t *files)
{
    struct dialogue **end = &dialogues;
    for (size_t i = 0; i < files->gl_pathc && end; i++)
        end = dialogue_read(files->gl_pathv[i], end);
    return end && dialogues;
}

/* Arguments are files to use instead, for trying one out. */
int main(int argc, char **argv)
{
    glob_t files = {0};
    size_t count;
    ed_log_set_level(ED_LOG_OFF);
    for (int i = 1; i < argc; i++)
        glob(argv[i], i > 1 ? GLOB_APPEND : 0, NULL, &files);
    if (argc == 1)
        glob("tests/wire/*.dlg", 0, NULL, &files);
    int failed = 1;
    if (read_files(&files)) {
        struct CMUnitTest *tests = make_tests(&count);
        failed = _cmocka_run_group_tests("dialogues", tests, count, NULL, NULL);
        free(tests);
    }
    dialogue_free(dialogues);
    globfree(&files);
    return failed;
}
