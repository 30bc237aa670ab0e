/*
 * static_site.h - a directory of files, an app that serves it, and a client.
 *
 *     struct site s;
 *     site_open(&s, .list = true);
 *     site_file(&s, "a.txt", "hello");
 *     site_ask(&s, "GET", "/static/a.txt", "Range: bytes=0-1\r\n");
 *     check_int(s.status, 206);
 *     check_text(s.body, "he");
 *     site_close(&s);
 *
 * Files are as old as FILES_TIME, so that they have the same dates each time.
 */
#ifndef EDDY_TESTS_APP_STATIC_SITE_H
#define EDDY_TESTS_APP_STATIC_SITE_H

#include "../http/served.h"
#include "app/open_files.h"
#include "tree.h"

#include <eddy/static.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FILES_TIME 1700000000
#define FILES_DATE "Tue, 14 Nov 2023 22:13:20 GMT"

struct site {
    char directory[40];
    ed_app *app;
    struct served served;
    ed_tls *client_tls; /* set before site_ask(); NULL: in the clear */
    /* Of the last answer. */
    int status;
    char *head, *body; /* NUL-terminated */
    size_t body_len;
    struct ed_buf answer;
};

static inline const char *site_path(const struct site *s, const char *name)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", s->directory, name);
    return path;
}

static inline void site_age(const struct site *s, const char *name, int64_t at)
{
    struct timespec times[2] = {{at, 0}, {at, 0}};
    check_int(
        utimensat(AT_FDCWD, site_path(s, name), times, AT_SYMLINK_NOFOLLOW), 0);
}

/* Makes a file of these bytes, or gives it new ones. */
static inline void site_bytes(const struct site *s, const char *name,
                              const void *bytes, size_t len)
{
    FILE *f = fopen(site_path(s, name), "w");
    if (!check(f != NULL))
        return;
    check_int((long long)fwrite(bytes, 1, len, f), (long long)len);
    check_int(fclose(f), 0);
    site_age(s, name, FILES_TIME);
}

static inline void site_file(const struct site *s, const char *name,
                             const char *text)
{
    site_bytes(s, name, text, strlen(text));
}

static inline void site_folder(const struct site *s, const char *name)
{
    check_int(mkdir(site_path(s, name), 0755), 0);
}

static inline void site_link(const struct site *s, const char *name,
                             const char *target)
{
    check_int(symlink(target, site_path(s, name)), 0);
}

static inline void site_make_directory(struct site *s)
{
    *s = (struct site){.directory = "/tmp/eddy-static-XXXXXX"};
    check(mkdtemp(s->directory) != NULL);
    s->app = ed_app_new();
}

/* Serves s->app; its directories are there. */
static inline void site_serve(struct site *s)
{
    served_open(&s->served, ed_app_handle, .user = s->app);
}

#define site_open(s, ...)                                               \
    (site_make_directory(s),                                            \
     (void)ed_static((s)->app, "/static", (s)->directory, __VA_ARGS__), \
     site_serve(s))

static inline void site_close(struct site *s)
{
    ed_buf_free(&s->answer);
    ed_open_files_close();
    served_close(&s->served);
    ed_app_free(s->app);
    check_int(tree_remove(s->directory), 0);
}

static inline void site_read_answer(struct site *s, ed_stream *client)
{
    ssize_t n;
    ed_buf_free(&s->answer);
    do {
        check_int(ed_buf_reserve(&s->answer, 65536), 0);
        n = ed_stream_read(client, s->answer.ptr + s->answer.len, 65536);
        s->answer.len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    s->answer.ptr[s->answer.len] = '\0';
    s->head = s->answer.ptr;
    s->status = s->answer.len > 12 ? (int)strtol(s->head + 9, NULL, 10) : 0;
    char *end = strstr(s->head, "\r\n\r\n");
    s->body = end ? end + 4 : s->answer.ptr + s->answer.len;
    s->body_len = s->answer.len - (size_t)(s->body - s->head);
    if (end)
        end[2] = '\0';
}

/* Asks, on a connection of its own; `fields` end with line ends, or NULL. */
static inline void site_ask(struct site *s, const char *method,
                            const char *target, const char *fields)
{
    ed_stream *client = served_connect(&s->served);
    if (s->client_tls)
        check_int(ed_start_tls(&client, s->client_tls), 0);
    check_int(ed_stream_printf(client,
                               "%s %s HTTP/1.1\r\nHost: a\r\n"
                               "Connection: close\r\n%s\r\n",
                               method, target, fields ? fields : ""),
              0);
    site_read_answer(s, client);
    ed_stream_close(client);
}

static inline void site_get(struct site *s, const char *target)
{
    site_ask(s, "GET", target, NULL);
}

/* The value of a field of the answer; "" without it. Valid until the next but
 * three. */
static inline const char *site_field(const struct site *s, const char *name)
{
    static char values[4][300];
    static unsigned turn;
    char *value = values[turn++ % 4];
    size_t len = strlen(name);
    *value = '\0';
    for (const char *at = s->head; (at = strstr(at, "\r\n")); at += 2) {
        if (strncasecmp(at + 2, name, len) || at[2 + len] != ':')
            continue;
        const char *from = at + 2 + len + 2;
        snprintf(value, 300, "%.*s", (int)strcspn(from, "\r"), from);
        break;
    }
    return value;
}

/* Bytes that repeat only after a long while, so that parts can be told apart;
 * to be freed. */
static inline char *site_noise(size_t len)
{
    char *bytes = malloc(len + 1);
    uint32_t seed = 1;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)test_random(&seed, 256);
    return bytes;
}

#endif
