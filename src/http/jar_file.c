/*
 * jar_file.c - jars as files, in the format of cookies.txt: a line for each
 * cookie, of seven parts with tabs between them.
 *
 *     .a.org  TRUE  /  FALSE  1798761600  name  value
 *
 * that is domain, whether names below it get it, too, path, Secure, the time it
 * expires (0: with the session), name and value. "#HttpOnly_" in front is not a
 * comment, as every other line that begins with '#' is.
 */
#include "http/jar.h"
#include "wire/http1.h"
#include <eddy/clock.h>
#include <eddy/fiber.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char TITLE[] = "# Netscape HTTP Cookie File\n"
                            "# Written by eddy; it is replaced as a whole.\n\n";

static const struct ed_bytes HTTP_ONLY = {"#HttpOnly_", 10};

/* A line that holds the longest cookie and the longest names. */
enum { LINE_MAX_BYTES = 16 * 1024 };

/* ---- saving ---- */

/* A tab would end the part it stands in; in the value, the last one, it does
 * no harm. */
static bool can_be_written(const struct ed_cookie *c)
{
    return !memchr(c->name.ptr, '\t', c->name.len) &&
           !memchr(c->path.ptr, '\t', c->path.len) && c->domain.ptr[0] != '#';
}

static void write_cookie(FILE *file, const struct ed_cookie *c)
{
    fprintf(file, "%s%s%s\t%s\t%s\t%s\t%lld\t%s\t%s\n",
            c->http_only ? HTTP_ONLY.ptr : "", c->host_only ? "" : ".",
            c->domain.ptr, c->host_only ? "FALSE" : "TRUE", c->path.ptr,
            c->secure ? "TRUE" : "FALSE", (long long)c->expires, c->name.ptr,
            c->value.ptr);
}

static int write_all(const ed_jar *jar, FILE *file, bool sessions)
{
    int64_t now = ed_clock_realtime() / ED_S;

    fputs(TITLE, file);
    ed_list_each (link, &jar->cookies) {
        const struct ed_cookie *c =
            ED_CONTAINER(link, struct ed_cookie, in_jar);
        bool lasts = c->expires ? c->expires > now : sessions;

        if (lasts && can_be_written(c))
            write_cookie(file, c);
    }
    if (fflush(file) || ferror(file) || fsync(fileno(file)))
        return errno ? -errno : -EIO;
    return 0;
}

/* Into a file of its own beside it: mode 0600, as mkstemp() makes it. */
static int write_new(const ed_jar *jar, char *name, bool sessions)
{
    int fd = mkstemp(name);
    if (fd < 0)
        return -errno;

    FILE *file = fdopen(fd, "w");
    int err = file ? write_all(jar, file, sessions) : -errno;
    if (!file)
        close(fd);
    else if (fclose(file) && !err)
        err = -errno;
    return err;
}

int ed_jar_save(const ed_jar *jar, const char *path, bool sessions)
{
    char *name;

    if (asprintf(&name, "%s.XXXXXX", path) < 0)
        return ED_ENOMEM;
    int err = write_new(jar, name, sessions);
    if (!err && rename(name, path))
        err = -errno;
    if (err)
        unlink(name);
    free(name);
    return err ? ed_fail(err, "cookies to %s: %s", path, ed_err_text(err)) : 0;
}

/* ---- loading ---- */

/* A line taken apart. */
struct line {
    struct ed_bytes domain;
    bool below;
    struct ed_bytes path;
    bool secure;
    int64_t expires;
    struct ed_bytes name;
    struct ed_bytes value;
    bool http_only;
};

static bool read_bool(struct ed_bytes text, bool *value)
{
    *value = ed_bytes_equal_nocase(text, ED_BYTES("TRUE"));
    return *value || ed_bytes_equal_nocase(text, ED_BYTES("FALSE"));
}

/* NULL, or what is wrong with it. */
static const char *read_line(struct line *l, struct ed_bytes rest)
{
    l->http_only = ed_bytes_starts(rest, HTTP_ONLY);
    if (l->http_only)
        rest = ed_bytes_of(rest.ptr + HTTP_ONLY.len, rest.len - HTTP_ONLY.len);
    l->domain = ed_bytes_cut(&rest, '\t');
    if (ed_bytes_starts(l->domain, ED_BYTES(".")))
        l->domain = ed_bytes_of(l->domain.ptr + 1, l->domain.len - 1);
    struct ed_bytes below = ed_bytes_cut(&rest, '\t');
    l->path = ed_bytes_cut(&rest, '\t');
    struct ed_bytes secure = ed_bytes_cut(&rest, '\t');
    struct ed_bytes expires = ed_bytes_cut(&rest, '\t');
    if (!rest.ptr)
        return "less than six parts with tabs between them";
    /* Some writers leave out an empty value with its tab. */
    l->name = ed_bytes_cut(&rest, '\t');
    l->value = rest;
    if (!l->domain.len)
        return "no domain";
    if (!read_bool(below, &l->below) || !read_bool(secure, &l->secure))
        return "neither TRUE nor FALSE";
    if (ed_bytes_int(expires, &l->expires))
        return "a time that is no number";
    return NULL;
}

static const char *take_line(ed_jar *jar, struct ed_bytes text, int *err)
{
    int64_t now = ed_clock_realtime() / ED_S;
    struct ed_jar_place from;
    struct line l;
    const char *why = read_line(&l, text);

    *err = ED_EPARSE;
    if (why)
        return why;
    if (!ed_http1_is_value(ed_bytes_trim(text)))
        return "a control character";
    if (l.name.len + l.value.len > ED_COOKIE_MAX ||
        l.name.len + l.value.len == 0)
        return "no cookie, or one larger than 4096 bytes";
    if (!ed_jar_place(&from, l.domain, ED_BYTES("/"), true))
        return "a domain that is too long";
    struct ed_set_cookie set = {
        .name = l.name,
        .value = l.value,
        .domain = l.below ? l.domain : ED_BYTES(""),
        .path = ed_bytes_starts(l.path, ED_BYTES("/")) ? l.path : ED_BYTES("/"),
        .persistent = l.expires > 0,
        .expires = l.expires,
        .secure = l.secure,
        .http_only = l.http_only,
    };
    int kept = ed_jar_keep(jar, &from, &set, now, &why);
    if (kept == ED_ENOMEM)
        *err = kept;
    else if (!kept)
        *err = 0;
    return why;
}

static bool is_comment(struct ed_bytes line)
{
    return !ed_bytes_trim(line).len ||
           (line.ptr[0] == '#' && !ed_bytes_starts(line, HTTP_ONLY));
}

static struct ed_bytes without_end(const char *text)
{
    struct ed_bytes line = ed_bytes(text);

    while (line.len &&
           (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    return line;
}

static int read_all(ed_jar *jar, FILE *file, const char *path)
{
    char text[LINE_MAX_BYTES];
    unsigned number = 0;

    while (fgets(text, sizeof(text), file)) {
        struct ed_bytes line = without_end(text);
        const char *why;
        int err;

        number++;
        if (line.len == sizeof(text) - 1)
            return ed_fail(ED_EPARSE, "%s:%u: a line that is too long", path,
                           number);
        if (is_comment(line))
            continue;
        why = take_line(jar, line, &err);
        if (err)
            return ed_fail(err, "%s:%u: %s", path, number,
                           err == ED_ENOMEM ? ed_err_text(err) : why);
    }
    if (ferror(file))
        return ed_fail(-EIO, "cookies of %s: cannot be read", path);
    return 0;
}

int ed_jar_load(ed_jar *jar, const char *path)
{
    FILE *file = fopen(path, "re");

    if (!file)
        return ed_fail(-errno, "cookies of %s: %s", path, ed_err_text(-errno));
    int err = read_all(jar, file, path);
    fclose(file);
    return err;
}
