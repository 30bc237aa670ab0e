/*
 * fetch.c - `eddy fetch`: fetches URLs, all at once, and tells what each took.
 */
#include "app/app_internal.h"
#include "commands.h"
#include "fetch.h"
#include <eddy/file.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

/* As many as curl has; each is a connection at most. */
#define DEFAULT_LIMIT 50
#define LIMIT_MAX     10000

/* The largest file that -d @FILE takes. */
#define DATA_MAX (64 * 1024 * 1024)

/* Fetches that take longer are accompanied by a count on a terminal. */
static const int64_t PROGRESS_AFTER = ED_S;

/* ---- the command line ---- */

enum { OPTION_JSON = 256, OPTION_LIMIT, OPTION_TIMEOUT, OPTION_HELP };

/* One row an option: what getopt_long() is told and what people are. */
static const struct row {
    int letter; /* or a number above all letters */
    const char *name;
    const char *placeholder; /* NULL: takes no value */
    const char *help;
} rows[] = {
    {'o', "output", "FILE|DIR", "keep the bodies; several need a directory"},
    {'H', "header", "LINE", "send a field, \"Name: value\"; may be repeated"},
    {'X', "request", "METHOD", "instead of GET, or POST with -d"},
    {'d', "data", "TEXT|@FILE", "send a body"},
    {OPTION_LIMIT, "limit", "N", "fetch at most so many at once; 50"},
    {OPTION_TIMEOUT, "timeout", "SECONDS", "give up a fetch after that; 30"},
    {OPTION_JSON, "json", NULL, "tell it as JSON"},
    {OPTION_HELP, "help", NULL, "this"},
};

#define ROWS (sizeof(rows) / sizeof(*rows))

static void show_help(void)
{
    fputs("usage: eddy fetch [OPTION...] URL...\n\n"
          "Fetches the URLs, all at once, and shows the status, the size and"
          " how long\neach phase took. Redirects are shown and not followed."
          "\n\n",
          stdout);
    for (size_t i = 0; i < ROWS; i++) {
        char left[40];
        const char *value = rows[i].placeholder;

        snprintf(left, sizeof(left), "--%s%s%s", rows[i].name, value ? " " : "",
                 value ? value : "");
        if (rows[i].letter < OPTION_JSON)
            printf("  -%c, %-22s %s\n", rows[i].letter, left, rows[i].help);
        else
            printf("      %-22s %s\n", left, rows[i].help);
    }
    fputs("\nExit status: 0; 1 if a fetch failed or was answered with 400 or"
          " above; 2 for\nwrong usage.\n",
          stdout);
}

/* The tables getopt_long() wants, made of ours. */
struct getopt_tables {
    char letters[2 + 2 * ROWS];
    struct option longs[ROWS + 1];
};

static void fill(struct getopt_tables *t)
{
    char *at = t->letters;

    *at++ = ':'; /* tell a missing value from an unknown option */
    for (size_t i = 0; i < ROWS; i++) {
        t->longs[i] = (struct option){
            .name = rows[i].name,
            .has_arg = rows[i].placeholder ? required_argument : no_argument,
            .val = rows[i].letter,
        };
        if (rows[i].letter >= OPTION_JSON)
            continue;
        *at++ = (char)rows[i].letter;
        if (rows[i].placeholder)
            *at++ = ':';
    }
}

static int unknown_option(const char *text)
{
    struct ed_suggestion best = {0};

    if (!strncmp(text, "--", 2)) {
        for (size_t i = 0; i < ROWS; i++)
            ed_suggest(&best, text + 2, rows[i].name);
    }
    if (best.word)
        return usage_error("fetch: no option '%s' (did you mean '--%s'?)", text,
                           best.word);
    return usage_error("fetch: no option '%s'", text);
}

static int take_number(const char *option, const char *text, int64_t max,
                       int64_t *value)
{
    if (ed_bytes_int(ed_bytes(text), value) || *value < 1 || *value > max)
        return usage_error("fetch: %s %s is not 1 to %lld", option, text,
                           (long long)max);
    return 0;
}

static int take_timeout(const char *text, int64_t *value)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end || !(seconds > 0 && seconds <= 1e6))
        return usage_error("fetch: --timeout %s is no number of seconds", text);
    *value = (int64_t)(seconds * (double)ED_S);
    return 0;
}

/* 0, or an exit status. */
static int take_option(struct fetch_run *run, int letter, char *value)
{
    switch (letter) {
    case 'o':
        run->output = value;
        return 0;
    case 'X':
        run->method = value;
        return 0;
    case 'd':
        run->data = ed_bytes(value);
        run->has_data = true;
        return 0;
    case 'H':
        run->headers[run->header_count++] = value;
        return 0;
    case OPTION_JSON:
        run->json = true;
        return 0;
    case OPTION_LIMIT:
        return take_number("--limit", value, LIMIT_MAX, &run->limit);
    default:
        return take_timeout(value, &run->timeout);
    }
}

/* Reads the command line. Returns 0 to go on, or sets *status and returns
 * another number. */
static int read_options(struct fetch_run *run, int argc, char **argv,
                        int *status)
{
    struct getopt_tables t = {0};
    int letter;

    fill(&t);
    opterr = 0;
    optind = 1;
    *status = 0;
    while ((letter = getopt_long(argc, argv, t.letters, t.longs, NULL)) >= 0) {
        if (letter == OPTION_HELP) {
            show_help();
            return 1;
        }
        if (letter == ':')
            *status = usage_error("fetch: %s needs a value", argv[optind - 1]);
        else if (letter == '?')
            *status = unknown_option(argv[optind - 1]);
        else
            *status = take_option(run, letter, optarg);
        if (*status)
            return 1;
    }
    if (optind == argc)
        *status = usage_error("fetch: no URL given");
    return *status;
}

/* ---- fetching ---- */

/* What the library says, without the request that the table names already. */
static char *text_of_failure(int err)
{
    const char *text = ed_error();
    const char *behind = strstr(text, ": ");

    if (!*text)
        text = ed_err_text(err);
    else if (behind)
        text = behind + 2;
    return strdup(text);
}

static int keep_piece(const struct fetch_job *job, ed_file *file,
                      const char *piece, size_t len)
{
    return file ? ed_file_pwrite(file, piece, len, (off_t)job->size) : 0;
}

static int read_body(struct fetch_job *job, ed_res *res)
{
    ed_file *file ED_FILE_AUTO = NULL;
    char piece[16 * 1024];
    ssize_t n = 0;
    int err = 0;

    if (job->path)
        err =
            ed_file_open(&file, job->path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    while (!err && (n = ed_res_read(res, piece, sizeof(piece))) > 0) {
        err = keep_piece(job, file, piece, (size_t)n);
        job->size += (uint64_t)n;
    }
    return err ? err : (int)n;
}

static int fetch_one(const struct fetch_run *run, struct fetch_job *job)
{
    ed_res *res;
    int err;

    ed_scope(s, .within = run->timeout, .name = "fetch");
    err =
        ed_fetch(&res, job->url, .method = run->method, .headers = run->headers,
                 .body = run->has_data ? run->data : (struct ed_bytes){0},
                 .content_type = "application/x-www-form-urlencoded",
                 .stream = true, .max_redirects = -1);
    if (err)
        return err;
    job->status = ed_res_status(res);
    err = read_body(job, res);
    ed_res_timing(res, &job->timing);
    ed_res_close(res);
    return err;
}

/* Does one job after the other until there are no more. */
static int work(void *arg)
{
    struct fetch_run *run = arg;

    while (run->next < run->count) {
        struct fetch_job *job = &run->jobs[run->next++];
        int64_t began = ed_now();

        job->err = fetch_one(run, job);
        if (job->err)
            job->error = text_of_failure(job->err);
        if (!job->timing.started)
            job->timing.started = began;
        job->ended = ed_now();
        run->done++;
    }
    return 0;
}

static int show_progress(void *arg)
{
    const struct fetch_run *run = arg;

    while (!ed_sleep(PROGRESS_AFTER))
        fprintf(stderr, "\r%zu of %zu fetched ", run->done, run->count);
    fputs("\r\033[K", stderr);
    return 0;
}

static int fetch_all(struct fetch_run *run)
{
    ed_scope(beside);
    if (isatty(STDERR_FILENO))
        ed_go(beside, show_progress, run);
    ed_scope(s);
    for (size_t i = 0; i < run->count && (int64_t)i < run->limit; i++)
        ed_go(s, work, run);
    return ed_wait(s);
}

/* -d @FILE, as curl has it. */
static int read_data(struct fetch_run *run)
{
    if (!run->data.len || run->data.ptr[0] != '@')
        return 0;
    int err = ed_file_read(&run->data, run->data.ptr + 1, DATA_MAX);
    if (err)
        fprintf(stderr, "eddy fetch: %s\n", ed_error());
    return err;
}

static int run_in_loop(void *arg)
{
    struct fetch_run *run = arg;
    int err = read_data(run);

    if (err)
        return err;
    run->began = ed_now();
    err = fetch_all(run);
    run->ended = ed_now();
    return err;
}

static int report(const struct fetch_run *run)
{
    if (run->json)
        fetch_report_json(run, stdout);
    else
        fetch_report_table(run, stdout);
    for (size_t i = 0; i < run->count; i++) {
        if (fetch_failed(&run->jobs[i]))
            return EXIT_FAILED;
    }
    return 0;
}

static int fetch_jobs(struct fetch_run *run)
{
    int err = fetch_choose_files(run);

    if (err)
        return err == ED_EUSAGE ? EXIT_USAGE : EXIT_FAILED;
    err = ed_run(run_in_loop, run);
    return err < 0 ? EXIT_FAILED : report(run);
}

static void free_run(struct fetch_run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        free((char *)run->jobs[i].path);
        free(run->jobs[i].error);
    }
    free(run->jobs);
    free(run->headers);
}

int fetch_main(int argc, char **argv)
{
    struct fetch_run run = {
        .jobs = calloc((size_t)argc, sizeof(*run.jobs)),
        .headers = calloc((size_t)argc, sizeof(*run.headers)),
        .limit = DEFAULT_LIMIT,
        .timeout = 30 * ED_S,
    };
    int status = EXIT_FAILED;

    if (run.jobs && run.headers && !read_options(&run, argc, argv, &status)) {
        while (optind < argc)
            run.jobs[run.count++].url = argv[optind++];
        status = fetch_jobs(&run);
    }
    free_run(&run);
    return status;
}
