/*
 * mw_basic_auth.c - lets only those pass who give a name and a password (RFC
 * 7617).
 *
 * Promises that the time it takes to look through the table of users depends
 * on their number alone, neither on who is there nor on how much of a password
 * was right: all are compared, and by digests, so that lengths do not show.
 */
#include "app/mw.h"
#include "base/base64.h"
#include "base/options.h"
#include "net/crypto.h"
#include "wire/auth.h"

enum {
    /* Of name and password in base64; what is longer is no password. */
    MAX_CREDENTIALS = 4096,
};

static const char user_key; /* of the note */

struct basic_auth {
    const char *challenge;
    size_t count;
    uint8_t (*digests)[ED_DIGEST_MAX]; /* of "name:password" */
    ed_basic_verify_fn *verify;
    void *arg;
};

const char *ed_basic_user(ed_req *req)
{
    const char *user = ed_req_noted(req, &user_key);

    return user ? user : "";
}

/* ---- the table ---- */

static int is_in_table(const struct basic_auth *auth, struct ed_bytes both)
{
    uint8_t digest[ED_DIGEST_MAX] = {0};
    int found = 0;

    if (!auth->count)
        return 0;
    int len = ed_digest(ED_SHA256, both, digest);
    if (len < 0)
        return len;
    for (size_t i = 0; i < auth->count; i++)
        found |=
            ed_bytes_equal_secret(ed_bytes_of(digest, (size_t)len),
                                  ed_bytes_of(auth->digests[i], (size_t)len));
    return found;
}

/* ---- a request ---- */

/* Neither may hold control characters (RFC 7617, 2). */
static bool is_text(struct ed_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == 0x7f)
            return false;
    }
    return true;
}

static int check(const struct basic_auth *auth, ed_req *req,
                 struct ed_bytes both)
{
    struct ed_bytes password = both;
    struct ed_bytes name = ed_bytes_cut(&password, ':');

    if (!password.ptr || !is_text(both))
        return ED_EUNAUTHORIZED;
    const char *user = ed_arena_copy(req->arena, name);
    if (!user)
        return ED_ENOMEM;
    int known = is_in_table(auth, both);
    if (known < 0)
        return known;
    /* The buffer ends with NUL. */
    int err = known          ? 0
              : auth->verify ? auth->verify(req, user, password.ptr, auth->arg)
                             : ED_EUNAUTHORIZED;
    return err ? err : ed_req_note(req, &user_key, user);
}

/* "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==" */
static bool take_token(struct ed_bytes field, struct ed_bytes *token)
{
    *token = field;
    struct ed_bytes scheme = ed_bytes_cut(token, ' ');
    if (!token->ptr || !ed_bytes_equal_nocase(scheme, ED_BYTES("Basic")))
        return false;
    *token = ed_bytes_trim(*token);
    return token->len && token->len <= MAX_CREDENTIALS;
}

static int check_field(const struct basic_auth *auth, ed_req *req)
{
    struct ed_buf both = {0};
    struct ed_bytes token;

    if (!take_token(ed_bytes(ed_header(req, "Authorization")), &token))
        return ED_EUNAUTHORIZED;
    int err = ed_base64_decode(&both, token);
    if (!err)
        err = ed_buf_reserve(&both, 1);
    if (!err)
        err = check(auth, req, ed_buf_bytes(&both));
    ed_erase_buf(&both);
    return err == ED_EPARSE ? ED_EUNAUTHORIZED : err;
}

static int basic_auth_before(ed_req *req, void *arg)
{
    const struct basic_auth *auth = arg;
    int err = check_field(auth, req);

    if (err != ED_EUNAUTHORIZED)
        return err;
    err = ed_reply_header_set(req, "WWW-Authenticate", auth->challenge);
    return err ? err : ed_fail(ED_EUNAUTHORIZED, "no password, or a wrong one");
}

/* ---- options ---- */

static int take_user(struct ed_where where, struct basic_auth *auth,
                     const struct ed_basic_user *user)
{
    struct ed_buf both = {0};

    if (!user->password || strchr(user->name, ':'))
        return mw_refuse(where,
                         "basic auth: user '%s' has no password, or a colon in "
                         "the name",
                         user->name);
    int err = ed_buf_addf(&both, "%s:%s", user->name, user->password);
    if (!err)
        err = ed_digest(ED_SHA256, ed_buf_bytes(&both),
                        auth->digests[auth->count]);
    ed_erase_buf(&both);
    if (err < 0)
        return mw_refuse(where, "basic auth: no digest: %s", ed_err_text(err));
    auth->count++;
    return 0;
}

static int take_users(struct ed_where where, struct basic_auth *auth,
                      const struct ed_basic_user *users)
{
    size_t count = 0;
    int err = 0;

    while (users && users[count].name)
        count++;
    if (count)
        auth->digests = mw_zalloc(where, count * sizeof *auth->digests);
    for (size_t i = 0; i < count && !err; i++)
        err = take_user(where, auth, &users[i]);
    return err;
}

static int make_challenge(struct ed_where where, struct basic_auth *auth,
                          const char *realm)
{
    struct ed_buf text = {0};
    int err = ed_buf_addf(&text, "Basic realm=");

    if (!err)
        err = ed_auth_add_quoted(&text, ed_bytes(realm));
    if (!err)
        err = ed_buf_addf(&text, ", charset=\"UTF-8\"");
    if (!err && !ed_http1_is_value(ed_buf_bytes(&text)))
        err = ED_EUSAGE;
    if (!err)
        auth->challenge = mw_copy(where, text.ptr);
    ed_buf_free(&text);
    return err ? mw_refuse(where, "basic auth: '%s' cannot be a realm", realm)
               : 0;
}

int ed_use_basic_auth_with(struct ed_where where,
                           const struct ed_basic_auth_options *options)
{
    ED_OPTIONS_TAKE(struct ed_basic_auth_options, o, options);
    struct basic_auth *auth = MW_NEW(where, struct basic_auth);

    auth->verify = o.verify;
    auth->arg = o.arg;
    int err = make_challenge(where, auth, o.realm ? o.realm : "Restricted");
    if (!err)
        err = take_users(where, auth, o.users);
    if (err)
        return err;
    if (!auth->count && !auth->verify)
        return mw_refuse(where, "basic auth: neither users nor a function");
    return mw_before(where, basic_auth_before, auth);
}
