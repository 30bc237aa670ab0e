/*
 * notify.c - telling the service manager how we are: datagrams to the socket
 * that NOTIFY_SOCKET names (sd_notify(3)).
 */
#include "serve/notify.h"

#include <eddy/bytes.h>
#include <eddy/clock.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A manager that takes longer is in trouble of its own; ours is to serve. */
enum { SEND_TRIES = 5, SEND_WAIT = 20 /* milliseconds each */ };

/* When the watchdog was told last; 0: never. */
static int64_t told;

/* A path, or an abstract name behind '@'. */
static socklen_t address_of(const char *path, struct sockaddr_un *address)
{
    size_t len = strlen(path);

    if ((*path != '/' && *path != '@') || len >= sizeof address->sun_path)
        return 0;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, path, len);
    if (*path == '@')
        address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/* Connected, since only then poll() knows whether there is room. */
static bool send_line(int fd, const char *text)
{
    struct pollfd ready = {fd, POLLOUT, 0};

    for (int i = 0; i < SEND_TRIES; i++) {
        ssize_t n = send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            return true;
        if (errno != EAGAIN && errno != EINTR)
            return false;
        (void)poll(&ready, 1, SEND_WAIT);
    }
    return false;
}

/* Whether it got there; false without a manager. */
static bool notify(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    socklen_t len = path ? address_of(path, &address) : 0;
    int fd = len ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

    if (fd < 0)
        return false;
    bool sent = !connect(fd, (const struct sockaddr *)&address, len) &&
                send_line(fd, text);
    close(fd);
    return sent;
}

void ed_notify(const char *text)
{
    (void)notify(text);
}

void ed_notify_reloading(void)
{
    char text[80];

    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)(ed_clock_monotonic() / ED_US));
    ed_notify(text);
}

void ed_notify_status(const char *fmt, ...)
{
    char text[256] = "STATUS=";
    size_t len = strlen(text);
    va_list args;

    va_start(args, fmt);
    vsnprintf(text + len, sizeof text - len, fmt, args);
    va_end(args);
    ed_notify(text);
}

/* ---- the watchdog ---- */

static int64_t number_of(const char *name)
{
    const char *text = getenv(name);
    int64_t n;

    return text && !ed_bytes_int(ed_bytes(text), &n) ? n : 0;
}

/* How often it wants to hear; 0: never, or from another process. */
static int64_t watchdog_period(void)
{
    int64_t us = number_of("WATCHDOG_USEC");

    if (us <= 0 || us > INT64_MAX / ED_US)
        return 0;
    if (getenv("WATCHDOG_PID") && number_of("WATCHDOG_PID") != getpid())
        return 0;
    return us * ED_US;
}

int64_t ed_notify_watchdog(int64_t now)
{
    int64_t period = watchdog_period();

    if (!period)
        return 0;
    if (!told || now - told >= period / 2) {
        told = now;
        ed_notify("WATCHDOG=1");
    }
    return told + period / 2;
}

/* ---- whose business it is ---- */

void ed_notify_take_over(pid_t former)
{
    char text[40];

    if (former && number_of("WATCHDOG_PID") == former) {
        snprintf(text, sizeof text, "%d", (int)getpid());
        setenv("WATCHDOG_PID", text, 1);
    }
    snprintf(text, sizeof text, "MAINPID=%d\nREADY=1", (int)getpid());
    ed_notify(text);
    told = 0;
}

bool ed_notify_adopted(pid_t other)
{
    char theirs[32], ours[32];

    if (!getenv("NOTIFY_SOCKET"))
        return true;
    snprintf(theirs, sizeof theirs, "MAINPID=%d", (int)other);
    snprintf(ours, sizeof ours, "MAINPID=%d", (int)getpid());
    return notify(theirs) && notify(ours);
}

void ed_notify_forget(void)
{
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}
