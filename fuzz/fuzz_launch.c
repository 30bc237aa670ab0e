/*
 * fuzz_launch.c - the variable EDDY_SERVE: what is taken from it is given
 * again as the same, and names descriptors that are there and slots of a board.
 */
#include "check.h"
#include "serve/board.h"
#include "serve/launch.h"

#include <fcntl.h>

static const char VARIABLE[] = "EDDY_SERVE";

static void check_descriptor(int fd)
{
    CHECK(fd == -1 || fcntl(fd, F_GETFD) >= 0);
}

static void check_same(const struct ed_launch *a, const struct ed_launch *b)
{
    CHECK(a->role == b->role && a->slot == b->slot);
    CHECK(a->board == b->board && a->settings == b->settings);
    CHECK(a->control == b->control && a->inspect == b->inspect);
    CHECK(a->tickets == b->tickets && a->addresses == b->addresses);
    CHECK(a->ctl_count == b->ctl_count);
    CHECK(a->listener_count == b->listener_count);
    for (size_t i = 0; i < a->listener_count; i++)
        CHECK(a->listeners[i] == b->listeners[i]);
    CHECK(!a->directory == !b->directory);
    CHECK(!a->directory || !strcmp(a->directory, b->directory));
}

static void check_launch(const struct ed_launch *launch)
{
    struct ed_launch again;

    CHECK(launch->slot < ED_BOARD_SLOTS);
    CHECK(launch->ctl_count <= launch->listener_count);
    check_descriptor(launch->board);
    check_descriptor(launch->settings);
    check_descriptor(launch->control);
    for (size_t i = 0; i < launch->listener_count; i++)
        check_descriptor(launch->listeners[i]);
    CHECK(!ed_launch_give(launch));
    CHECK(!ed_launch_take(&again));
    check_same(launch, &again);
    ed_launch_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = strndup((const char *)data, len);
    struct ed_launch launch;

    CHECK(text && !setenv(VARIABLE, text, 1));
    if (!ed_launch_take(&launch))
        check_launch(&launch);
    CHECK(!getenv(VARIABLE));
    ed_launch_free(&launch);
    free(text);
    return 0;
}
