/*
 * top_state.c - what `eddy top` knows of the server: the last message, the
 * rates and events of those before, and which request is looked at.
 */
#include "top.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How long the answer to a key is shown. */
static const int64_t MESSAGE_TIME = 5 * ED_S;

const struct top_sort top_sorts[] = {
    {"worker", "slot", NULL, true},
    {"req/s", "requests_per_s", NULL, false},
    {"cpu", "cpu", NULL, false},
    {"memory", "memory_bytes", NULL, false},
    {"running", "in_flight", NULL, false},
    {"p99", "p99_s", "latency", false},
};
const unsigned top_sort_count = sizeof(top_sorts) / sizeof(*top_sorts);

/* ---- messages ---- */

/* A number is of seconds since 1970; in local time. */
static void time_text(const json_t *value, char out[16])
{
    time_t seconds =
        json_is_number(value) ? (time_t)json_number_value(value) : time(NULL);
    struct tm tm;

    if (!localtime_r(&seconds, &tm) || !strftime(out, 16, "%H:%M:%S", &tm))
        *out = '\0';
}

static void note_event(struct top *top, const json_t *blocked)
{
    struct top_event *event = &top->events[top->event_count++ % TOP_EVENTS];
    char text[CTL_TEXT];

    time_text(json_object_get(blocked, "time"), event->time);
    (void)ctl_plain(ctl_string(blocked, "text"), TOP_LINE / 4 * 3, text);
    snprintf(event->text, sizeof(event->text), "worker %.0f %.130s",
             ctl_number(blocked, "pid"), text);
}

void top_take(struct top *top, json_t *live)
{
    const json_t *blocked = json_object_get(live, "blocked");
    size_t index;
    json_t *each;

    top->rates[top->rate_count++ % TOP_HISTORY] =
        ctl_number(live, "requests_per_s");
    json_array_foreach(blocked, index, each) note_event(top, each);
    if (top->paused && top->live) {
        json_decref(live);
        return;
    }
    json_decref(top->live);
    top->live = live;
}

void top_forget(struct top *top)
{
    json_decref(top->live);
    json_decref(top->status);
    json_decref(top->stack);
    top->live = top->status = top->stack = NULL;
}

double top_rate(const struct top *top, int column, int columns, int each)
{
    /* Columns begin at multiples of `each`, so that they keep their shape while
     * they move. */
    long last = ((long)top->rate_count - 1) / each;
    long from = (last - (columns - 1 - column)) * each, to = from + each;
    double sum = 0;
    int count = 0;

    for (long i = from; i < to; i++) {
        if (i < 0 || i >= (long)top->rate_count ||
            i + TOP_HISTORY < (long)top->rate_count)
            continue;
        sum += top->rates[i % TOP_HISTORY];
        count++;
    }
    return count ? sum / count : -1;
}

/* ---- workers ---- */

static double sort_value(const struct top_sort *sort, const json_t *worker)
{
    if (sort->within)
        worker = json_object_get(worker, sort->within);
    double value = ctl_number(worker, sort->key);
    return sort->ascending ? value : -value;
}

json_t *top_workers(const struct top *top)
{
    const struct top_sort *sort = &top_sorts[top->sort];
    json_t *sorted = json_array(), *worker;
    size_t index;

    json_array_foreach(json_object_get(top->live, "workers"), index, worker)
    {
        size_t at = json_array_size(sorted);

        while (at && sort_value(sort, json_array_get(sorted, at - 1)) >
                         sort_value(sort, worker))
            at--;
        (void)json_array_insert(sorted, at, worker);
    }
    return sorted;
}

/* ---- requests ---- */

json_t *top_slowest(const struct top *top)
{
    return json_object_get(top->live, "slowest");
}

size_t top_selected(const struct top *top)
{
    const json_t *slowest = top_slowest(top);
    size_t index;
    json_t *request;

    json_array_foreach(slowest, index, request)
    {
        if (!strcmp(ctl_string(request, "id"), top->selected))
            return index;
    }
    return 0;
}

void top_select(struct top *top, int by)
{
    const json_t *slowest = top_slowest(top);
    long count = (long)json_array_size(slowest);
    long at = (long)top_selected(top) + by;

    if (!count)
        return;
    at = at < 0 ? 0 : at >= count ? count - 1 : at;
    snprintf(top->selected, sizeof(top->selected), "%s",
             ctl_string(json_array_get(slowest, (size_t)at), "id"));
}

void top_say(struct top *top, const char *fmt, ...)
{
    char text[TOP_LINE], plain[CTL_TEXT];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)ctl_plain(text, TOP_LINE / 4 * 3, plain);
    snprintf(top->message, sizeof(top->message), "%.150s", plain);
    top->message_until = ed_now() + MESSAGE_TIME;
}
