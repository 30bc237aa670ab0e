/*
 * hosts.c - the names of /etc/hosts, by hosts(5).
 *
 * Owns a map of all names in the file. Whether the file has changed is looked
 * up at most every CHECK_EVERY. A file that is missing or cannot be read has
 * no names; a line that makes no sense is passed over, as everyone does.
 */
#include "base/ascii.h"
#include "net/hosts.h"
#include <eddy/fiber.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK_EVERY ED_S

struct host {
    unsigned count;
    struct ed_addr *list;
};

static void free_names(struct ed_hosts *hosts)
{
    struct ed_map_iter it = {0};

    while (hosts->names && ed_map_next(hosts->names, &it)) {
        struct host *host = it.value;
        free(host->list);
        free(host);
    }
    ed_map_free(hosts->names);
    hosts->names = NULL;
}

int ed_hosts_open(struct ed_hosts *hosts, const char *path)
{
    *hosts = (struct ed_hosts){.path = strdup(path)};
    return hosts->path ? 0 : ED_ENOMEM;
}

void ed_hosts_close(struct ed_hosts *hosts)
{
    free_names(hosts);
    free(hosts->path);
    hosts->path = NULL;
}

static struct host *host_of(ed_map *names, struct ed_bytes name)
{
    struct host *host = ed_map_get(names, name);

    if (host)
        return host;
    host = calloc(1, sizeof(*host));
    if (host && ed_map_set(names, name, host, NULL)) {
        free(host);
        return NULL;
    }
    return host;
}

static int add_address(ed_map *names, struct ed_bytes name,
                       const struct ed_addr *addr)
{
    struct host *host = host_of(names, name);

    if (!host)
        return ED_ENOMEM;
    if (host->count == ED_ADDRS_MAX)
        return 0;
    for (unsigned i = 0; i < host->count; i++)
        if (ed_addr_equal(&host->list[i], addr))
            return 0;
    struct ed_addr *list =
        realloc(host->list, (host->count + 1) * sizeof(*list));
    if (!list)
        return ED_ENOMEM;
    list[host->count++] = *addr;
    host->list = list;
    return 0;
}

static struct ed_bytes next_word(struct ed_bytes *line)
{
    static const char blanks[] = " \t\r\n\f\v";
    size_t start = 0;

    while (start < line->len && strchr(blanks, line->ptr[start]))
        start++;
    size_t end = start;
    while (end < line->len && !strchr(blanks, line->ptr[end]))
        end++;
    struct ed_bytes word = ed_bytes_of(line->ptr + start, end - start);
    *line = ed_bytes_of(line->ptr + end, line->len - end);
    return word;
}

static int read_line(ed_map *names, char *text, size_t len)
{
    struct ed_bytes rest = ed_bytes_of(text, len);
    struct ed_bytes line = ed_bytes_cut(&rest, '#');
    struct ed_bytes name;
    struct ed_addr addr;
    int err = 0;

    /* A NUL would end the words early for strchr(). */
    if (memchr(text, '\0', len))
        return 0;
    ed_lower(text, ed_bytes_of(text, len));
    if (ed_addr_parse_ip(&addr, next_word(&line), 0))
        return 0;
    while (!err && (name = next_word(&line)).len)
        err = add_address(names, name, &addr);
    return err;
}

static void read_file(struct ed_hosts *hosts)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    FILE *file = fopen(hosts->path, "re");

    while (file && (len = getline(&line, &size, file)) > 0)
        if (read_line(hosts->names, line, (size_t)len))
            break; /* without memory what was read so far has to do */
    free(line);
    if (file)
        fclose(file);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
           a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void refresh(struct ed_hosts *hosts)
{
    struct stat now;

    if (hosts->names && ed_now() - hosts->checked_at < CHECK_EVERY)
        return;
    hosts->checked_at = ed_now();
    if (stat(hosts->path, &now))
        memset(&now, 0, sizeof(now));
    if (hosts->names && is_same(&now, &hosts->seen))
        return;
    hosts->seen = now;
    free_names(hosts);
    hosts->names = ed_map_new();
    if (hosts->names)
        read_file(hosts);
}

void ed_hosts_find(struct ed_hosts *hosts, struct ed_bytes name, int family,
                   struct ed_addrs *out)
{
    refresh(hosts);
    struct host *host = hosts->names ? ed_map_get(hosts->names, name) : NULL;
    for (unsigned i = 0; host && i < host->count; i++) {
        const struct ed_addr *addr = &host->list[i];
        if (family != AF_UNSPEC && family != addr->any.sa_family)
            continue;
        if (out->count < ED_ADDRS_MAX)
            out->list[out->count++] = *addr;
    }
}
