/*
 * journey.c - the requests that a fetch takes, one after the other.
 */
#include "http/journey.h"
#include "http/policy.h"

int ed_journey_field(struct ed_journey *journey, struct ed_bytes name,
                     struct ed_bytes value)
{
    struct ed_request_field *field =
        ed_arena_alloc(ed_fiber_arena(), sizeof(*field));

    if (!field)
        return ed_fail(ED_ENOMEM, "%.120s: no memory for the request",
                       journey->url);
    *field = (struct ed_request_field){journey->fields, name, value};
    journey->fields = field;
    return 0;
}

int ed_journey_run(struct ed_journey *journey, ed_res **out)
{
    ed_res *res;
    int err = ed_policy_send(journey, &res);

    if (!err)
        *out = res;
    return err;
}
