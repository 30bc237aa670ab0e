/*
 * fetch_report.c - tells what was fetched: a table for people, JSON for
 * programs.
 */
#include "fetch.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What each phase of a fetch took, in milliseconds; negative: there was
 * none. */
struct phases {
    double dns;
    double connect;
    double tls;
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
        .tls = ms(t->connected, t->secured),
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

/* "2027-02-03", in UTC. */
static char *date_text(int64_t unix_time, char *out, size_t size)
{
    time_t time = (time_t)unix_time;
    struct tm tm;

    if (!gmtime_r(&time, &tm) || !strftime(out, size, "%Y-%m-%d", &tm))
        *out = '\0';
    return out;
}

/* How much longer a certificate lasts; negative when it has ended. */
static long long days_left(const struct fetch_job *job)
{
    int64_t left = job->tls.peer.not_after - (int64_t)time(NULL);

    return (left - (left < 0 ? 86399 : 0)) / 86400;
}

/* What the handshake agreed on, and how long that will be possible. */
static void put_tls(const struct fetch_job *job, FILE *out)
{
    const struct fetch_tls *tls = &job->tls;
    char date[16];

    if (!*tls->version)
        return;
    fprintf(out, "       %s%s, %s", tls->version,
            tls->resumed ? " (resumed)" : "", tls->cipher);
    if (tls->has_peer)
        fprintf(out, ", certificate until %s (%lld days)",
                date_text(tls->peer.not_after, date, sizeof(date)),
                days_left(job));
    fputc('\n', out);
}

static void put_job(const struct fetch_job *job, FILE *out, bool colour,
                    bool tls)
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
    if (tls)
        put_ms(out, 11, p.tls);
    put_ms(out, 12, p.first_byte);
    put_ms(out, 12, p.total);
    fprintf(out, "  %s\n", job->told);
    if (job->redirects)
        fprintf(out, "       %u redirect%s to %s\n", job->redirects,
                job->redirects > 1 ? "s" : "", job->final_url);
    put_tls(job, out);
    if (job->error)
        fprintf(out, "       %s\n", job->error);
}

/* The column is there when there is something to stand in it. */
static bool has_tls(const struct fetch_run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        if (*run->jobs[i].tls.version)
            return true;
    }
    return false;
}

void fetch_report_table(const struct fetch_run *run, FILE *out)
{
    bool colour = wants_colour(out);
    bool tls = has_tls(run);

    fprintf(out, "%6s %10s%11s%11s%s%12s%12s  %s\n", "status", "size", "dns",
            "connect", tls ? "        tls" : "", "first byte", "total", "url");
    for (size_t i = 0; i < run->count; i++)
        put_job(&run->jobs[i], out, colour, tls);
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

/* What is not UTF-8 has no place in JSON: then bytes beyond ASCII are '?'. */
static json_t *json_ascii(const char *text)
{
    char *copy = strdup(text);

    for (char *at = copy; at && *at; at++)
        *at = *at & 0x80 ? '?' : *at;
    json_t *json = json_string(copy);
    free(copy);
    return json;
}

static json_t *json_text(const char *text)
{
    json_t *json = text ? json_string(text) : json_null();

    return json ? json : json_ascii(text);
}

static json_t *json_tls(const struct fetch_job *job)
{
    const struct fetch_tls *tls = &job->tls;
    char date[16];

    if (!*tls->version)
        return json_null();
    json_t *json = json_pack("{s:s, s:s, s:b}", "version", tls->version,
                             "cipher", tls->cipher, "resumed", tls->resumed);
    if (json && tls->has_peer)
        (void)json_object_update_new(
            json, json_pack("{s:o, s:o, s:s, s:I}", "subject",
                            json_text(tls->peer.subject), "issuer",
                            json_text(tls->peer.issuer), "not_after",
                            date_text(tls->peer.not_after, date, sizeof(date)),
                            "days_left", (json_int_t)days_left(job)));
    return json;
}

static json_t *json_job(const struct fetch_job *job)
{
    struct phases p = phases_of(job);

    return json_pack(
        "{s:o, s:o, s:I, s:b, s:i, s:o, s:o, s:o, s:o,"
        " s:{s:o, s:o, s:o, s:o, s:o}}",
        "url", json_text(job->told), "status",
        job->status ? json_integer(job->status) : json_null(), "size",
        (json_int_t)job->size, "reused", job->timing.reused, "redirects",
        (int)job->redirects, "final_url", json_text(job->final_url), "tls",
        json_tls(job), "file", json_text(job->path), "error",
        json_text(job->error), "ms", "dns", json_ms(p.dns), "connect",
        json_ms(p.connect), "tls", json_ms(p.tls), "first_byte",
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
