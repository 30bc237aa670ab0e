/*
 * admin_workers.c - what workers tell of themselves, put together.
 *
 * All are asked at once and have a short time to answer: one that stands still
 * shall not keep anyone from seeing the others. It is told of by its process id
 * in "unreachable".
 */
#include "serve/admin_internal.h"

#include <eddy/clock.h>
#include <eddy/error.h>
#include <stdio.h>
#include <string.h>
#include "wire/url.h"

/* For a list. */
static const int64_t LIST_TIME = ED_S;

/* For a stack: names of functions are read from files, the first time. */
static const int64_t STACK_TIME = 10 * ED_S;

/* Bytes of one worker's answer. */
static const size_t ANSWER_MAX = (size_t)16 << 20;

/* Rows that are told unless the question says how many, and the most. */
enum { ROWS = 100, ROWS_MAX = 1000 };

/* ---- asking ---- */

/* The socket's path is the host of the URL. 0 or an error. */
static int write_url(struct ed_buf *url, const struct ed_admin_told *told)
{
    char file[32];
    struct ed_bytes directory =
        ed_bytes(told->admin->options->launch->directory);
    int len = snprintf(file, sizeof file, "/worker-%u.sock", told->slot);
    int err = ed_buf_addf(url, "http+unix://");

    if (!err)
        err = ed_url_encode(url, directory, false);
    if (!err)
        err = ed_url_encode(url, ed_bytes_of(file, (size_t)len), false);
    return err ? err : ed_buf_addf(url, "%s", told->question->target);
}

/* A failure is not one of the others'. */
static int ask_worker(void *arg)
{
    struct ed_admin_told *told = arg;
    const struct ed_admin_question *q = told->question;
    struct ed_buf url = {0};
    int err = write_url(&url, told);

    if (!err)
        err = ed_fetch(&told->res, url.ptr, .client = told->admin->client,
                       .method = q->method, .body = q->body,
                       .content_type = q->body.len ? "application/json" : NULL,
                       .max_body = ANSWER_MAX);
    ed_buf_free(&url);
    if (err)
        told->res = NULL;
    return 0;
}

/* One that starts does not listen to questions yet. */
static bool is_asked(const struct ed_slot *slot,
                     const struct ed_admin_question *question)
{
    int state = atomic_load(&slot->state), pid = atomic_load(&slot->pid);

    return (state == ED_SLOT_READY || state == ED_SLOT_DRAINING) && pid &&
           (!question->pid || question->pid == pid);
}

static int list_workers(struct ed_admin *a,
                        const struct ed_admin_question *question,
                        struct ed_admin_told *told)
{
    int count = 0;

    for (unsigned i = 0; i < ED_BOARD_SLOTS; i++) {
        const struct ed_slot *slot = &a->board->slots[i];
        if (is_asked(slot, question))
            told[count++] = (struct ed_admin_told){
                .admin = a,
                .question = question,
                .slot = i,
                .pid = atomic_load(&slot->pid),
            };
    }
    return count;
}

int ed_admin_ask_workers(struct ed_admin *a,
                         const struct ed_admin_question *question,
                         struct ed_admin_told **told)
{
    *told = ed_arena_alloc(ed_fiber_arena(), ED_BOARD_SLOTS * sizeof **told);
    if (!*told)
        return ED_ENOMEM;
    if (!a->options->launch->directory)
        return 0;
    int count = list_workers(a, question, *told);
    ed_scope(s, .within = question->within, .name = "workers");
    for (int i = 0; i < count; i++)
        ed_go(s, ask_worker, &(*told)[i]);
    int err = ed_wait(s);
    return err && err != ED_ETIMEOUT ? err : count;
}

/* ---- putting together ---- */

/* The answer as an object; NULL: there is none. A new reference. */
static json_t *answer_of(const struct ed_admin_told *told)
{
    if (!told->res || ed_res_status(told->res) != 200)
        return NULL;
    json_t *answer = ed_res_json(told->res);
    if (json_is_object(answer))
        return answer;
    json_decref(answer);
    return NULL;
}

struct row {
    double key;
    json_t *value;
};

struct rows {
    struct row *each; /* in the fiber's arena */
    size_t count;
};

static int larger_first(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    return x->key > y->key ? -1 : x->key < y->key;
}

/* The rows of all arrays, which stay those of the arrays. 0 or ED_ENOMEM. */
static int gather(struct rows *rows, json_t *const *arrays, int count,
                  const char *sorted_by)
{
    size_t room = 0;

    for (int i = 0; i < count; i++)
        room += json_array_size(arrays[i]);
    rows->each =
        ed_arena_alloc(ed_fiber_arena(), (room + 1) * sizeof *rows->each);
    rows->count = 0;
    if (!rows->each)
        return ED_ENOMEM;
    for (int i = 0; i < count; i++) {
        for (size_t k = 0; k < json_array_size(arrays[i]); k++) {
            json_t *value = json_array_get(arrays[i], k);
            rows->each[rows->count++] = (struct row){
                json_number_value(json_object_get(value, sorted_by)), value};
        }
    }
    qsort(rows->each, rows->count, sizeof *rows->each, larger_first);
    return 0;
}

static json_t *largest(const struct rows *rows, size_t most)
{
    json_t *out = json_array();

    for (size_t i = 0; out && i < rows->count && i < most; i++) {
        if (json_array_append(out, rows->each[i].value)) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

/* The rows of an array member of all answers together, sorted by a number of
 * theirs, the largest first, and at most so many: a new array of jansson's, or
 * NULL without memory. `total` (or NULL) is how many there are, as the workers
 * say. */
static json_t *merge(const struct ed_admin_told *told, int count,
                     const char *member, const char *sorted_by, size_t most,
                     int64_t *total)
{
    json_t **arrays =
        ed_arena_zalloc(ed_fiber_arena(), ((size_t)count + 1) * sizeof *arrays);
    struct rows rows = {0};
    int64_t all = 0;

    if (!arrays)
        return NULL;
    for (int i = 0; i < count; i++) {
        json_t *answer = answer_of(&told[i]);
        arrays[i] = json_incref(json_object_get(answer, member));
        all += json_integer_value(json_object_get(answer, "total"));
        json_decref(answer);
    }
    int err = gather(&rows, arrays, count, sorted_by);
    json_t *out = err ? NULL : largest(&rows, most);
    for (int i = 0; i < count; i++)
        json_decref(arrays[i]);
    if (total)
        *total = all;
    return out;
}

/* ---- answering ---- */

static void write_unreachable(ed_json *j, const struct ed_admin_told *told,
                              int count)
{
    ed_json_key(j, "unreachable");
    ed_json_array(j);
    for (int i = 0; i < count; i++) {
        if (!told[i].res)
            ed_json_int(j, told[i].pid);
    }
    ed_json_end(j);
}

static int rows_wanted(ed_req *req, int64_t *rows)
{
    return ed_query_int(req, "limit", 0, ROWS_MAX, ROWS, rows);
}

/* Rows of all workers in one list. */
static int list(ed_req *req, const char *path, const char *member,
                int64_t limit)
{
    const char *target = ed_arena_printf(ed_req_arena(req), "%s?limit=%lld",
                                         path, (long long)limit);
    const struct ed_admin_question question = {
        .target = target,
        .within = LIST_TIME,
    };
    struct ed_admin_told *told;
    int64_t total;

    if (!target)
        return ED_ENOMEM;
    int count = ed_admin_ask_workers(ed_admin_of(req), &question, &told);
    if (count < 0)
        return count;
    json_t *rows = merge(told, count, member, "age_s", (size_t)limit, &total);
    if (!rows)
        return ED_ENOMEM;
    ed_json *j = ed_reply_json_begin(req, 200);
    ed_json_object(j);
    ed_json_key(j, member);
    ed_json_value(j, rows);
    json_decref(rows);
    ed_admin_write_count(j, "total", (uint64_t)total);
    write_unreachable(j, told, count);
    ed_json_end(j);
    return ed_json_finish(j);
}

static int ps(ed_req *req)
{
    const char *sort = ed_query(req, "sort");
    int64_t limit;

    if (sort && strcmp(sort, "age"))
        return ed_admin_refuse(req, 400, "sort: only by age");
    if (rows_wanted(req, &limit))
        return ed_admin_refuse(req, 400, "limit: a number from 0 to 1000");
    return list(req, "/ps", "requests", limit);
}

static int conns(ed_req *req)
{
    int64_t limit;

    if (rows_wanted(req, &limit))
        return ed_admin_refuse(req, 400, "limit: a number from 0 to 1000");
    return list(req, "/conns", "connections", limit);
}

/* ---- the fibers of each ---- */

static void write_tree(ed_json *j, const struct ed_admin_told *told)
{
    json_t *answer = answer_of(told);

    if (!answer)
        return;
    ed_json_object(j);
    ed_json_key(j, "slot");
    ed_json_int(j, told->slot);
    ed_json_key(j, "pid");
    ed_json_int(j, told->pid);
    ed_json_key(j, "lines");
    ed_json_value(j, json_object_get(answer, "lines"));
    ed_json_end(j);
    json_decref(answer);
}

static int tree(ed_req *req)
{
    struct ed_admin_question question = {
        .target = "/tree",
        .within = LIST_TIME,
    };
    struct ed_admin_told *told;
    int64_t pid;

    if (ed_query_int(req, "pid", 1, INT32_MAX, 0, &pid))
        return ed_admin_refuse(req, 400, "pid: a process id");
    question.pid = (int)pid;
    int count = ed_admin_ask_workers(ed_admin_of(req), &question, &told);
    if (count < 0)
        return count;
    if (!count && pid)
        return ed_admin_refuse(req, 404, "no worker has that process id");
    ed_json *j = ed_reply_json_begin(req, 200);
    ed_json_object(j);
    ed_json_key(j, "workers");
    ed_json_array(j);
    for (int i = 0; i < count; i++)
        write_tree(j, &told[i]);
    ed_json_end(j);
    write_unreachable(j, told, count);
    ed_json_end(j);
    return ed_json_finish(j);
}

/* ---- the stack of one ---- */

static int no_stack(ed_req *req, const struct ed_admin_told *told, int count)
{
    ed_json *j = ed_reply_json_begin(req, 404);

    ed_json_object(j);
    ed_json_key(j, "error");
    ed_json_text(j, "no request of that id is under way");
    write_unreachable(j, told, count);
    ed_json_end(j);
    return ed_json_finish(j);
}

/* Whoever has the request answers; the others know of none. */
static int stack(ed_req *req)
{
    struct ed_buf target = {0};
    struct ed_admin_told *told;
    int err = ed_buf_addf(&target, "/stack/");

    if (!err)
        err = ed_url_encode(&target, ed_bytes(ed_arg(req, "id")), false);
    const struct ed_admin_question question = {
        .target = target.ptr,
        .within = STACK_TIME,
    };
    int count =
        err ? err : ed_admin_ask_workers(ed_admin_of(req), &question, &told);
    ed_buf_free(&target);
    if (count < 0)
        return count;
    for (int i = 0; i < count; i++) {
        if (told[i].res && ed_res_status(told[i].res) == 200)
            return ed_reply_bytes(req, 200, "application/json",
                                  ed_res_body(told[i].res));
    }
    return no_stack(req, told, count);
}

json_t *ed_admin_slowest(struct ed_admin *a, size_t most, int64_t within)
{
    char target[40];
    const struct ed_admin_question question = {
        .target = target,
        .within = within,
    };
    struct ed_admin_told *told;

    snprintf(target, sizeof target, "/ps?limit=%zu", most);
    int count = ed_admin_ask_workers(a, &question, &told);
    return count < 0 ? NULL
                     : merge(told, count, "requests", "age_s", most, NULL);
}

void ed_admin_worker_routes(ed_app *app)
{
    ed_route(app, "GET /v1/ps", ps);
    ed_route(app, "GET /v1/conns", conns);
    ed_route(app, "GET /v1/tree", tree);
    ed_route(app, "GET /v1/stack/{id}", stack);
}
