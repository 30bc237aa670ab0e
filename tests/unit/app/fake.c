/*
 * fake.c - the exchange of requests without a server.
 */
#include "fake.h"

#include <eddy/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static ssize_t no_body(ed_req *req, void *buf, size_t len)
{
    (void)buf;
    (void)len;
    req->body_ended = true;
    return 0;
}

static int keep(ed_req *req, struct ed_bytes piece, bool end)
{
    struct fake *f = req->exchange;
    req->reply.began = true;
    req->reply.ended = end;
    return ed_buf_add(&f->body, piece.ptr, piece.len);
}

static int nothing_to_flush(ed_req *req)
{
    (void)req;
    return 0;
}

static const char *no_peer(ed_req *req)
{
    (void)req;
    return "";
}

static const struct ed_exchange_ops ops = {
    .body_read = no_body,
    .send = keep,
    .flush = nothing_to_flush,
    .peer = no_peer,
};

static char *copied(const char *text)
{
    char *copy = strdup(text);
    assert_non_null(copy);
    return copy;
}

/* Path and query in blocks of their own, so that reading past either shows. */
static void set_target(struct fake *f, const char *target)
{
    f->target = copied(target);
    f->req.target = f->target;
    char *path = copied(target);
    char *mark = strchr(path, '?');
    f->req.query = copied(mark ? mark + 1 : "");
    f->req.path = strndup(path, mark ? (size_t)(mark - path) : strlen(path));
    assert_non_null(f->req.path);
    free(path);
}

void fake_begin(struct fake *f, ed_app *app, const char *method,
                const char *target)
{
    memset(f, 0, sizeof *f);
    f->req = (struct ed_req){
        .ops = &ops,
        .exchange = f,
        .arena = ed_arena_new(1 << 20),
        .user = app,
        .version = 11,
        .method = method,
        .is_head = !strcmp(method, "HEAD"),
        .host = "example.org",
        .id = (char *)"test1",
    };
    assert_non_null(f->req.arena);
    set_target(f, target);
    ed_req_init(&f->req);
}

/* The one field: its name and value one behind the other are the head. */
static char *accept_field(struct fake *f)
{
    if (!f->accept)
        return NULL;
    size_t size = sizeof "accept" + strlen(f->accept) + 1;
    char *head = malloc(size);
    assert_non_null(head);
    snprintf(head, size, "accept%s", f->accept);
    f->field = (struct ed_http1_field){
        .name = {0, 6},
        .value = {6, (uint32_t)strlen(f->accept)},
        .known = ED_FIELD_ACCEPT,
    };
    f->req.head = head;
    f->req.fields = &f->field;
    f->req.field_count = 1;
    return head;
}

void fake_run(struct fake *f)
{
    char *head = accept_field(f);
    if (f->host)
        f->req.host = f->host;
    f->result = ed_req_run(&f->req, ed_app_handle);
    free(head);
    assert_int_equal(ed_buf_add(&f->body, "", 0), 0);
    assert_int_equal(ed_buf_reserve(&f->body, 1), 0);
}

void fake_request(struct fake *f, ed_app *app, const char *method,
                  const char *target)
{
    fake_begin(f, app, method, target);
    fake_run(f);
}

void fake_done(struct fake *f)
{
    ed_arena_free(f->req.arena);
    ed_buf_free(&f->body);
    free((char *)f->req.path);
    free((char *)f->req.query);
    free(f->target);
}

const char *fake_field(const struct fake *f, const char *name)
{
    for (struct ed_reply_field *r = f->req.reply.fields; r; r = r->next) {
        if (ed_bytes_equal_nocase(r->name, ed_bytes(name)))
            return r->value.ptr;
    }
    return NULL;
}

void fake_expect(ed_app *app, const char *method, const char *target,
                 int status, const char *body)
{
    struct fake f;
    fake_request(&f, app, method, target);
    if (f.req.reply.status != status)
        print_error("%s %s: %d, not %d\n", method, target, f.req.reply.status,
                    status);
    assert_int_equal(f.req.reply.status, status);
    if (body)
        assert_string_equal(f.body.ptr, body);
    fake_done(&f);
}

char *fake_log(void)
{
    static int fd = -1;
    if (fd < 0) {
        fd = memfd_create("log", MFD_CLOEXEC);
        assert_true(fd >= 0);
        ed_log_set_fd(fd);
    }
    off_t len = lseek(fd, 0, SEEK_CUR);
    char *text = calloc(1, (size_t)len + 1);
    assert_non_null(text);
    assert_int_equal(pread(fd, text, (size_t)len, 0), len);
    assert_int_equal(ftruncate(fd, 0), 0);
    lseek(fd, 0, SEEK_SET);
    return text;
}
