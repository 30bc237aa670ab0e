/*
 * fuzz_statsd.c - an address and a prefix as somebody wrote them, and requests:
 * either is refused, or what is sent are whole lines that a statsd can read, in
 * datagrams that fit, which tell of each request once.
 *
 * The input is cut at bytes of 0: address, prefix, then three bytes a request:
 * its status, and how long it took.
 */
#include "check.h"
#include "serve/statsd.h"

#include <ctype.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <errno.h>
#include <unistd.h>

struct told {
    const char *prefix;
    uint64_t requests, statuses, durations;
};

/* ---- a statsd that is ours ---- */

static struct ed_addr where;

static int listener(void)
{
    static int fd = -1;
    socklen_t len = sizeof where.v4;

    if (fd >= 0)
        return fd;
    ed_log_set_level(ED_LOG_OFF);
    CHECK(!ed_addr_parse(&where, ED_BYTES("127.0.0.1:0")));
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    CHECK(!bind(fd, &where.any, where.len));
    CHECK(!getsockname(fd, &where.any, &len));
    return fd;
}

/* Takes it off the front; false: something else is there. */
static bool take(struct ed_bytes *line, const char *text)
{
    struct ed_bytes begin = ed_bytes(text);

    if (!ed_bytes_starts(*line, begin))
        return false;
    *line = ed_bytes_of(line->ptr + begin.len, line->len - begin.len);
    return true;
}

static uint64_t take_number(struct ed_bytes *line)
{
    uint64_t n = 0;

    CHECK(line->len && isdigit((unsigned char)*line->ptr));
    while (line->len && isdigit((unsigned char)*line->ptr)) {
        n = n * 10 + (uint64_t)(*line->ptr - '0');
        *line = ed_bytes_of(line->ptr + 1, line->len - 1);
    }
    return n;
}

static void hear_line(struct told *told, struct ed_bytes line)
{
    CHECK(take(&line, told->prefix));
    if (take(&line, "requests:")) {
        told->requests += take_number(&line);
        CHECK(ed_bytes_equal(line, ED_BYTES("|c")));
    } else if (take(&line, "request.status.")) {
        uint64_t status = take_number(&line);
        CHECK(status >= ED_STATUS_FIRST && status <= ED_STATUS_LAST);
        CHECK(take(&line, ":"));
        told->statuses += take_number(&line);
        CHECK(ed_bytes_equal(line, ED_BYTES("|c")));
    } else {
        CHECK(take(&line, "request.duration:"));
        (void)take_number(&line);
        CHECK(take(&line, ".") && line.len == strlen("000|ms"));
        (void)take_number(&line);
        CHECK(ed_bytes_equal(line, ED_BYTES("|ms")));
        told->durations++;
    }
}

static void hear(struct told *told)
{
    char text[64 * 1024];
    ssize_t n;

    while ((n = recv(listener(), text, sizeof text, 0)) >= 0) {
        struct ed_bytes rest = ed_bytes_of(text, (size_t)n);
        CHECK(n > 0 && n <= ED_STATSD_DATAGRAM);
        while (rest.ptr)
            hear_line(told, ed_bytes_cut(&rest, '\n'));
    }
}

/* ---- requests ---- */

static void request(struct ed_statsd *s, const uint8_t *in, struct told *said)
{
    int status = in[0] * 4;
    /* From none at all to days. */
    int64_t took = in[1] ? (int64_t)in[2] << in[1] % 48 : -1;

    ed_statsd_request(s, status, took);
    said->requests++;
    said->statuses += status >= ED_STATUS_FIRST && status <= ED_STATUS_LAST;
    said->durations += took >= 0;
}

static void check_lines(struct ed_statsd *s, struct ed_bytes requests)
{
    struct told said = {.prefix = s->prefix};
    struct told told = said;

    listener();
    if (s->fd >= 0)
        close(s->fd);
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    s->to = where;
    for (; requests.len >= 3;
         requests = ed_bytes_of(requests.ptr + 3, requests.len - 3)) {
        request(s, (const uint8_t *)requests.ptr, &said);
        hear(&told);
    }
    CHECK(!ed_sleep(ED_S));
    hear(&told);
    CHECK(s->timer.index == 0 && !s->dropped);
    CHECK(told.requests == said.requests && told.statuses == said.statuses &&
          told.durations == said.durations);
}

static bool is_plain(const char *prefix)
{
    return strlen(prefix) <= ED_STATSD_PREFIX &&
           !strpbrk(prefix, ":|@# \t\r\n");
}

static int run(void *arg)
{
    struct ed_bytes rest = *(struct ed_bytes *)arg;
    struct ed_bytes address = ed_bytes_cut(&rest, '\0');
    struct ed_bytes prefix = ed_bytes_cut(&rest, '\0');
    char *of = strndup(address.ptr ? address.ptr : "", address.len);
    char *with = strndup(prefix.ptr ? prefix.ptr : "", prefix.len);
    struct ed_statsd *s = NULL;

    CHECK(of && with);
    int err = ed_statsd_open(&s, of, with);
    CHECK(!err || !s);
    CHECK(!err || err == ED_EUSAGE || err == -EAFNOSUPPORT);
    if (!err) {
        CHECK(is_plain(with) && !strcmp(s->prefix, with));
        /* Only an address that is known is not looked for. */
        if (!s->search)
            check_lines(s, rest);
        ed_statsd_close(s);
    }
    free(of);
    free(with);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ed_bytes input = ed_bytes_of((const char *)data, len);

    listener();
    CHECK(!ed_run(run, &input, .virtual_clock = true));
    return 0;
}
