#include "serve/admin.h"
#include <poll.h>
int ed_admin_run(const struct ed_admin_options *o)
{
    struct pollfd p = {o->launch->control, POLLIN, 0};
    while (poll(&p, 1, -1) >= 0 && !(p.revents & POLLHUP))
        ;
    return 0;
}
