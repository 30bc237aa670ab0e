/*
 * sockets.c - the master's listening sockets.
 *
 * Another master gets them by EDDY_SOCKETS: "FD FILE ADDRESS" a line, FILE
 * being the text of a Unix socket's file or '-', and the address the one that
 * was asked for, so that it finds what it wants.
 */
#include "serve/sockets.h"

#include <eddy/bytes.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net/activation.h"
#include "net/addr.h"
#include "serve/handed.h"

static const char VARIABLE[] = "EDDY_SOCKETS";

/* ---- the set ---- */

static struct ed_sockets_entry *add(struct ed_sockets *sockets)
{
    struct ed_sockets_entry *each =
        realloc(sockets->each, (sockets->count + 1) * sizeof *each);

    if (!each)
        return NULL;
    sockets->each = each;
    each += sockets->count++;
    *each = (struct ed_sockets_entry){.bound.fd = -1};
    return each;
}

static void move(struct ed_sockets *from, size_t i, struct ed_sockets_entry *to)
{
    *to = from->each[i];
    from->each[i] = from->each[--from->count];
}

/* Sockets of the service manager are asked for by their name, or all at once
 * by the word alone. */
static const struct ed_bytes MANAGER = ED_BYTES("systemd");
static const struct ed_bytes MANAGER_NAMED = ED_BYTES("systemd:");

static bool is_managers(struct ed_bytes address)
{
    return ed_bytes_equal(address, MANAGER) ||
           ed_bytes_starts(address, MANAGER_NAMED);
}

static bool answers_to(const struct ed_sockets_entry *entry,
                       struct ed_bytes address)
{
    struct ed_bytes own = ed_bytes(entry->address);

    return ed_bytes_equal(own, address) ||
           (ed_bytes_equal(address, MANAGER) &&
            ed_bytes_starts(own, MANAGER_NAMED));
}

static size_t find(const struct ed_sockets *sockets, struct ed_bytes address)
{
    size_t i = 0;

    while (i < sockets->count && !answers_to(&sockets->each[i], address))
        i++;
    return i;
}

/* ---- opening ---- */

static int open_one(struct ed_sockets_entry *entry, const char *address,
                    unsigned backlog, int unix_mode)
{
    const struct ed_listen_options options = {
        .size = sizeof options,
        .backlog = (int)backlog,
        .unix_mode = unix_mode,
    };

    entry->address = strdup(address);
    if (!entry->address)
        return ED_ENOMEM;
    int err = ed_listen_fd(&entry->bound, address, &options);
    if (err)
        ed_log_error("cannot %s", entry->bound.why);
    return err;
}

static int take_over(struct ed_sockets *sockets, struct ed_sockets *old,
                     size_t i)
{
    struct ed_sockets_entry *entry = add(sockets);

    if (!entry)
        return ED_ENOMEM;
    move(old, i, entry);
    entry->taken_over = true;
    return 0;
}

static int take_managers(struct ed_sockets *sockets, const char *address,
                         struct ed_sockets *old)
{
    size_t before = sockets->count;
    size_t i;
    int err = 0;

    while (!err && old && (i = find(old, ed_bytes(address))) < old->count)
        err = take_over(sockets, old, i);
    if (err || sockets->count > before)
        return err;
    ed_log_error("cannot listen on %s: the service manager has handed over no "
                 "such socket",
                 address);
    return ED_EADDR;
}

static int take_or_open(struct ed_sockets *sockets, const char *address,
                        unsigned backlog, int unix_mode, struct ed_sockets *old)
{
    if (is_managers(ed_bytes(address)))
        return take_managers(sockets, address, old);
    size_t known = old ? find(old, ed_bytes(address)) : 0;
    if (old && known < old->count) {
        int err = take_over(sockets, old, known);
        if (!err) /* which may have changed */
            listen(sockets->each[sockets->count - 1].bound.fd, (int)backlog);
        return err;
    }
    struct ed_sockets_entry *entry = add(sockets);
    return entry ? open_one(entry, address, backlog, unix_mode) : ED_ENOMEM;
}

int ed_sockets_open(struct ed_sockets *sockets,
                    const struct ed_texts *addresses, unsigned backlog,
                    int unix_mode, struct ed_sockets *old)
{
    int err = 0;

    *sockets = (struct ed_sockets){0};
    for (size_t i = 0; i < addresses->count && !err; i++)
        err =
            take_or_open(sockets, addresses->each[i], backlog, unix_mode, old);
    if (err)
        ed_sockets_undo(sockets, old);
    return err;
}

void ed_sockets_undo(struct ed_sockets *sockets, struct ed_sockets *old)
{
    for (size_t i = sockets->count; old && i--;) {
        if (!sockets->each[i].taken_over)
            continue;
        struct ed_sockets_entry *entry = add(old);
        if (!entry)
            break; /* closed then, as what is not needed */
        move(sockets, i, entry);
    }
    ed_sockets_close(sockets, false);
}

void ed_sockets_close(struct ed_sockets *sockets, bool handed_on)
{
    for (size_t i = 0; i < sockets->count; i++) {
        struct ed_sockets_entry *entry = &sockets->each[i];
        if (handed_on)
            ed_socket_file_leave(&entry->bound.file);
        ed_bound_close(&entry->bound);
        free(entry->address);
    }
    free(sockets->each);
    *sockets = (struct ed_sockets){0};
}

void ed_sockets_shut(struct ed_sockets *sockets)
{
    for (size_t i = 0; i < sockets->count; i++) {
        struct ed_bound *bound = &sockets->each[i].bound;
        if (bound->fd >= 0)
            close(bound->fd);
        bound->fd = -1;
    }
}

void ed_sockets_address(const struct ed_sockets_entry *entry,
                        char out[ED_ADDR_TEXT])
{
    struct ed_addr addr = {.len = sizeof addr.un};

    if (getsockname(entry->bound.fd, &addr.any, &addr.len))
        addr.len = 0;
    ed_addr_text(&addr, out);
}

int ed_sockets_hand(const struct ed_sockets *sockets)
{
    struct ed_buf text = {0};
    char address[ED_ADDR_TEXT];
    int err = 0;

    for (size_t i = 0; i < sockets->count && !err; i++) {
        if (sockets->each[i].bound.fd < 0)
            continue;
        ed_sockets_address(&sockets->each[i], address);
        err = ed_buf_addf(&text, "%s\n", address);
    }
    int fd = err ? err : ed_handed_new("eddy-addresses", ed_buf_bytes(&text));
    ed_buf_free(&text);
    return fd;
}

/* ---- to another master ---- */

static int give(const struct ed_sockets_entry *entry, struct ed_buf *out)
{
    struct ed_buf file = {0};
    int err = fcntl(entry->bound.fd, F_SETFD, 0) ? -errno : 0;

    if (!err)
        err = ed_socket_file_text(&entry->bound.file, &file);
    if (!err)
        err = ed_buf_addf(out, "%d %s %s\n", entry->bound.fd,
                          file.len ? file.ptr : "-", entry->address);
    ed_buf_free(&file);
    return err;
}

int ed_sockets_give(const struct ed_sockets *const *sets, size_t count)
{
    struct ed_buf text = {0};
    int err = ed_buf_reserve(&text, 1);

    for (size_t s = 0; s < count; s++) {
        for (size_t i = 0; i < sets[s]->count && !err; i++)
            err = give(&sets[s]->each[i], &text);
    }
    if (!err && setenv(VARIABLE, text.len ? text.ptr : "", 1))
        err = -errno;
    ed_buf_free(&text);
    return err;
}

static int take_file(struct ed_sockets_entry *entry, struct ed_bytes text)
{
    char *copy = NULL;

    if (ed_bytes_equal(text, ED_BYTES("-")))
        return 0;
    copy = strndup(text.ptr, text.len);
    int err = copy ? ed_socket_file_take(&entry->bound.file, copy) : ED_ENOMEM;
    free(copy);
    return err;
}

static bool has(const struct ed_sockets *sockets, int64_t fd)
{
    for (size_t i = 0; i < sockets->count; i++) {
        if (sockets->each[i].bound.fd == fd)
            return true;
    }
    return false;
}

/* A descriptor that two had would be closed under one of them. */
static int take_line(struct ed_sockets *handed, struct ed_bytes line)
{
    struct ed_bytes number = ed_bytes_cut(&line, ' ');
    struct ed_bytes file = ed_bytes_cut(&line, ' ');
    int64_t fd;

    if (!line.ptr || ed_bytes_int(number, &fd) || fd < 3 || fd > INT_MAX ||
        has(handed, fd) || fcntl((int)fd, F_SETFD, FD_CLOEXEC))
        return ED_EPARSE;
    struct ed_sockets_entry *entry = add(handed);
    if (!entry)
        return ED_ENOMEM;
    entry->bound.fd = (int)fd;
    entry->address = strndup(line.ptr, line.len);
    if (!entry->address)
        return ED_ENOMEM;
    return take_file(entry, file);
}

/* Those of the service manager, as if another master had had them. */
static int take_activation(struct ed_sockets *handed)
{
    struct ed_activation given;
    int err = ed_activation_take(&given);

    if (err)
        ed_log_error("sockets of the service manager: %s", given.why);
    for (int i = 0; i < given.count && !err; i++) {
        struct ed_buf address = {0};
        struct ed_sockets_entry *entry = add(handed);
        if (!entry ||
            ed_buf_addf(&address, "systemd:%s", given.sockets[i].name))
            return ED_ENOMEM;
        entry->bound.fd = given.sockets[i].fd;
        entry->address = address.ptr;
    }
    return err;
}

static int take_handed(struct ed_sockets *handed)
{
    const char *text = getenv(VARIABLE);
    struct ed_bytes rest = ed_bytes(text);
    int err = 0;

    while (rest.ptr && !err) {
        struct ed_bytes line = ed_bytes_cut(&rest, '\n');
        if (line.len)
            err = take_line(handed, line);
    }
    unsetenv(VARIABLE);
    return err;
}

int ed_sockets_take(struct ed_sockets *handed)
{
    *handed = (struct ed_sockets){0};
    int err = take_handed(handed);
    return err ? err : take_activation(handed);
}
