/*
 * server_process.c - see server_process.h.
 */
#include "server_process.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 20 * 1000, /* for a start or an end, on a busy machine */
    LOOK_AGAIN_MS = 2,
    MAX_CHILDREN = 1024,
    SKIPPED = 77, /* as the build's test runner understands it */
};

/* ---- failing ---- */

static void show(const char *path)
{
    char line[1024];
    FILE *file = fopen(path, "r");

    if (!file)
        return;
    while (fgets(line, sizeof(line), file))
        fputs(line, stderr);
    fclose(file);
}

void server_process_fail(const struct server_process *s, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    if (s)
        show(s->log);
    abort();
}

void server_process_skip(const char *why)
{
    printf("skipped: %s\n", why);
    fflush(stdout);
    _exit(SKIPPED); /* past what looks for leaks */
}

/* ---- processes ---- */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sleep_ms(int ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

/* The parent of a process; 0 if there is no such process. */
static pid_t parent_of(pid_t pid)
{
    char path[64], line[512];
    int parent = 0;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    /* The name is in parentheses and may have some itself. */
    if (fgets(line, sizeof(line), file)) {
        char *end = strrchr(line, ')');
        /* ") S PARENT" */
        parent = end && strlen(end) > 4 ? (int)strtol(end + 4, NULL, 10) : 0;
    }
    fclose(file);
    return parent;
}

static unsigned children_of(pid_t parent, pid_t *list, unsigned room)
{
    unsigned count = 0;
    DIR *proc = opendir("/proc");
    struct dirent *entry;

    if (!proc)
        server_process_fail(NULL, "/proc is needed: %s", strerror(errno));
    while ((entry = readdir(proc)) && count < room) {
        pid_t pid = (int)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && parent_of(pid) == parent)
            list[count++] = pid;
    }
    closedir(proc);
    return count;
}

static void kill_and_wait(pid_t pid)
{
    int fd = pidfd_open(pid, 0);

    kill(pid, SIGKILL);
    if (fd < 0)
        return;
    (void)poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, PATIENCE_MS);
    close(fd);
}

void server_process_kill(struct server_process *s)
{
    pid_t children[MAX_CHILDREN];

    if (!s->pid)
        return;
    /* Stopped, it has no more children and does not react to their end. */
    kill(s->pid, SIGSTOP);
    unsigned count = children_of(s->pid, children, MAX_CHILDREN);
    for (unsigned i = 0; i < count; i++)
        kill_and_wait(children[i]);
    kill_and_wait(s->pid);
    (void)waitpid(s->pid, NULL, 0); /* fails in the guard: not its child */
    s->pid = 0;
    if (s->killed)
        s->killed(s);
}

static bool has_ended(struct server_process *s)
{
    if (s->pid && waitpid(s->pid, NULL, WNOHANG) == s->pid)
        s->pid = 0;
    return !s->pid;
}

void server_process_end(struct server_process *s, int signal)
{
    int64_t patience = now_ms() + PATIENCE_MS;

    if (s->pid)
        kill(s->pid, signal);
    while (!has_ended(s)) {
        if (now_ms() > patience)
            server_process_kill(s);
        else
            sleep_ms(LOOK_AGAIN_MS);
    }
}

bool server_process_wait(struct server_process *s, bool (*ready)(void *user),
                         void *user)
{
    int64_t patience = now_ms() + PATIENCE_MS;

    while (!ready(user)) {
        if (has_ended(s))
            return false;
        if (now_ms() > patience)
            server_process_fail(s, "the server is not ready in time");
        sleep_ms(LOOK_AGAIN_MS);
    }
    return true;
}

/* In the child between fork() and exec. */
__attribute__((noreturn)) static void become(const struct server_process *s,
                                             char *const *argv)
{
    int log = open(s->log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    int nothing = open("/dev/null", O_RDONLY);
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    dup2(nothing, 0);
    dup2(log, 1);
    dup2(log, 2);
    close_range(3, ~0U, 0);
    /* What is asked of a terminal must not find the test's. */
    setsid();
    if (geteuid() == 0 && s->uid != 0 &&
        (setgroups(0, NULL) || setgid(s->gid) || setuid(s->uid)))
        _exit(126);
    if (chdir(s->folder) == 0)
        execvp(argv[0], argv);
    perror(argv[0]);
    _exit(127);
}

static pid_t spawn(const struct server_process *s, char *const *argv)
{
    fflush(NULL);
    pid_t pid = fork();

    if (pid < 0)
        server_process_fail(s, "fork: %s", strerror(errno));
    if (pid == 0)
        become(s, argv);
    return pid;
}

void server_process_start(struct server_process *s, char *const *argv)
{
    s->pid = spawn(s, argv);
}

void server_process_do(struct server_process *s, char *const *argv)
{
    int status;
    pid_t pid = spawn(s, argv);

    if (waitpid(pid, &status, 0) != pid || status != 0)
        server_process_fail(s, "%s failed", argv[0]);
}

/* ---- the folder ---- */

static int remove_one(const char *path, const struct stat *info, int type,
                      struct FTW *where)
{
    (void)info, (void)type, (void)where;
    return remove(path);
}

static void remove_folder(const char *path)
{
    enum { OPEN_FOLDERS = 16 };

    (void)nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}

static void make_folder(struct server_process *s)
{
    const char *tmp = getenv("TMPDIR");
    size_t room = sizeof(s->folder);

    if (!tmp || !*tmp)
        tmp = "/tmp";
    if ((size_t)snprintf(s->folder, room, "%s/eddy-XXXXXX", tmp) >= room)
        server_process_fail(NULL, "TMPDIR is too long for a unix socket in it");
    if (!mkdtemp(s->folder) || chmod(s->folder, 0755) ||
        chown(s->folder, s->uid, s->gid))
        server_process_fail(NULL, "%s: %s", s->folder, strerror(errno));
    snprintf(s->log, sizeof(s->log), "%s/log", s->folder);
}

void server_process_write(const struct server_process *s, const char *path,
                          const char *text)
{
    size_t len = strlen(text);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, text, len) != (ssize_t)len || fchmod(fd, 0600) ||
        fchown(fd, s->uid, s->gid) || close(fd))
        server_process_fail(s, "%s: %s", path, strerror(errno));
}

/* ---- the guard ---- */

__attribute__((noreturn)) static void guard(struct server_process *s, int pipe)
{
    char byte;

    /* Not even descriptors of the test stay here: peers wait for their end. */
    dup2(pipe, 0);
    close_range(1, ~0U, 0);
    setsid();
    while (read(0, &byte, 1) < 0 && errno == EINTR)
        ;
    server_process_kill(s);
    remove_folder(s->folder);
    _exit(0);
}

static void set_guard(struct server_process *s)
{
    int pipes[2];

    fflush(NULL);
    if (pipe2(pipes, O_CLOEXEC))
        server_process_fail(s, "pipe2: %s", strerror(errno));
    pid_t pid = fork();
    if (pid < 0)
        server_process_fail(s, "fork: %s", strerror(errno));
    if (pid == 0) {
        /* Of this one's parent, which ends, it is no descendant any more. */
        if (fork() == 0)
            guard(s, pipes[0]);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    close(pipes[0]);
    s->guard = pipes[1];
}

/* ---- all of it ---- */

struct server_process *server_process_open(bool unprivileged)
{
    /* The guard sees what becomes of it. */
    struct server_process *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (s == MAP_FAILED)
        server_process_fail(NULL, "mmap: %s", strerror(errno));
    s->uid = geteuid();
    s->gid = getegid();
    if (unprivileged && s->uid == 0) {
        struct passwd *nobody = getpwnam("nobody");
        if (!nobody)
            server_process_fail(NULL, "there is no user nobody");
        s->uid = nobody->pw_uid;
        s->gid = nobody->pw_gid;
    }
    make_folder(s);
    set_guard(s);
    return s;
}

void server_process_close(struct server_process *s)
{
    server_process_kill(s);
    remove_folder(s->folder);
    close(s->guard);
    munmap(s, sizeof(*s));
}

static bool is_free(int port, int type)
{
    const struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    bool is = !bind(fd, (const struct sockaddr *)&addr, sizeof(addr));

    close(fd);
    return is;
}

int server_process_free_port(void)
{
    enum { FIRST = 10240, END = 32768, TRIES = 1000 };

    for (int i = 0; i < TRIES; i++) {
        uint32_t random = 0;
        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
            break;
        int port = FIRST + (int)(random % (END - FIRST));
        if (is_free(port, SOCK_STREAM) && is_free(port, SOCK_DGRAM))
            return port;
    }
    server_process_fail(NULL, "no free port: %s", strerror(errno));
}
