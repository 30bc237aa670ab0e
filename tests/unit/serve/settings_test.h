/*
 * settings_test.h - a program with options of its own whose settings are read,
 * and what it says meanwhile; for the tests of settings.
 */
#ifndef EDDY_TESTS_SERVE_SETTINGS_TEST_H
#define EDDY_TESTS_SERVE_SETTINGS_TEST_H

#include "serve/settings_internal.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *word, *other, *mild;

static struct ed_option third = {NULL, "mild", &mild, NULL, "a flag"};
static struct ed_option second = {&third, "workers", &other, "N",
                                  "a name that a setting has, too"};
static struct ed_option first = {&second, "word", &word, "WORD", "one"};

static struct ed_option_default own_default = {NULL, "backlog", "7"};

static struct ed_settings_from from = {
    .program = "prog",
    .section = "serve",
    .usage = "prog",
    .own = &first,
    .defaults = &own_default,
    .arguments = 1,
};

static char path[] = "/tmp/eddy-settings-XXXXXX";

/* What was said on standard output and error while the settings were read. */
static char told[32768], said[8192];

#define read_settings(s, ...) \
    read_settings_((s), (char *[]){"prog", ##__VA_ARGS__, NULL})

/* What is written to a descriptor until it is let go. */
struct caught {
    int fd, kept, in;
};

static struct caught begin_catching(FILE *f)
{
    struct caught c = {fileno(f), dup(fileno(f)), memfd_create("caught", 0)};

    fflush(f);
    dup2(c.in, c.fd);
    return c;
}

static void let_go(const struct caught *c, FILE *f, char *text, size_t size)
{
    fflush(f);
    dup2(c->kept, c->fd);
    ssize_t n = pread(c->in, text, size - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    close(c->kept);
    close(c->in);
}

static int read_settings_(struct ed_settings *s, char **argv)
{
    struct caught out = begin_catching(stdout), err = begin_catching(stderr);
    int argc = 0;

    while (argv[argc])
        argc++;
    int status = ed_settings_read(s, &from, argc, argv);
    let_go(&err, stderr, said, sizeof said);
    let_go(&out, stdout, told, sizeof told);
    return status;
}

static void expect_said(const char *text)
{
    if (!strstr(said, text))
        fail_msg("not said: %s\n%s", text, said);
}

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int begin(void **state)
{
    (void)state;
    word = other = mild = NULL;
    unsetenv("EDDY_CONFIG");
    unsetenv("EDDY_DRAIN_TIMEOUT");
    unsetenv("EDDY_LISTEN");
    return 0;
}

#endif
