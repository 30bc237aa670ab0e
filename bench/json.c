/*
 * json.c - what a reply of JSON costs, beside jansson.
 *
 * Writes the same documents again and again on one core: with Eddy's writer,
 * and as json_pack() and json_dumps() with what they allocate freed. Rounds of
 * both take turns, and the best of each is printed: the machine's other work
 * can only add to the true figure. --json prints one object.
 */
#include <eddy/json.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS   15
#define ROUND_NS 20000000.0
#define ROWS     50
#define DOUBLES  100
#define BAR      0.2 /* of jansson's time, at most */

struct sample {
    const char *name;
    void (*write)(ed_json *j);
    json_t *(*pack)(void);
    double bar; /* 0: none */
};

static void give_up(const char *what)
{
    fprintf(stderr, "json: %s\n", what);
    exit(1);
}

/* ---- the documents, in both ways ---- */

static const char about[] =
    "A sturdy lamp for desks and benches, \"made to last\": steel, brass and "
    "glass.\nTwo years of warranty.";

static void write_object(ed_json *j)
{
    ed_json_object(j);
    ed_json_key(j, "id");
    ed_json_int(j, 1048577);
    ed_json_key(j, "name");
    ed_json_text(j, "Desk lamp, brass");
    ed_json_key(j, "category");
    ed_json_text(j, "lighting");
    ed_json_key(j, "price");
    ed_json_double(j, 79.95);
    ed_json_key(j, "quantity");
    ed_json_int(j, 42);
    ed_json_key(j, "active");
    ed_json_bool(j, true);
    ed_json_key(j, "rating");
    ed_json_double(j, 4.6);
    ed_json_key(j, "about");
    ed_json_text(j, about);
    ed_json_key(j, "replaces");
    ed_json_null(j);
    ed_json_key(j, "tags");
    ed_json_array(j);
    ed_json_text(j, "new");
    ed_json_text(j, "sale");
    ed_json_end(j);
    ed_json_end(j);
}

static json_t *pack_object(void)
{
    return json_pack("{s:i, s:s, s:s, s:f, s:i, s:b, s:f, s:s, s:n, s:[s,s]}",
                     "id", 1048577, "name", "Desk lamp, brass", "category",
                     "lighting", "price", 79.95, "quantity", 42, "active", 1,
                     "rating", 4.6, "about", about, "replaces", "tags", "new",
                     "sale");
}

static void write_rows(ed_json *j)
{
    ed_json_array(j);
    for (int i = 0; i < ROWS; i++) {
        ed_json_object(j);
        ed_json_key(j, "id");
        ed_json_int(j, 1000 + i);
        ed_json_key(j, "name");
        ed_json_text(j, "A row of a table");
        ed_json_key(j, "email");
        ed_json_text(j, "somebody@example.com");
        ed_json_key(j, "price");
        ed_json_double(j, 0.25 + i);
        ed_json_key(j, "active");
        ed_json_bool(j, i % 2);
        ed_json_end(j);
    }
    ed_json_end(j);
}

static json_t *pack_rows(void)
{
    json_t *rows = json_array();

    for (int i = 0; i < ROWS; i++)
        json_array_append_new(
            rows, json_pack("{s:i, s:s, s:s, s:f, s:b}", "id", 1000 + i, "name",
                            "A row of a table", "email", "somebody@example.com",
                            "price", 0.25 + i, "active", i % 2));
    return rows;
}

/* Numbers that need all their digits: the writer's worst case. */
static double long_number(int i)
{
    return 1.0 / (i + 3);
}

static void write_doubles(ed_json *j)
{
    ed_json_array(j);
    for (int i = 0; i < DOUBLES; i++)
        ed_json_double(j, long_number(i));
    ed_json_end(j);
}

static json_t *pack_doubles(void)
{
    json_t *list = json_array();

    for (int i = 0; i < DOUBLES; i++)
        json_array_append_new(list, json_real(long_number(i)));
    return list;
}

/* ---- measuring ---- */

static size_t run_ours(const struct sample *sample)
{
    static struct ed_buf buf; /* kept, as a connection keeps its own */
    struct ed_json json;

    buf.len = 0;
    ed_json_begin(&json, &buf);
    sample->write(&json);
    if (ed_json_finish(&json))
        give_up("a document of ours is wrong");
    return buf.len;
}

static size_t run_jansson(const struct sample *sample)
{
    json_t *value = sample->pack();
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;

    if (!text)
        give_up("jansson cannot pack a document");
    size_t len = strlen(text);
    free(text);
    json_decref(value);
    return len;
}

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

typedef size_t runner(const struct sample *sample);

/* Nanoseconds for one document, in a run of many. */
static double each(runner *run, const struct sample *sample, long times)
{
    double start = now_ns();

    for (long i = 0; i < times; i++)
        run(sample);
    return (now_ns() - start) / (double)times;
}

/* The best of both, in rounds that take turns. */
static void measure(const struct sample *sample, double *ours, double *theirs)
{
    runner *const runs[] = {run_ours, run_jansson};
    double *const best[] = {ours, theirs};

    *ours = each(run_ours, sample, 1000);
    *theirs = each(run_jansson, sample, 1000);
    for (int i = 0; i < 2 * ROUNDS; i++) {
        double *b = best[i % 2];
        double ns = each(runs[i % 2], sample, (long)(ROUND_NS / *b) + 1);

        if (ns < *b)
            *b = ns;
    }
}

static void print(const struct sample *sample, bool json, bool first)
{
    double ours, theirs;
    size_t bytes = run_ours(sample);

    measure(sample, &ours, &theirs);
    if (!json) {
        printf("%-10s %6zu %10.1f %10.1f %8.3f\n", sample->name, bytes, ours,
               theirs, ours / theirs);
        return;
    }
    printf("%s{\"sample\": \"%s\", \"bytes\": %zu, \"ns\": %.1f, "
           "\"jansson_ns\": %.1f, \"ratio\": %.3f",
           first ? "" : ", ", sample->name, bytes, ours, theirs, ours / theirs);
    if (sample->bar > 0)
        printf(", \"bar\": %g", sample->bar);
    printf("}");
}

int main(int argc, char **argv)
{
    static const struct sample samples[] = {
        {"object", write_object, pack_object, BAR},
        {"rows", write_rows, pack_rows, BAR},
        {"doubles", write_doubles, pack_doubles, 0},
    };
    bool json = argc == 2 && !strcmp(argv[1], "--json");

    if (argc > 1 && !json) {
        fprintf(stderr, "usage: json [--json]\n");
        return 2;
    }
    if (json)
        printf("{\"benchmark\": \"json\", \"results\": [");
    else
        printf("%-10s %6s %10s %10s %8s\n", "sample", "bytes", "ns",
               "jansson ns", "ratio");
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        print(&samples[i], json, i == 0);
    if (json)
        printf("]}\n");
    return 0;
}
