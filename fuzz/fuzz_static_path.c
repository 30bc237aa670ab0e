/*
 * fuzz_static_path.c - paths below a served directory: whatever is asked for,
 * only what lies in the directory is ever opened or told.
 *
 * All files below hold the same text, and the one beside the directory another,
 * so a reply that succeeds has to be that text. Beside the app, both ways of
 * opening below a directory are asked for the bytes as they are, and what they
 * open has to lie below.
 */
#include "app/app_internal.h"
#include "app/open_files.h"
#include "base/beneath.h"
#include "check.h"
#include "tree.h"

#include <eddy/log.h>
#include <eddy/static.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PUBLIC "public"

static char outer[PATH_MAX] = "/tmp/eddy-fuzz-static-XXXXXX";
static char root_path[PATH_MAX + 8];
static int root = -1;
static ed_app *app;

/* ---- the tree ---- */

static void put(int dir, const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void remove_tree(void)
{
    ed_app_free(app);
    CHECK(!tree_remove(outer));
}

static void make_tree(void)
{
    CHECK(mkdtemp(outer));
    int out = open(outer, O_PATH | O_DIRECTORY | O_CLOEXEC);
    snprintf(root_path, sizeof root_path, "%s/root", outer);
    CHECK(!mkdirat(out, "root", 0755));
    root = openat(out, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    put(out, "s", "SECRET");
    put(root, "a", PUBLIC);
    put(root, "a.gz", PUBLIC);
    put(root, ".h", PUBLIC);
    put(root, "..a", PUBLIC);
    put(root, "a\\b", PUBLIC);
    CHECK(!mkdirat(root, "d", 0755));
    put(root, "d/index.html", PUBLIC);
    CHECK(!symlinkat("../s", root, "u"));
    CHECK(!symlinkat("..", root, "o"));
    CHECK(!symlinkat("/", root, "r"));
    CHECK(!symlinkat("a", root, "n"));
    CHECK(!symlinkat("../../s", root, "d/u"));
    close(out);
    app = ed_app_new();
    CHECK(!ed_static(app, "", root_path));
    CHECK(!ed_static(app, "/h", root_path, .dot_files = true));
    atexit(remove_tree);
}

/* ---- requests ---- */

static ssize_t no_body(ed_req *req, void *buf, size_t len)
{
    (void)buf;
    (void)len;
    req->body_ended = true;
    return 0;
}

static int keep(ed_req *req, struct ed_bytes piece, bool end)
{
    req->reply.began = true;
    req->reply.ended |= end;
    return ed_buf_add(req->exchange, piece.ptr, piece.len);
}

static int nothing(ed_req *req)
{
    (void)req;
    return 0;
}

static const struct ed_exchange_ops ops = {
    .body_read = no_body,
    .send = keep,
    .flush = nothing,
};

static void check_reply(const ed_req *req, struct ed_bytes body)
{
    int status = req->reply.status;
    CHECK(ed_bytes_find(body, ED_BYTES("SECRET")) < 0);
    CHECK(ed_bytes_find(body, ED_BYTES("root:")) < 0);
    CHECK(status == 200 || status == 308 || status == 400 || status == 403 ||
          status == 404);
    CHECK(status != 200 || ed_bytes_equal(body, ED_BYTES(PUBLIC)));
    for (struct ed_reply_field *f = req->reply.fields; f; f = f->next) {
        if (ed_bytes_equal_nocase(f->name, ED_BYTES("location")))
            CHECK(f->value.ptr[0] == '/' && f->value.ptr[1] != '/');
    }
}

static int ask(void *path)
{
    struct ed_buf body = {0};
    struct ed_req req = {
        .ops = &ops,
        .exchange = &body,
        .arena = ed_arena_new(1 << 20),
        .user = app,
        .version = 11,
        .method = "GET",
        .target = path,
        .path = path,
        .query = "",
        .host = "a",
        .id = (char *)"fuzz",
    };
    CHECK(req.arena);
    ed_req_init(&req);
    (void)ed_req_run(&req, ed_app_handle);
    check_reply(&req, ed_buf_bytes(&body));
    ed_buf_free(&body);
    ed_arena_free(req.arena);
    return 0;
}

/* ---- opening ---- */

static void check_below(int fd)
{
    char link[64], path[PATH_MAX];
    if (fd < 0)
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path);
    size_t root_len = strlen(root_path);
    CHECK(len >= (ssize_t)root_len && !memcmp(path, root_path, root_len));
    CHECK((size_t)len == root_len || path[root_len] == '/');
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (root < 0) {
        ed_log_set_level(ED_LOG_OFF);
        make_tree();
    }
    char *path = malloc(len + 2);
    CHECK(path);
    path[0] = '/';
    if (len)
        memcpy(path + 1, data, len);
    path[len + 1] = '\0';
    check_below(ed_open_beneath(root, path + 1, 0));
    check_below(ed_open_beneath(root, path + 1, ED_BENEATH_NO_LINKS));
    check_below(ed_open_beneath_walking(root, path + 1));
    /* The reader of heads lets only printable bytes through, and no '?'. */
    for (char *p = path; *p; p++)
        *p = *p <= ' ' || *p == '?' || *p == 0x7f ? '%' : *p;
    CHECK(!ed_run(ask, path, .virtual_clock = true));
    free(path);
    return 0;
}
