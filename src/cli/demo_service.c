/*
 * demo_service.c - the slow services that `eddy demo` calls, seen from both
 * sides: the process that is one, and starting it.
 *
 * A service says on its standard output where it listens, in one line, and
 * then answers GET /?ms=N after N milliseconds. It ends with the demo that
 * started it: by SIGTERM from its scope, or by SIGKILL from the kernel when
 * the demo itself was killed.
 */
#include "demo.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <eddy/fiber.h>
#include <eddy/server.h>
#include "commands.h"

/* Twice the slowest call there is, so nobody leaves a fiber here for long. */
#define DELAY_MAX_MS 4000

/* Loading the program and opening a port takes milliseconds. */
#define START_TIMEOUT (10 * ED_S)

/* ---- the process ---- */

/* [service] */
static int answer_slowly(ed_req *req)
{
    int64_t ms;
    int err = ed_query_int(req, "ms", 0, DELAY_MAX_MS, 0, &ms);

    if (!err)
        err = ed_sleep(ms * ED_MS);
    if (err)
        return err;
    return ed_reply(req, 200, "%lld ms later\n", (long long)ms);
}
/* [/service] */

static int serve(void *arg)
{
    char address[ED_ADDR_TEXT];
    ed_server *server = ed_server_new(answer_slowly);
    int err;

    (void)arg;
    if (!server)
        return ED_ENOMEM;
    err = ed_server_listen(server, "127.0.0.1:0");
    if (!err) {
        ed_server_address(server, 0, address);
        printf("%s\n", address);
        fclose(stdout); /* what is left open would keep a reader waiting */
        err = ed_server_run(server);
    }
    ed_server_free(server);
    return err;
}

int demo_service_main(int argc, char **argv)
{
    int err;

    (void)argv;
    if (argc > 1)
        return usage_error("demo-service: takes no arguments");
    err = ed_run(serve, NULL);
    if (err) {
        fprintf(stderr, "eddy demo-service: %s\n", ed_err_text(err));
        return EXIT_FAILED;
    }
    return 0;
}

/* ---- starting it ---- */

/* Reads the line in which the service says where it listens. */
static int read_address(struct demo_service *service)
{
    ed_stream *out ED_STREAM_AUTO = NULL;
    struct ed_bytes line;
    int err = ed_stream_of_fd(&out, service->process.out);

    if (err)
        return err;
    service->process.out = -1; /* the stream's now */
    err = ed_stream_read_until(out, ED_BYTES("\n"), ED_ADDR_TEXT, &line);
    if (err)
        return err;
    memcpy(service->address, line.ptr, line.len - 1);
    service->address[line.len - 1] = '\0';
    return 0;
}

static int start_one(struct demo_service *service, ed_scope *scope,
                     const char *program)
{
    /* A group of its own: Ctrl-C is for the demo, which then ends it. */
    int err = ed_process_start(&service->process, scope,
                               ED_ARGV(program, "demo-service"),
                               .in = ED_TO_NULL, .out = ED_TO_PIPE,
                               .group = true, .death_signal = SIGKILL);

    if (err)
        return err;
    err = read_address(service);
    ed_process_close(&service->process);
    if (err)
        return ed_fail(err, "a service did not start: %s", ed_err_text(err));
    return 0;
}

int demo_services_start(struct demo_services *services, ed_scope *scope,
                        int count)
{
    char program[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    int err = 0;

    if (len < 0)
        return ed_fail(-errno, "/proc/self/exe: %s", ed_err_text(-errno));
    program[len] = '\0';

    services->count = count;
    for (int i = 0; i < count && !err; i++)
        err = start_one(&services->each[i], scope, program);
    return err;
}
