/*
 * ctl_show.c - the answers of a server, for people.
 */
#include "ctl.h"

#include <string.h>

/* ---- requests ---- */

void ctl_show_ps(const json_t *answer)
{
    static const struct ctl_column columns[] = {
        {"ID", "id", CTL_TEXTUAL},
        {"WORKER", "slot", CTL_NUMBER},
        {"AGE", "age_s", CTL_AGE},
        {"LEFT", "deadline_s", CTL_AGE},
        {"STATE", "state", CTL_TEXTUAL},
        {"WAITS FOR", "waits_for", CTL_TEXTUAL},
        {"PEER", "peer", CTL_TEXTUAL},
        {"METHOD", "method", CTL_TEXTUAL},
        {"TARGET", "target", CTL_TEXTUAL},
        {0},
    };
    const json_t *requests = json_object_get(answer, "requests");
    const json_t *unreachable = json_object_get(answer, "unreachable");
    size_t index;
    json_t *pid;

    if (json_array_size(requests))
        ctl_table(requests, columns);
    else
        puts("no request in flight");
    json_array_foreach(unreachable, index, pid)
        printf("worker %lld does not answer: its loop stands still, or it "
               "ends\n",
               (long long)json_integer_value(pid));
}

/* A line, of which the text is the server's. */
static void put_line(const char *begin, const char *text)
{
    char plain[CTL_TEXT];

    (void)ctl_plain(text, ctl_width() - (int)strlen(begin), plain);
    printf("%s%s\n", begin, plain);
}

static void put_frames(const json_t *frames)
{
    char place[CTL_TEXT], number[32];
    size_t index;
    json_t *frame;

    json_array_foreach(frames, index, frame)
    {
        snprintf(number, sizeof(number), "  #%-2zu ", index);
        ctl_place(frame, place);
        put_line(number, place);
    }
}

/* "page, 512 ms left", as the tree of fibers has it. */
static void put_scope(const json_t *scope)
{
    const char *name = ctl_string(scope, "name");
    const json_t *left = json_object_get(scope, "left_s");
    char text[2 * CTL_TEXT], time[CTL_TEXT] = "";

    if (json_is_number(left))
        (void)ctl_age(json_number_value(left), time);
    snprintf(text, sizeof text, "%s%s%s%s%s", *name ? name : "(without a name)",
             *time ? ", " : "", time, *time ? " left" : "",
             json_is_true(json_object_get(scope, "cancelled")) ? ", cancelled"
                                                               : "");
    put_line("  ", text);
}

static void put_scopes(const json_t *scopes)
{
    size_t index;
    json_t *scope;

    if (json_array_size(scopes))
        puts("\nscopes, the innermost first");
    json_array_foreach(scopes, index, scope) put_scope(scope);
}

/* Of the request itself, or of one that it has started and waits for. */
static void put_fiber(const json_t *fiber)
{
    static const struct ctl_column about[] = {
        {"request", "id", CTL_TEXTUAL},
        {"worker", "pid", CTL_TEXTUAL},
        {"fiber", "fiber", CTL_TEXTUAL},
        {"started at", "place", CTL_TEXTUAL},
        {"state", "state", CTL_TEXTUAL},
        {"waits for", "waits_for", CTL_TEXTUAL},
        {0},
    };

    ctl_members(fiber, about);
    putchar('\n');
    put_frames(json_object_get(fiber, "frames"));
    put_scopes(json_object_get(fiber, "scopes"));
}

void ctl_show_stack(const json_t *answer)
{
    size_t index;
    json_t *child;

    put_fiber(answer);
    json_array_foreach(json_object_get(answer, "children"), index, child)
    {
        putchar('\n');
        put_fiber(child);
    }
}

/* ---- processes ---- */

void ctl_show_tree(const json_t *answer)
{
    const json_t *workers = json_object_get(answer, "workers");
    size_t index, number;
    json_t *worker, *line;

    json_array_foreach(workers, index, worker)
    {
        printf("%sworker %.0f\n", index ? "\n" : "", ctl_number(worker, "pid"));
        json_array_foreach(json_object_get(worker, "lines"), number, line)
            put_line("  ", json_is_string(line) ? json_string_value(line) : "");
    }
}

static const struct ctl_column worker_columns[] = {
    {"WORKER", "slot", CTL_NUMBER},     {"PID", "pid", CTL_TEXTUAL},
    {"STATE", "state", CTL_TEXTUAL},    {"GEN", "generation", CTL_NUMBER},
    {"AGE", "age_s", CTL_AGE},          {"REQUESTS", "requests", CTL_NUMBER},
    {"5XX", "errors_5xx", CTL_NUMBER},  {"RUNNING", "in_flight", CTL_NUMBER},
    {"IN LINE", "queued", CTL_NUMBER},  {"OPEN", "open", CTL_NUMBER},
    {"CPU", "cpu_s", CTL_SECONDS},      {"MEMORY", "memory_bytes", CTL_SIZE},
    {"BLOCKED", "blocked", CTL_NUMBER}, {0},
};

void ctl_show_workers(const json_t *answer)
{
    ctl_table(json_object_get(answer, "workers"), worker_columns);
}

void ctl_show_status(const json_t *answer)
{
    static const struct ctl_column members[] = {
        {"program", "program", CTL_TEXTUAL},
        {"eddy", "version", CTL_TEXTUAL},
        {"state", "state", CTL_TEXTUAL},
        {"pid", "pid", CTL_TEXTUAL},
        {"running for", "uptime_s", CTL_AGE},
        {"workers ready", "workers_ready", CTL_NUMBER},
        {"workers wanted", "workers_wanted", CTL_NUMBER},
        {"generation", "generation", CTL_NUMBER},
        {"reloads", "reloads", CTL_NUMBER},
        {"reloads failed", "reloads_failed", CTL_NUMBER},
        {"the last failed", "last_reload_error", CTL_TEXTUAL},
        {"workers started", "spawned", CTL_NUMBER},
        {"workers crashed", "crashed", CTL_NUMBER},
        {"workers hung", "hung", CTL_NUMBER},
        {"log level", "log_level", CTL_TEXTUAL},
        {"listens at", "listen", CTL_TEXTUAL},
        {"admin at", "admin", CTL_TEXTUAL},
        {0},
    };

    ctl_members(answer, members);
}

void ctl_show_conns(const json_t *answer)
{
    static const struct ctl_column columns[] = {
        {"WORKER", "pid", CTL_TEXTUAL},
        {"PEER", "peer", CTL_TEXTUAL},
        {"LOCAL", "local", CTL_TEXTUAL},
        {"AGE", "age_s", CTL_AGE},
        {"REQUESTS", "requests", CTL_NUMBER},
        {"STATE", "state", CTL_TEXTUAL},
        {0},
    };
    const json_t *connections = json_object_get(answer, "connections");

    if (json_array_size(connections))
        ctl_table(connections, columns);
    else
        puts("no connection is open");
}

/* ---- figures ---- */

static void put_classes(const json_t *classes)
{
    static const char *const names[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
    char number[CTL_TEXT];

    for (int i = 0; i < 5; i++) {
        if (json_object_get(classes, names[i]))
            printf("  %-14s %15s\n", names[i],
                   ctl_count(ctl_number(classes, names[i]), number));
    }
}

static void put_latency(const json_t *latency)
{
    static const char *const quantiles[][2] = {{"half below", "p50_s"},
                                               {"90 % below", "p90_s"},
                                               {"99 % below", "p99_s"},
                                               {"99.9 % below", "p999_s"}};
    char text[CTL_TEXT];

    puts("latency");
    for (int i = 0; i < 4; i++)
        printf("  %-14s %15s\n", quantiles[i][0],
               ctl_latency(ctl_number(latency, quantiles[i][1]), text));
}

void ctl_show_stats(const json_t *answer)
{
    static const struct {
        const char *title, *key;
    } counts[] = {
        {"in flight", "in_flight"},
        {"in line", "queued"},
        {"refused", "refused"},
        {"shed", "shed"},
        {"clients left", "left"},
        {"replies cut", "cut"},
        {"open", "open"},
        {"accepted", "accepted"},
        {"loops blocked", "blocked"},
    };
    char text[CTL_TEXT];

    printf("%-16s %15s\n", "requests",
           ctl_count(ctl_number(answer, "requests"), text));
    put_classes(json_object_get(answer, "by_class"));
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
        printf("%-16s %15s\n", counts[i].title,
               ctl_count(ctl_number(answer, counts[i].key), text));
    printf("%-16s %15s\n", "bytes sent",
           ctl_size(ctl_number(answer, "bytes_out"), text));
    put_latency(json_object_get(answer, "latency"));
    putchar('\n');
    ctl_show_workers(answer);
}

void ctl_show_live(const json_t *message, bool header)
{
    const json_t *latency = json_object_get(message, "latency");
    const json_t *classes = json_object_get(message, "by_class_per_s");
    char rate[CTL_TEXT], bad[CTL_TEXT], p50[CTL_TEXT], p99[CTL_TEXT];
    const json_t *each;
    size_t i;

    if (header)
        printf("%10s %8s %9s %9s %6s %9s %8s %7s\n", "REQ/S", "5XX/S", "P50",
               "P99", "CPU", "IN FLIGHT", "IN LINE", "OPEN");
    printf("%10s %8s %9s %9s %4.0f %% %9.0f %8.0f %7.0f\n",
           ctl_rate(ctl_number(message, "requests_per_s"), rate),
           ctl_rate(ctl_number(classes, "5xx"), bad),
           ctl_latency(ctl_number(latency, "p50_s"), p50),
           ctl_latency(ctl_number(latency, "p99_s"), p99),
           100 * ctl_number(message, "cpu"), ctl_number(message, "in_flight"),
           ctl_number(message, "queued"), ctl_number(message, "open"));
    json_array_foreach(json_object_get(message, "blocked"), i, each)
    {
        char begin[64];
        snprintf(begin, sizeof(begin), "  worker %.0f ",
                 ctl_number(each, "pid"));
        put_line(begin, ctl_string(each, "text"));
    }
    (void)fflush(stdout);
}

/* ---- what was done ---- */

void ctl_show_done(const json_t *answer)
{
    const char *text = ctl_string(answer, "text");

    put_line("", *text ? text : "done");
}
