/*
 * patch.c - what the patch costs: calls that need not wait, plain, and with
 * libeddy-patch.so where it has nothing to do and where it has.
 *
 *     patch [--json]
 *
 * The plain functions are taken from libc by name, past the patch, with which
 * this program is linked. Each figure is the least of several rounds.
 */
#include <eddy/eddy.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ROUNDS = 7,
    LOCKS = 2 * 1000 * 1000,
    READS = 200 * 1000,
};

static struct row {
    char name[64];
    double ns;
} rows[32];
static int row_count;

/* The calls that are measured, of either kind. */
struct calls {
    const char *name;
    ssize_t (*recv)(int fd, void *buf, size_t len, int flags);
    int (*lock)(pthread_mutex_t *mutex);
    int (*unlock)(pthread_mutex_t *mutex);
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void lock_often(const struct calls *calls)
{
    for (int i = 0; i < LOCKS; i++) {
        calls->lock(&mutex);
        calls->unlock(&mutex);
    }
}

/* There is always one byte more: it is only looked at. */
static void read_often(const struct calls *calls)
{
    int fds[2];
    char c = 'x';

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) || send(fds[1], &c, 1, 0) != 1)
        return;
    for (int i = 0; i < READS; i++)
        (void)!calls->recv(fds[0], &c, 1, MSG_PEEK);
    close(fds[0]);
    close(fds[1]);
}

static void measure(const struct calls *calls, const char *what, int count,
                    void (*run)(const struct calls *calls))
{
    struct row *row = &rows[row_count++];

    snprintf(row->name, sizeof row->name, "%s, %s", what, calls->name);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t began = ed_clock_monotonic();
        run(calls);
        double ns = (double)(ed_clock_monotonic() - began) / count;
        if (!round || ns < row->ns)
            row->ns = ns;
    }
}

static int measure_both(void *arg)
{
    measure(arg, "lock and unlock a mutex", LOCKS, lock_often);
    measure(arg, "receive a byte that is there", READS, read_often);
    return 0;
}

static int measure_on_a_thread(void *arg)
{
    return ed_blocking(measure_both, arg);
}

static void print(bool json)
{
    if (json)
        printf("{\"results\": [");
    for (int i = 0; i < row_count; i++) {
        if (json)
            printf("%s{\"name\": \"%s\", \"value\": %.3f, \"unit\": \"ns\"}",
                   i ? ", " : "", rows[i].name, rows[i].ns);
        else
            printf("%-60s %10.2f ns\n", rows[i].name, rows[i].ns);
    }
    if (json)
        printf("]}\n");
}

int main(int argc, char **argv)
{
    bool json = argc == 2 && !strcmp(argv[1], "--json");
    void *libc = dlopen("libc.so.6", RTLD_LAZY);
    struct calls plain = {.name = "plain"};
    struct calls patched = {NULL, recv, pthread_mutex_lock,
                            pthread_mutex_unlock};

    if ((argc > 1 && !json) || ed_patch_mode() != ED_PATCH_ON || !libc) {
        fprintf(stderr, "usage: patch [--json]\n");
        return 2;
    }
    *(void **)&plain.recv = dlsym(libc, "recv");
    *(void **)&plain.lock = dlsym(libc, "pthread_mutex_lock");
    *(void **)&plain.unlock = dlsym(libc, "pthread_mutex_unlock");
    (void)measure_both(&plain);
    patched.name = "outside of a loop";
    (void)measure_both(&patched);
    patched.name = "on another thread";
    int err = ed_run(measure_on_a_thread, &patched, .blocked_after = -1);
    patched.name = "in a fiber";
    if (!err)
        err = ed_run(measure_both, &patched, .blocked_after = -1);
    print(json);
    return err != 0;
}
