/*
 * serve_system_module.c - a module for `eddy serve` that tells from inside what
 * it may do: who it is, what it can write, run and reach.
 */
#include <eddy/eddy.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Lines of /proc/self/status. */
static int status(ed_req *req)
{
    char text[4096];
    FILE *f = fopen("/proc/self/status", "re");
    size_t n = f ? fread(text, 1, sizeof text, f) : 0;

    if (f)
        fclose(f);
    return ed_reply(req, 200, "%.*s", (int)n, text);
}

/* GET /write?path= */
static int write_file(ed_req *req)
{
    int fd = open(ed_query(req, "path"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    int err = errno;

    if (fd >= 0)
        close(fd);
    return ed_reply(req, 200, "%s\n", fd < 0 ? strerror(err) : "written");
}

static int execute(ed_req *req)
{
    char *argv[] = {"true", NULL};

    execv("/bin/true", argv);
    return ed_reply(req, 200, "%s\n", strerror(errno));
}

static int run(ed_req *req)
{
    struct ed_output said;
    int err = ed_command(&said, ED_SHELL("echo hello"), .limit = 1024);

    return ed_reply(req, 200, "%s", err ? ed_err_text(err) : said.out.ptr);
}

static int thread(void *arg)
{
    *(int *)arg = 42;
    return 0;
}

static int block(ed_req *req)
{
    int n = 0, err = ed_blocking(thread, &n);

    return err ? err : ed_reply(req, 200, "%d\n", n);
}

static int crash(ed_req *req)
{
    (void)req;
    abort();
}

ED_API ed_app *eddy_app(void);
ed_app *eddy_app(void)
{
    ed_app *app = ed_app_new();
    ed_route(app, "GET /status", status);
    ed_route(app, "GET /write", write_file);
    ed_route(app, "GET /execute", execute);
    ed_route(app, "GET /run", run);
    ed_route(app, "GET /block", block);
    ed_route(app, "GET /crash", crash);
    return app;
}
