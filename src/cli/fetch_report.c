/*
 * fetch_report.c - tells what was fetched: a table for people, JSON for
 * programs.
 */
#include "fetch.h"
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

/* What each phase of a fetch took, in milliseconds; negative: there was
 * none. */
struct phases {
    double dns;
    double connect;
    double first_byte; /* from the request to it */
    double total;
};

static double ms(int64_t from, int64_t to)
{
    return from && to ? (double)(to - from) / ED_MS : -1;
}

static struct phases phases_of(const struct fetch_job *job)
{
    const struct ed_res_timing *t = &job->timing;
    struct phases p = {
        .dns = ms(t->queued, t->resolved),
        .connect = ms(t->resolved ? t->resolved : t->queued, t->connected),
        .first_byte = ms(t->sent, t->first_byte),
        .total = ms(t->started, job->ended),
    };

    return p;
}

bool fetch_failed(const struct fetch_job *job)
{
    return job->err || job->status >= 400;
}

static double one_after_the_other(const struct fetch_run *run)
{
    double sum = 0;

    for (size_t i = 0; i < run->count; i++)
        sum += phases_of(&run->jobs[i]).total;
    return sum;
}

/* ---- for people ---- */

static void put_ms(FILE *out, int width, double value)
{
    if (value < 0)
        fprintf(out, "%*s", width, "-");
    else
        fprintf(out, "%*.1f ms", width - 3, value);
}

static void put_size(FILE *out, uint64_t size)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)size;
    size_t unit = 0;

    while (value >= 999.95 && unit < 4) {
        value /= 1000;
        unit++;
    }
    fprintf(out, unit ? "%7.1f %-2s" : "%7.0f %-2s", value, units[unit]);
}

static bool wants_colour(FILE *out)
{
    const char *never = getenv("NO_COLOR");

    return isatty(fileno(out)) && !(never && *never);
}

static void put_job(const struct fetch_job *job, FILE *out, bool colour)
{
    struct phases p = phases_of(job);
    bool red = colour && fetch_failed(job);

    fputs(red ? "\033[31m" : "", out);
    if (job->status)
        fprintf(out, "%6d", job->status);
    else
        fprintf(out, "%6s", "failed");
    fputs(red ? "\033[0m " : " ", out);
    if (job->status)
        put_size(out, job->size);
    else
        fprintf(out, "%7s   ", "-");
    put_ms(out, 11, p.dns);
    put_ms(out, 11, p.connect);
    put_ms(out, 12, p.first_byte);
    put_ms(out, 12, p.total);
    fprintf(out, "  %s\n", job->url);
    if (job->error)
        fprintf(out, "       %s\n", job->error);
}

void fetch_report_table(const struct fetch_run *run, FILE *out)
{
    bool colour = wants_colour(out);

    fprintf(out, "%6s %10s%11s%11s%12s%12s  %s\n", "status", "size", "dns",
            "connect", "first byte", "total", "url");
    for (size_t i = 0; i < run->count; i++)
        put_job(&run->jobs[i], out, colour);
    if (run->count > 1)
        fprintf(out,
                "\n%zu fetched in %.1f ms; one after the other they would have"
                " taken %.1f ms\n",
                run->count, ms(run->began, run->ended),
                one_after_the_other(run));
}

/* ---- for programs ---- */

static json_t *json_ms(double value)
{
    return value < 0 ? json_null() : json_real(value);
}

static json_t *json_text(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *json_job(const struct fetch_job *job)
{
    struct phases p = phases_of(job);

    return json_pack("{s:o, s:o, s:I, s:b, s:o, s:o, s:{s:o, s:o, s:o, s:o}}",
                     "url", json_text(job->url), "status",
                     job->status ? json_integer(job->status) : json_null(),
                     "size", (json_int_t)job->size, "reused",
                     job->timing.reused, "file", json_text(job->path), "error",
                     json_text(job->error), "ms", "dns", json_ms(p.dns),
                     "connect", json_ms(p.connect), "first_byte",
                     json_ms(p.first_byte), "total", json_ms(p.total));
}

void fetch_report_json(const struct fetch_run *run, FILE *out)
{
    json_t *fetches = json_array();

    for (size_t i = 0; i < run->count; i++)
        json_array_append_new(fetches, json_job(&run->jobs[i]));
    json_t *all = json_pack("{s:o, s:f, s:f}", "fetches", fetches, "total_ms",
                            ms(run->began, run->ended), "sequential_ms",
                            one_after_the_other(run));
    json_dumpf(all, out, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    fputc('\n', out);
    json_decref(all);
}
