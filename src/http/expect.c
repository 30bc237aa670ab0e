/*
 * expect.c - asking whether a body is wanted before it is sent.
 */
#include "http/expect.h"
#include "http/response.h"

/* Servers that know of it answer at once, others never do. */
static const int64_t PATIENCE = ED_S;

static int wait_for_answer(ed_res *res)
{
    ed_scope(s, .within = PATIENCE, .name = "100 Continue");
    int err = 0;

    while (!err && res->conn && !res->status && !res->go_ahead)
        err = ed_exchange_wait(res, "100 Continue",
                               ED_RES_CONTINUE | ED_RES_HEAD);
    return err;
}

int ed_expect_wait(ed_res *res)
{
    int err = wait_for_answer(res);

    if (err == ED_ETIMEOUT)
        err = ed_cancelled(); /* the deadline in force, or just the second */
    while (!err && ed_exchange_sending(res))
        err = ed_exchange_wait(res, "request", ED_RES_SENT);
    res->body_held = res->status != 0;
    return err;
}

/* Whether the body is as if it had not been sent. */
static bool is_whole_again(const struct ed_fetch_options *o, const ed_res *res)
{
    if (!o->send || !res->body_was_asked)
        return true;
    return o->rewind && o->rewind(o->send_arg) == 0;
}

bool ed_expect_failed(struct ed_journey *journey, ed_res *res)
{
    if (res->status != 417 || !is_whole_again(&journey->options, res))
        return false;
    journey->options.expect_continue = false;
    ed_res_discard(res);
    return true;
}
