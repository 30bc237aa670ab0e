/*
 * test_expect.c - what a test expects of responses and of the log.
 *
 * Everything here tells what there was instead, cut to what one can read.
 */
#include "app/test_client.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>

/* Of a text that is shown: a screen of it. */
#define SHOWN 2000

static int shown(struct ed_bytes text)
{
    return text.len < SHOWN ? (int)text.len : SHOWN;
}

/* Without a response there is nothing to tell but that: the request has told
 * why, and counted. */
static bool has_response(ed_test *t, const ed_res *res, const char *place)
{
    if (t && res)
        return true;
    return ed_test_fails(t, place, "there is no response");
}

bool ed_test_check_(ed_test *t, bool holds, const char *text, const char *place)
{
    return holds || ed_test_fails(t, place, "not so: %s", text);
}

bool ed_test_status_(ed_test *t, const ed_res *res, int status,
                     const char *place)
{
    if (!has_response(t, res, place))
        return false;
    if (ed_res_status(res) == status)
        return true;
    struct ed_bytes body = ed_res_body(res);
    return ed_test_fails(t, place, "%s: the status is %d, not %d: %.*s",
                         ed_res_url(res), ed_res_status(res), status,
                         shown(body), body.ptr ? body.ptr : "");
}

bool ed_test_body_(ed_test *t, const ed_res *res, const char *text,
                   const char *place)
{
    if (!has_response(t, res, place))
        return false;
    struct ed_bytes body = ed_res_body(res);
    if (ed_bytes_equal(body, ed_bytes(text)))
        return true;
    return ed_test_fails(t, place, "%s: the body is \"%.*s\", not \"%.*s\"",
                         ed_res_url(res), shown(body), body.ptr ? body.ptr : "",
                         SHOWN, text);
}

bool ed_test_has_(ed_test *t, const ed_res *res, const char *text,
                  const char *place)
{
    if (!has_response(t, res, place))
        return false;
    struct ed_bytes body = ed_res_body(res);
    if (body.len && memmem(body.ptr, body.len, text, strlen(text)))
        return true;
    return ed_test_fails(t, place, "%s: \"%s\" is not in \"%.*s\"",
                         ed_res_url(res), text, shown(body),
                         body.ptr ? body.ptr : "");
}

bool ed_test_header_(ed_test *t, const ed_res *res, const char *name,
                     const char *value, const char *place)
{
    if (!has_response(t, res, place))
        return false;
    const char *is = ed_res_header(res, name);
    if (is && value ? !strcmp(is, value) : is == value)
        return true;
    return ed_test_fails(t, place, "%s: %s is %s, not %s", ed_res_url(res),
                         name, is ? is : "not there",
                         value ? value : "missing");
}

/* ---- JSON ---- */

static bool fails_json(ed_test *t, const ed_res *res, const json_t *is,
                       const json_t *wanted, const char *place)
{
    const size_t flags = JSON_SORT_KEYS | JSON_ENCODE_ANY;
    char *a = json_dumps(is, flags);
    char *b = json_dumps(wanted, flags);
    ed_test_fails(t, place, "%s: the JSON is %.*s, not %.*s", ed_res_url(res),
                  SHOWN, a ? a : "?", SHOWN, b ? b : "?");
    free(a);
    free(b);
    return false;
}

static bool is_json(ed_test *t, const ed_res *res, const json_t *wanted,
                    const char *place)
{
    if (!has_response(t, res, place))
        return false;
    json_t *is = ed_res_json(res);
    if (!is)
        return ed_test_fails(t, place, "%s: no JSON: %s", ed_res_url(res),
                             ed_error());
    bool holds =
        json_equal(is, wanted) || fails_json(t, res, is, wanted, place);
    json_decref(is);
    return holds;
}

bool ed_test_json_(ed_test *t, const ed_res *res, const char *place,
                   const char *fmt, ...)
{
    json_error_t why;
    va_list args;
    va_start(args, fmt);
    json_t *wanted = json_vpack_ex(&why, 0, fmt, args);
    va_end(args);
    if (!wanted)
        return ed_test_fails(t, place, "\"%s\": %s", fmt, why.text);
    bool holds = is_json(t, res, wanted, place);
    json_decref(wanted);
    return holds;
}

/* ---- all in one ---- */

bool ed_test_expect_(ed_test *t, const char *request, int status,
                     const char *body, const char *place)
{
    struct ed_bytes path = ed_bytes(request);
    const char *method = NULL;
    ed_res *res;
    if (*request != '/') {
        struct ed_bytes word = ed_bytes_cut(&path, ' ');
        method = ed_arena_copy(ed_fiber_arena(), word);
    }
    if (!path.ptr)
        return ed_test_fails(t, place, "\"%s\" names no path", request);
    int err = ed_test_fetch_(
        t, &res, path.ptr,
        ED_OPTIONS(struct ed_fetch_options, .method = method), place);
    if (err)
        return false;
    bool holds = ed_test_status_(t, res, status, place);
    return body && holds ? ed_test_body_(t, res, body, place) : holds;
}

/* ---- the log ---- */

const char *ed_test_log(ed_test *t)
{
    return t ? ed_test_log_text(&t->log) : "";
}

void ed_test_log_clear(ed_test *t)
{
    if (t)
        ed_test_log_forget(&t->log);
}

bool ed_test_logged_(ed_test *t, const char *text, const char *place)
{
    if (strstr(ed_test_log(t), text))
        return true;
    return ed_test_fails(t, place, "\"%s\" was not logged", text);
}
