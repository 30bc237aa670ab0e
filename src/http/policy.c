/*
 * policy.c - how often, how soon and to whom a request is sent.
 */
#include "http/policy.h"
#include "http/attempt.h"

int ed_policy_send(struct ed_journey *journey, ed_res **out)
{
    journey->attempts++;
    return ed_attempt(journey, out);
}
