/*
 * serve_module.c - a module for `eddy serve` that does well, and everything
 * else. TEXT is what it answers, so that new code can be told from old; with
 * BROKEN it makes no app, and with LATE one that is ready after so many
 * milliseconds.
 */
#include <eddy/eddy.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int text(ed_req *req)
{
    return ed_reply(req, 200, "%s\n", TEXT);
}

static int pid(ed_req *req)
{
    return ed_reply(req, 200, "%d %d\n", (int)getpid(), (int)geteuid());
}

static int slow(ed_req *req)
{
    int err = ed_sleep(ED_S);
    return err ? err : ed_reply(req, 200, "slow\n");
}

/* Until somebody makes the file "go". */
static int held(ed_req *req)
{
    int err = 0;

    while (!err && access("go", F_OK))
        err = ed_sleep(10 * ED_MS);
    return err ? err : ed_reply(req, 200, "held\n");
}

/* What no handler should do. */
__attribute__((noinline)) static void stand_still(void)
{
    volatile unsigned long n = 0;
    for (;;)
        n++;
}

static int hang(ed_req *req)
{
    stand_still();
    return ed_reply(req, 200, "never\n");
}

static int64_t processor_time(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * ED_S + time.tv_nsec;
}

/* Long enough to be noticed, and to be over soon. Of the processor's time: on a
 * busy machine it may pass without this, or who notices, having run at all. */
__attribute__((noinline)) static void stand_a_while(void)
{
    int64_t until = processor_time() + 500 * ED_MS;
    while (processor_time() < until)
        ;
}

static int stall(ed_req *req)
{
    stand_a_while();
    return ed_reply(req, 200, "late\n");
}

static int crash(ed_req *req)
{
    (void)req;
    abort();
}

#ifdef LATE
static int start_late(void *arg)
{
    (void)arg;
    return ed_sleep(LATE * ED_MS);
}
#endif

#ifdef SLOW_END
__attribute__((destructor)) static void end_slowly(void)
{
    usleep(SLOW_END * 1000);
}
#endif

ED_API ed_app *eddy_app(void);
ed_app *eddy_app(void)
{
#ifdef BROKEN
    return NULL;
#endif
    ed_app *app = ed_app_new();
    ed_route(app, "GET /", text);
    ed_route(app, "GET /pid", pid);
    ed_route(app, "GET /slow", slow);
    ed_route(app, "GET /held", held);
    ed_route(app, "GET /hang", hang);
    ed_route(app, "GET /stall", stall);
    ed_route(app, "GET /crash", crash);
#ifdef ROOM
    (void)ed_room_new(app, ROOM);
#endif
#ifdef LATE
    ed_app_context(app, start_late, NULL, NULL);
#endif
    return app;
}
