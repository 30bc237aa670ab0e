/*
 * admin_access.c - who may do what at the admin process.
 */
#include "serve/admin_internal.h"

#include <eddy/error.h>
#include <eddy/log.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Bytes of the token's file: a token is a line of it. */
enum { TOKEN_MAX = 4096 };

/* The token of the file, as it is now: an operator may change it. 0 or an
 * error; *token is in `room`. */
static int read_token(const char *file, char room[TOKEN_MAX],
                      struct ed_bytes *token)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    ssize_t len = read(fd, room, TOKEN_MAX);
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

int ed_admin_see_to(ed_req *req, void *arg)
{
    const struct ed_admin_door *door = arg;
    const char *file = door->admin->options->settings->admin_token;
    char room[TOKEN_MAX];
    struct ed_bytes token;

    if (door->trusted || only_looks(req))
        return 0;
    if (!file)
        return refused(ed_admin_refuse(
            req, 403,
            "nothing can be changed here: the server has no --admin-token"));
    int err = read_token(file, room, &token);
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
