/*
 * host_map.c - names that a client does not resolve, and where they are.
 *
 * A list, since there are few of them.
 */
#include "http/host_map.h"
#include "net/addr.h"
#include <eddy/fiber.h>
#include <stdlib.h>

struct rule {
    char *name;
    uint16_t port;   /* 0: every one */
    bool keeps_port; /* the address has none */
    struct ed_addr to;
};

struct ed_host_map {
    size_t count;
    struct rule rules[];
};

/* The host of a rule: a name, an IPv4 address, or an IPv6 one in brackets,
 * which are taken off. */
static int read_host(struct rule *rule, struct ed_bytes host)
{
    struct ed_endpoint endpoint;

    if (ed_endpoint_of(&endpoint, host, 0))
        return ED_EADDR;
    if (host.ptr[0] == '[')
        host = ed_bytes_of(host.ptr + 1, host.len - 2);
    rule->name = strndup(host.ptr, host.len);
    return rule->name ? 0 : ED_ENOMEM;
}

/* "name:port", or "name" for every port. */
static int read_name(struct rule *rule, struct ed_bytes text)
{
    const char *colon = memrchr(text.ptr, ':', text.len);
    struct ed_bytes host = text;
    int64_t port;

    if (colon && text.ptr[text.len - 1] != ']') {
        host.len = (size_t)(colon - text.ptr);
        if (ed_bytes_int(ed_bytes_of(colon + 1, text.len - host.len - 1),
                         &port) ||
            port < 1 || port > UINT16_MAX)
            return ED_EADDR;
        rule->port = (uint16_t)port;
    }
    return read_host(rule, host);
}

static int read_rule(struct rule *rule, const char *text)
{
    struct ed_bytes to = ed_bytes(text);
    struct ed_bytes name = ed_bytes_cut(&to, '=');
    int err = to.ptr ? read_name(rule, name) : ED_EADDR;

    if (err)
        return err;
    if (!ed_addr_parse_ip(&rule->to, to, 0))
        rule->keeps_port = true;
    else
        err = ed_addr_parse(&rule->to, to);
    return err;
}

int ed_host_map_new(struct ed_host_map **out, const char *const *rules)
{
    size_t count = 0;
    int err = 0;

    *out = NULL;
    while (rules && rules[count])
        count++;
    if (!count)
        return 0;
    struct ed_host_map *map =
        calloc(1, sizeof(*map) + count * sizeof(*map->rules));
    if (!map)
        return ed_fail(ED_ENOMEM, "no memory for the host map");
    while (map->count < count && !err) {
        const char *text = rules[map->count];
        err = read_rule(&map->rules[map->count++], text);
        if (err)
            (void)ed_fail(err,
                          "hosts: '%.120s' is not "
                          "\"name[:port]=address\"",
                          text);
    }
    if (err)
        ed_host_map_free(map);
    else
        *out = map;
    return err == ED_EADDR ? ED_EUSAGE : err;
}

void ed_host_map_free(struct ed_host_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->count; i++)
        free(map->rules[i].name);
    free(map);
}

bool ed_host_map_find(const struct ed_host_map *map, struct ed_bytes host,
                      uint16_t port, struct ed_addr *out)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct rule *rule = &map->rules[i];

        if ((rule->port && rule->port != port) ||
            !ed_bytes_equal_nocase(ed_bytes(rule->name), host))
            continue;
        *out = rule->to;
        if (rule->keeps_port)
            ed_addr_set_port(out, port);
        return true;
    }
    return false;
}
