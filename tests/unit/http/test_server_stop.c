/* Servers that are stopped early. */
#include "../../fiber_test.h"
#include <eddy/server.h>
#include <eddy/stream.h>

static int never_called(ed_req *req)
{
    (void)req;
    return check(false) ? 0 : ED_EUSAGE;
}

static int serve(void *arg)
{
    return ed_server_run(arg);
}

FIBER_TEST(a_server_stopped_before_it_ran_returns_at_once)
{
    int64_t began = ed_now();
    ed_server *server = ed_server_new(never_called);
    check_int(ed_server_listen(server, "127.0.0.1:0"), 0);
    {
        ed_scope(s);
        ed_go(s, serve, server);
        ed_server_stop(server);
        check_int(ed_wait(s), 0);
    }
    check_int(ed_now(), began);
    ed_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_stopped_before_it_ran_returns_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
