/*
 * fetch_files.c - which file the body of which URL goes to.
 */
#include "fetch.h"
#include "commands.h"
#include "wire/url.h"
#include <eddy/blocking.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* File systems allow 255 bytes; room is left for a number. */
#define NAME_MAX_BYTES 200

/* The last segment of the URL's path as it stands there, still encoded: so it
 * holds no slash and nothing that a terminal would act on. */
static struct ed_bytes name_of(const char *url_text)
{
    struct ed_url url;
    const char *why;
    struct ed_bytes name = {0};

    if (!ed_url_parse(&url, ed_bytes(url_text), &why)) {
        struct ed_bytes rest = url.path;
        while (rest.ptr)
            name = ed_bytes_cut(&rest, '/');
    }
    if (!name.len || ed_bytes_equal(name, ED_BYTES(".")) ||
        ed_bytes_equal(name, ED_BYTES("..")))
        name = ED_BYTES("index.html");
    if (name.len > NAME_MAX_BYTES)
        name.len = NAME_MAX_BYTES;
    return name;
}

static bool is_taken(const struct fetch_run *run, size_t count,
                     const char *path)
{
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(run->jobs[i].path, path))
            return true;
    }
    return false;
}

/* A path in the directory that no job before this one has: "x", "x.1", ... */
static int choose_in_directory(struct fetch_run *run, size_t index)
{
    struct fetch_job *job = &run->jobs[index];
    struct ed_bytes name = name_of(job->url);
    size_t room = strlen(run->settings.output) + name.len + 32;
    char *path = malloc(room);

    if (!path)
        return ED_ENOMEM;
    size_t len = (size_t)snprintf(path, room, "%s/%.*s", run->settings.output,
                                  (int)name.len, name.ptr);
    for (unsigned i = 1; is_taken(run, index, path); i++)
        snprintf(path + len, room - len, ".%u", i);
    job->path = path;
    return 0;
}

static int write_out(void *arg)
{
    struct ed_bytes *rest = arg;

    while (rest->len) {
        ssize_t n = write(STDOUT_FILENO, rest->ptr, rest->len);
        if (n < 0 && errno != EINTR)
            return -errno;
        *rest = ed_bytes_of(rest->ptr + (n > 0 ? n : 0),
                            rest->len - (size_t)(n > 0 ? n : 0));
    }
    return 0;
}

int fetch_write_out(const char *piece, size_t len)
{
    struct ed_bytes rest = ed_bytes_of(piece, len);
    int err = ed_blocking(write_out, &rest);

    return err ? ed_fail(err, "standard output: %s", ed_err_text(err)) : 0;
}

int fetch_choose_files(struct fetch_run *run)
{
    struct stat st;

    if (!run->settings.output)
        return 0;
    if (!strcmp(run->settings.output, "-")) {
        if (run->count > 1) {
            (void)usage_error("fetch: -o - takes the body of one URL");
            return ED_EUSAGE;
        }
        run->jobs[0].to_stdout = true;
        return 0;
    }
    bool exists = stat(run->settings.output, &st) == 0;
    if (exists && S_ISDIR(st.st_mode)) {
        int err = 0;
        for (size_t i = 0; i < run->count && !err; i++)
            err = choose_in_directory(run, i);
        return err;
    }
    if (run->count > 1) {
        (void)usage_error("fetch: -o %s is no directory, which several URLs"
                          " need",
                          run->settings.output);
        return ED_EUSAGE;
    }
    run->jobs[0].path = strdup(run->settings.output);
    return run->jobs[0].path ? 0 : ED_ENOMEM;
}
