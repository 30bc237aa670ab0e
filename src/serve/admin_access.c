/*
 * admin_access.c - who may do what at the admin process.
 *
 * At an admin address whoever can connect may look. A browser can, for any page
 * it shows: the page has but to give our address to a name of its own, and then
 * counts as ours (DNS rebinding). So a request has to name us by what no
 * stranger can give away.
 */
#include "serve/admin_internal.h"

#include <eddy/addr.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "wire/url.h"

/* ---- the token ---- */

/* The token of the file, as it is now: an operator may change it. 0 or an
 * error; *token is in `room`. */
static int read_token(const char *file, char room[ED_ADMIN_TOKEN_MAX],
                      struct ed_bytes *token)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    ssize_t len = read(fd, room, ED_ADMIN_TOKEN_MAX);
    int err = len < 0 ? -errno : 0;
    close(fd);
    if (err)
        return err;
    struct ed_bytes rest = ed_bytes_of(room, (size_t)len);
    *token = ed_bytes_cut(&rest, '\n');
    if (token->len && token->ptr[token->len - 1] == '\r')
        token->len--;
    *token = ed_bytes_trim(*token);
    return token->len ? 0 : ED_EPARSE;
}

static bool is_forbidden(int err)
{
    return err == -EACCES || err == -EPERM;
}

void ed_admin_keep_token(struct ed_admin *a)
{
    const char *file = a->options->settings->admin_token;

    if (!file || read_token(file, a->token_room, &a->token))
        a->token = (struct ed_bytes){0}; /* told when somebody gives one */
}

void ed_admin_check_token(const struct ed_admin *a)
{
    const char *file = a->options->settings->admin_token;
    char room[ED_ADMIN_TOKEN_MAX];
    struct ed_bytes token;

    if (!a->token.len)
        return;
    if (is_forbidden(read_token(file, room, &token)))
        ed_log_warn("admin-token %s: user '%s' cannot read it: the one that is "
                    "in it now holds until a reload",
                    file, a->options->settings->user);
    explicit_bzero(room, sizeof room);
}

/* As it is now, or was when it could be read. */
static int find_token(const struct ed_admin *a, char room[ED_ADMIN_TOKEN_MAX],
                      struct ed_bytes *token)
{
    int err = read_token(a->options->settings->admin_token, room, token);

    if (!is_forbidden(err) || !a->token.len)
        return err;
    *token = a->token;
    return 0;
}

/* What the Authorization field holds behind "Bearer "; empty if nothing. */
static struct ed_bytes given_token(const ed_req *req)
{
    static const struct ed_bytes scheme = ED_BYTES("bearer ");
    struct ed_bytes field = ed_bytes(ed_header(req, "Authorization"));

    if (field.len <= scheme.len ||
        !ed_bytes_equal_nocase(ed_bytes_of(field.ptr, scheme.len), scheme))
        return (struct ed_bytes){0};
    return ed_bytes_trim(
        ed_bytes_of(field.ptr + scheme.len, field.len - scheme.len));
}

static int refuse_token(ed_req *req)
{
    int err = ed_reply_header(req, "WWW-Authenticate", "Bearer");

    return err ? err
               : ed_admin_refuse(req, 401,
                                 "this takes the token of --admin-token: "
                                 "Authorization: Bearer TOKEN");
}

static bool only_looks(const ed_req *req)
{
    static const char *const looking[] = {"GET", "HEAD", "OPTIONS"};

    for (size_t i = 0; i < sizeof looking / sizeof *looking; i++) {
        if (!strcmp(ed_req_method(req), looking[i]))
            return true;
    }
    return false;
}

/* 1: it has been refused. */
static int refused(int err)
{
    return err ? err : 1;
}

/* ---- by which name ---- */

/* DNS has none that is longer. */
enum { NAME_MAX_LEN = 253 };

static bool is_machine(struct ed_bytes name)
{
    char own[NAME_MAX_LEN + 1] = "";

    return !gethostname(own, sizeof own - 1) && *own &&
           ed_bytes_equal_nocase(name, ed_bytes(own));
}

static bool is_listed(const struct ed_texts *names, struct ed_bytes name)
{
    for (size_t i = 0; i < names->count; i++) {
        struct ed_bytes one = ed_bytes(names->each[i]);
        if (ed_bytes_equal(one, ED_BYTES("*")) ||
            ed_bytes_equal_nocase(one, name))
            return true;
    }
    return false;
}

/* The name or address of the Host field, without port, and without the dot
 * that a whole name may end with. False: it is none. */
static bool host_of(ed_req *req, struct ed_url *url)
{
    const char *why;
    const char *text =
        ed_arena_printf(ed_req_arena(req), "http://%s/", ed_req_host(req));

    if (!text || ed_url_parse(url, ed_bytes(text), &why) || url->userinfo.ptr)
        return false;
    if (url->host.len > 1 && url->host.ptr[url->host.len - 1] == '.')
        url->host.len--;
    return true;
}

/* Programs of old name nobody; browsers always do. */
static bool names_us(ed_req *req, const struct ed_settings *s)
{
    struct ed_url url;
    struct ed_addr address;

    if (!ed_header(req, "Host"))
        return true;
    if (!host_of(req, &url))
        return false;
    return !ed_addr_parse_ip(&address, url.host, 0) ||
           ed_bytes_equal_nocase(url.host, ED_BYTES("localhost")) ||
           is_listed(&s->admin_hosts, url.host) || is_machine(url.host);
}

/* Balancers name hosts as they like, and learn nothing but what they are for.
 */
static bool asks_for_health(const ed_req *req)
{
    return !strcmp(ed_req_path(req), "/healthz") ||
           !strcmp(ed_req_path(req), "/readyz");
}

/* ---- the whole ---- */

static int see_to_change(ed_req *req, const struct ed_admin_door *door)
{
    const char *file = door->admin->options->settings->admin_token;
    char room[ED_ADMIN_TOKEN_MAX];
    struct ed_bytes token;

    if (!file)
        return refused(ed_admin_refuse(
            req, 403,
            "nothing can be changed here: the server has no --admin-token"));
    int err = find_token(door->admin, room, &token);
    if (err) {
        ed_log_error("admin-token %s: %s", file,
                     err == ED_EPARSE ? "there is no token in it"
                                      : ed_err_text(err));
        return refused(
            ed_admin_refuse(req, 403, "the server cannot read its token"));
    }
    bool right = ed_bytes_equal_secret(given_token(req), token);
    explicit_bzero(room, sizeof room);
    return right ? 0 : refused(refuse_token(req));
}

int ed_admin_see_to(ed_req *req, void *arg)
{
    const struct ed_admin_door *door = arg;

    if (door->trusted)
        return 0;
    if (!names_us(req, door->admin->options->settings) && !asks_for_health(req))
        return refused(ed_admin_refuse(
            req, 421,
            "this server is not known by that name: ask by its address, or "
            "name it in --admin-hosts"));
    return only_looks(req) ? 0 : see_to_change(req, door);
}
