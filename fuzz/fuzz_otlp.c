/*
 * fuzz_otlp.c - spans of whatever a client sends become JSON that a collector
 * can read, one span each, whatever it was; and Retry-After, which a collector
 * may send as it likes, is heeded within bounds.
 *
 * The input is cut at bytes of 0: kind and flags, then texts by turns.
 */
#include "check.h"
#include "serve/otlp.h"

#include <eddy/clock.h>
#include <jansson.h>

enum { TEXTS = 6, SPANS = 3 };

static const char HEAD[] = "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[";
static const char TAIL[] = "]}]}]}";

struct texts {
    char *each[TEXTS];
    size_t len[TEXTS];
};

static void take_texts(struct texts *t, struct ed_bytes rest)
{
    for (size_t i = 0; i < TEXTS; i++) {
        struct ed_bytes one = ed_bytes_cut(&rest, '\0');
        t->len[i] = one.len;
        t->each[i] = strndup(one.ptr ? one.ptr : "", one.len);
        CHECK(t->each[i]);
    }
}

static void free_texts(struct texts *t)
{
    for (size_t i = 0; i < TEXTS; i++)
        free(t->each[i]);
}

static void add_span(struct ed_otlp *otlp, const struct texts *t)
{
    struct ed_trace trace = {.flags = (uint8_t)t->len[0], .state = t->each[0]};
    uint8_t parent[8] = {(uint8_t)t->len[1]};
    ed_json json;

    CHECK(ed_otlp_begin(otlp, &json,
                        &(struct ed_span){
                            .kind = ED_SPAN_SERVER,
                            .trace = &trace,
                            .id = trace.span,
                            .parent = parent,
                            .name = {t->each[1], t->len[2] ? t->each[2] : NULL},
                            .began = ED_S,
                            .took = (int64_t)t->len[3],
                            .failed = t->len[3] & 1,
                        }));
    for (size_t i = 3; i < TEXTS; i++)
        ed_otlp_text(&json, "key", ed_bytes_of(t->each[i], t->len[i]));
    ed_otlp_int(&json, "number", (int64_t)t->len[4]);
    ed_otlp_end(otlp, &json);
}

static void check_batch(struct ed_otlp_batch *batch)
{
    CHECK(!ed_buf_add(&batch->body, TAIL, sizeof TAIL - 1));
    json_t *all = json_loadb(batch->body.ptr, batch->body.len,
                             JSON_REJECT_DUPLICATES, NULL);
    CHECK(json_is_object(all));
    json_t *spans = json_object_get(
        json_array_get(
            json_object_get(
                json_array_get(json_object_get(all, "resourceSpans"), 0),
                "scopeSpans"),
            0),
        "spans");
    CHECK(json_array_size(spans) == SPANS);
    json_decref(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ed_otlp otlp = {0};
    struct texts t;

    take_texts(&t, ed_bytes_of((const char *)data, len));
    ed_list_init(&otlp.full);
    CHECK(!ed_buf_add(&otlp.head, HEAD, sizeof HEAD - 1));
    for (int i = 0; i < SPANS; i++)
        add_span(&otlp, &t);
    otlp.ending = true;
    struct ed_otlp_batch *batch = ed_otlp_take(&otlp);
    CHECK(batch && !otlp.filling && batch->spans == SPANS);
    check_batch(batch);
    ed_otlp_batch_free(&otlp, batch);
    CHECK(!otlp.spans && !otlp.bytes && !otlp.dropped);
    ed_buf_free(&otlp.head);

    int64_t wait = ed_otlp_retry_after(t.each[0]);
    CHECK(wait >= 0 && wait <= 5 * ED_MIN);
    free_texts(&t);
    return 0;
}
