/*
 * watch.c - telling the hook of a client what a fetch has come to.
 */
#include "http/watch.h"
#include "http/attempt.h"

static void tell(const ed_client *client, const struct ed_phase_event *event)
{
    client->hook(client->hook_arg, event);
}

void ed_watch_tell_(const struct ed_journey *journey, enum ed_phase phase,
                    int status, int err)
{
    tell(journey->client, &(struct ed_phase_event){
                              .phase = phase,
                              .method = ed_attempt_method(&journey->options),
                              .url = journey->url,
                              .attempt = journey->attempts,
                              .status = status,
                              .err = err,
                              .at = ed_now(),
                          });
}

void ed_watch_tell_attempt_(const ed_res *res, enum ed_phase phase, int err)
{
    const struct ed_watched *watched = res->watched;

    tell(res->client, &(struct ed_phase_event){
                          .phase = phase,
                          .method = watched->method,
                          .url = watched->url,
                          .attempt = watched->attempt,
                          .status = res->status,
                          .err = err,
                          .at = ed_res_now(res),
                      });
}

int ed_watch_begin(ed_res *res, const struct ed_journey *journey)
{
    struct ed_watched *watched = ed_arena_alloc(res->arena, sizeof(*watched));

    if (!watched)
        return ED_ENOMEM;
    /* A response that is streamed may outlast what the caller gave. */
    watched->method = ed_arena_copy(
        res->arena, ed_bytes(ed_attempt_method(&journey->options)));
    watched->url = ed_arena_copy(res->arena, ed_bytes(journey->url));
    watched->attempt = journey->attempts;
    if (!watched->method || !watched->url)
        return ED_ENOMEM;
    res->watched = watched;
    return 0;
}
