/*
 * client.c - Eddy's client asking a server as fast as it is answered, for the
 * `client` benchmark.
 *
 *     client [-c CONCURRENCY] [-t SECONDS] [-w WARM-UP SECONDS] URL
 *
 * So many fibers, each with one request after the other. Prints one JSON
 * object: how many answers, and the processor time of this process.
 */
#include "asking.h"
#include <eddy/client.h>

static struct client_run run;

static void ask(void)
{
    ed_res *res;
    int err = ed_get(&res, run.url);

    check_answer(err, !err && ed_res_status(res) == 200 && ed_res_body(res).len,
                 "not 200");
}

int main(int argc, char **argv)
{
    run_options(&run, argc, argv);
    return ask_and_report(&run, ask);
}
