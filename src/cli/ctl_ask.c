/*
 * ctl_ask.c - a question to a server over its control socket.
 */
#include "ctl.h"

#include <ctype.h>
#include <string.h>
#include <eddy/error.h>
#include <eddy/fiber.h>

/* A stack or a status is had at once; what takes longer hangs. A reload answers
 * when it has begun. */
static const int64_t PATIENCE = 15 * ED_S;

/* Of all requests of a server with many; more is none of ours. */
#define ANSWER_MAX ((size_t)64 << 20)

void ctl_url(const struct ctl *ctl, const char *target, char out[CTL_URL])
{
    char *at = stpcpy(out, "http+unix://");

    for (const char *c = ctl->socket; *c; c++) {
        if (isalnum((unsigned char)*c) || strchr("-._~", *c))
            *at++ = *c;
        else
            at += sprintf(at, "%%%02X", (unsigned char)*c);
    }
    snprintf(at, (size_t)(out + CTL_URL - at), "%s", target);
}

/* What a refusal says: {"error": "..."}, or nothing of use. */
static int refusal(ed_res *res)
{
    json_t *answer = ed_res_json(res);
    const char *text = ctl_string(answer, "error");
    int status = ed_res_status(res);
    char plain[CTL_TEXT];

    if (*text) {
        (void)ctl_plain(text, CTL_TEXT / 4, plain);
        (void)ed_fail(ED_ECONTENT, "%s", plain);
    } else {
        (void)ed_fail(ED_ECONTENT, "the server answered %d %s", status,
                      ed_res_reason(res));
    }
    json_decref(answer);
    return ED_ECONTENT;
}

int ctl_ask(const struct ctl *ctl, const char *target, const char *body,
            ed_res **res)
{
    char url[CTL_URL];
    int err;

    ctl_url(ctl, target, url);
    if (body)
        err = ed_fetch(res, url, .body = ed_bytes(body), .timeout = PATIENCE,
                       .content_type = "application/json", .method = "POST",
                       .max_body = ANSWER_MAX);
    else
        err = ed_fetch(res, url, .timeout = PATIENCE, .max_body = ANSWER_MAX);
    if (err)
        return ed_fail(err, "%s: %s", ctl->socket,
                       err == ED_ECONNECT ? "the server is gone"
                                          : ed_err_text(err));
    return ed_res_status(*res) / 100 == 2 ? 0 : refusal(*res);
}

int ctl_ask_json(const struct ctl *ctl, const char *target, const char *body,
                 json_t **answer)
{
    ed_res *res;
    int err = ctl_ask(ctl, target, body, &res);

    if (err)
        return err;
    *answer = ed_res_json(res);
    return *answer
               ? 0
               : ed_fail(ED_ECONTENT, "%s: the answer is no JSON", ctl->socket);
}
