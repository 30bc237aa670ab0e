/*
 * fetch.c - `eddy fetch`: fetches URLs, all at once, and tells what each took.
 */
#include "fetch.h"
#include "commands.h"
#include <eddy/file.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Fetches that take longer are accompanied by a count on a terminal. */
static const int64_t PROGRESS_AFTER = ED_S;

/* ---- one ---- */

/* What the library says, without the request that the table names already. */
static char *text_of_failure(int err)
{
    const char *text = ed_error();
    const char *behind = strstr(text, ": ");
    const char *scheme = strstr(text, "://");

    if (!*text)
        text = ed_err_text(err);
    else if (behind && scheme && scheme < behind)
        text = behind + 2; /* else it is about a file, which is to be named */
    return strdup(text);
}

static int keep_piece(const struct fetch_job *job, ed_file *file,
                      const char *piece, size_t len)
{
    if (job->to_stdout)
        return fetch_write_out(piece, len);
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

static void note_tls(struct fetch_tls *tls, const ed_res *res)
{
    const struct ed_tls_info *info = ed_res_tls(res);
    const struct ed_tls_peer *peer = ed_res_tls_peer(res);

    if (info) {
        snprintf(tls->version, sizeof(tls->version), "%s", info->version);
        snprintf(tls->cipher, sizeof(tls->cipher), "%s", info->cipher);
        tls->resumed = info->resumed;
    }
    if (peer) {
        tls->has_peer = true;
        tls->peer = *peer;
    }
}

static int fetch_one(const struct fetch_run *run, struct fetch_job *job)
{
    struct ed_fetch_options options;
    ed_res *res;
    int err;

    /* Of the whole of it, reading the body included. */
    ed_scope(s, .within = run->settings.timeout, .name = "fetch");
    err = fetch_options_of(run, &options);
    if (!err)
        err = ed_fetch_with(&res, job->url, &options);
    if (err)
        return err;
    job->status = ed_res_status(res);
    job->redirects = ed_res_redirects(res);
    if (job->redirects)
        job->final_url = strdup(ed_res_url(res));
    note_tls(&job->tls, res);
    err = read_body(job, res);
    ed_res_timing(res, &job->timing);
    ed_res_close(res);
    return err;
}

/* ---- all ---- */

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
    const char *clear = "";

    while (!ed_sleep(PROGRESS_AFTER)) {
        fprintf(stderr, "\r%zu of %zu fetched ", run->done, run->count);
        clear = "\r\033[K";
    }
    fputs(clear, stderr);
    return 0;
}

static int fetch_all(struct fetch_run *run)
{
    ed_scope(beside);
    if (isatty(STDERR_FILENO))
        ed_go(beside, show_progress, run);
    ed_scope(s);
    for (size_t i = 0; i < run->count && (int64_t)i < run->settings.limit; i++)
        ed_go(s, work, run);
    return ed_wait(s);
}

static int run_in_loop(void *arg)
{
    struct fetch_run *run = arg;
    int err = fetch_open_client(run);

    if (!err) {
        run->began = ed_now();
        err = fetch_all(run);
        run->ended = ed_now();
    }
    /* What was fetched is told even if the cookies could not be kept. */
    run->unsaved = fetch_close_client(run) != 0;
    return err;
}

/* ---- the command ---- */

static int report(const struct fetch_run *run)
{
    FILE *out = run->jobs[0].to_stdout ? stderr : stdout;

    if (run->settings.json)
        fetch_report_json(run, out);
    else
        fetch_report_table(run, out);
    int status = run->unsaved ? EXIT_FAILED : 0;
    for (size_t i = 0; i < run->count; i++) {
        /* Such an option makes no request of any URL. */
        if (run->jobs[i].err == ED_EUSAGE)
            return EXIT_USAGE;
        if (fetch_failed(&run->jobs[i]))
            status = EXIT_FAILED;
    }
    return status;
}

static int fetch_jobs(struct fetch_run *run)
{
    int err = fetch_choose_files(run);

    if (!err)
        err = ed_run(run_in_loop, run);
    if (err >= 0)
        return report(run);
    return err == ED_EUSAGE ? EXIT_USAGE : EXIT_FAILED;
}

static void free_run(struct fetch_run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        free(run->jobs[i].url);
        free(run->jobs[i].told);
        free((char *)run->jobs[i].path);
        free(run->jobs[i].error);
        free(run->jobs[i].final_url);
    }
    free(run->jobs);
    ed_buf_free(&run->joined);
    fetch_free_options(&run->settings);
}

static int take_urls(struct fetch_run *run, int argc, char **argv)
{
    int err = 0;

    while (optind < argc && !err)
        err = fetch_take_url(&run->jobs[run->count++], argv[optind++]);
    return err;
}

int fetch_main(int argc, char **argv)
{
    struct fetch_run run = {
        .jobs = calloc((size_t)argc, sizeof(*run.jobs)),
    };
    int status = fetch_read_options(&run.settings, argc, argv);

    if (!status && run.settings.help)
        fetch_show_help();
    else if (!status && (!run.jobs || take_urls(&run, argc, argv)))
        status = EXIT_FAILED;
    else if (!status)
        status = fetch_jobs(&run);
    free_run(&run);
    return status;
}
