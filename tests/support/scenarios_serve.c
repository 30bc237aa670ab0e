/*
 * scenarios_serve.c - a worker's line: more requests than may be handled at
 * once.
 */
#include "scenario_server.h"
#include "scenarios_run.h"

#include <eddy/client.h>
#include <eddy/http.h>
#include <stdio.h>
#include "serve/admission.h"

enum { ASKERS = 4, PLACES = 1, IN_LINE = 2 };

static struct ed_settings settings;
static struct ed_slot slot;
static struct ed_admission admission;
static int inside;
static bool crowded; /* more were at work than may be */

/* It begins its reply before it is done, which gives its place. */
static int work(ed_req *req)
{
    crowded |= ++inside > PLACES;
    int err = ed_sleep(10 * ED_MS);
    inside--;
    if (!err)
        err = ed_write(req, "do");
    if (!err)
        err = ed_flush(req);
    if (!err)
        err = ed_sleep(ED_MS);
    return err ? err : ed_write(req, "ne");
}

static int admit(ed_req *req)
{
    return ed_admission_run(&admission, req, work);
}

static int tell(struct ed_bytes body, int status)
{
    if (status == 503)
        return 1;
    return status == 200 ? expect(ed_bytes_equal(body, ED_BYTES("done")))
                         : ED_EPROTO;
}

/* All at once: one is let in, two wait, and one is sent away. */
static int ask_all(ed_client *client, const char *address)
{
    char url[200];
    ed_res *res[ASKERS] = {NULL};
    struct ed_fetch_options options = {.size = sizeof options,
                                       .client = client};
    int err, away = 0;

    snprintf(url, sizeof url, "http://%s/", address);
    {
        ed_scope(s, .within = ED_MIN);
        for (int i = 0; i < ASKERS; i++)
            ed_go_fetch(s, &res[i], url, &options);
        err = ed_wait(s);
    }
    for (int i = 0; i < ASKERS && !err; i++) {
        if (!res[i]) /* its fiber alone was cancelled */
            return SCENARIO_CORRUPT;
        int told = tell(ed_res_body(res[i]), ed_res_status(res[i]));
        away += told > 0;
        err = told < 0 ? told : 0;
    }
    return err ? err : away > 1 ? ED_EPROTO : 0;
}

int run_admission(void *arg)
{
    (void)arg;
    settings = (struct ed_settings){.max_in_flight = PLACES,
                                    .queue_limit = IN_LINE,
                                    .queue_timeout = 10 * ED_S};
    slot = (struct ed_slot){0};
    inside = 0;
    crowded = false;
    ed_admission_open(&admission, &settings, &slot);
    int err = with_server(ed_server_new(admit),
                          ed_client_new(.max_per_origin = ASKERS), ask_all);
    bool left = !crowded && !inside && !slot.queued && !slot.in_flight &&
                !admission.limiter.in_flight && !admission.limiter.waiting;
    return left ? err : SCENARIO_CORRUPT;
}
