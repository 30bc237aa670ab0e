/*
 * notify.c - telling the service manager how we are: datagrams to the socket
 * that NOTIFY_SOCKET names (sd_notify(3)).
 */
#include "serve/notify.h"

#include <eddy/bytes.h>
#include <eddy/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

void ed_notify(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    socklen_t len = path ? address_of(path, &address) : 0;
    int fd = len ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

    if (fd < 0)
        return;
    (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
                 (struct sockaddr *)&address, len);
    close(fd);
}

/* How often it wants to hear; 0: never, or from another process. */
static int64_t watchdog_period(void)
{
    const char *period = getenv("WATCHDOG_USEC");
    const char *whose = getenv("WATCHDOG_PID");
    int64_t us = 0, pid = 0;

    if (!period || ed_bytes_int(ed_bytes(period), &us) || us <= 0)
        return 0;
    if (whose && (ed_bytes_int(ed_bytes(whose), &pid) || pid != getpid()))
        return 0;
    return us * ED_US;
}

void ed_notify_watchdog(void)
{
    static int64_t told;
    int64_t period = watchdog_period();
    int64_t now = ed_clock_monotonic();

    if (!period || now - told < period / 3)
        return;
    told = now;
    ed_notify("WATCHDOG=1");
}
