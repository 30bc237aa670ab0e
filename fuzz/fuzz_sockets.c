/*
 * fuzz_sockets.c - the variable EDDY_SOCKETS: what is taken from it is given
 * again as the same, and a descriptor belongs to one socket alone.
 *
 * Descriptors from OURS on are there to be taken; those of the process itself
 * may be named as well, and stay open.
 */
#include "check.h"
#include "serve/sockets.h"

#include <fcntl.h>
#include <unistd.h>

enum { OURS = 100, OURS_END = 108 };

static const char VARIABLE[] = "EDDY_SOCKETS";

static void open_ours(void)
{
    for (int fd = OURS; fd < OURS_END; fd++)
        CHECK(dup2(STDERR_FILENO, fd) == fd);
}

static void close_taken(struct ed_sockets *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct ed_bound *bound = &s->each[i].bound;
        if (bound->fd < OURS || bound->fd >= OURS_END)
            bound->fd = -1;
    }
    ed_sockets_close(s, true); /* no file is removed */
}

static bool names(const struct ed_sockets *s, size_t before, int fd)
{
    for (size_t i = 0; i < before; i++) {
        if (s->each[i].bound.fd == fd)
            return true;
    }
    return false;
}

static void check_taken(const struct ed_sockets *s)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct ed_sockets_entry *entry = &s->each[i];
        int flags = fcntl(entry->bound.fd, F_GETFD);

        CHECK(entry->bound.fd > STDERR_FILENO && flags >= 0);
        CHECK(flags & FD_CLOEXEC);
        CHECK(entry->address && !strchr(entry->address, '\n'));
        CHECK(!names(s, i, entry->bound.fd));
    }
}

static void check_same(const struct ed_sockets *a, const struct ed_sockets *b)
{
    CHECK(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        const struct ed_socket_file *one = &a->each[i].bound.file;
        const struct ed_socket_file *other = &b->each[i].bound.file;

        CHECK(a->each[i].bound.fd == b->each[i].bound.fd);
        CHECK(!strcmp(a->each[i].address, b->each[i].address));
        CHECK(!one->path == !other->path);
        CHECK(!one->path || !strcmp(one->path, other->path));
        CHECK(one->dev == other->dev && one->ino == other->ino);
    }
}

static void check_given_again(const struct ed_sockets *s)
{
    struct ed_sockets again;

    CHECK(!ed_sockets_give(&s, 1));
    CHECK(!ed_sockets_take(&again));
    check_same(s, &again);
    for (size_t i = 0; i < again.count; i++)
        again.each[i].bound.fd = -1; /* they are those of `s` */
    ed_sockets_close(&again, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = strndup((const char *)data, len);
    struct ed_sockets taken;

    open_ours();
    CHECK(text && !setenv(VARIABLE, text, 1));
    if (!ed_sockets_take(&taken)) {
        check_taken(&taken);
        check_given_again(&taken);
    }
    CHECK(!getenv(VARIABLE));
    close_taken(&taken);
    free(text);
    return 0;
}
