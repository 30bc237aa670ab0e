/*
 * pg_time.h - dates, times and intervals as PostgreSQL counts and writes them.
 *
 * A timestamp is microseconds since 2000-01-01 00:00 UTC, a date is days since
 * then; both in the Gregorian calendar, however early. The ends of their types
 * are the infinities.
 *
 * What is read is the server's output in DateStyle ISO; what is written is the
 * same, in UTC.
 *
 * Pure; any thread.
 */
#ifndef EDDY_WIRE_PG_TIME_H
#define EDDY_WIRE_PG_TIME_H

#include <eddy/bytes.h>
#include <eddy/pg_value.h>

#define PG_DAY_US ((int64_t)86400 * 1000000)

/* From the beginning of Unix time to PostgreSQL's. */
#define PG_EPOCH_DAYS 10957
#define PG_EPOCH_US   (PG_EPOCH_DAYS * PG_DAY_US)

#define PG_DATE_INFINITY       INT32_MAX
#define PG_DATE_MINUS_INFINITY INT32_MIN

/* Whether there is such a day, and a date can be it. */
bool pg_date_is(struct ed_date date);

int32_t pg_date_days(struct ed_date date);
struct ed_date pg_date_of(int64_t days);

/* The day a timestamp is in. */
int64_t pg_timestamp_day(int64_t us);

/* ---- writing ---- */

enum pg_style {
    PG_SQL, /* 2026-01-02 03:04:05.5+00, 0044-03-15 BC */
    PG_ISO, /* 2026-01-02T03:04:05.5Z, -000043-03-15: as JavaScript reads */
};

/* Most bytes that one of these writes; none writes a NUL. Each returns where
 * its text ends. */
#define PG_TIME_MAX 96

char *pg_date_print(char *at, int32_t days, enum pg_style style);
char *pg_timestamp_print(char *at, int64_t us, bool zone, enum pg_style style);
char *pg_time_print(char *at, int64_t us);

/* As the server does in IntervalStyle postgres; with `signs` on every part, so
 * that it is read as the same in all styles. */
char *pg_interval_print(char *at, struct ed_interval interval, bool signs);

/* ---- reading ---- */

/* 0, or ED_EPARSE with the result untouched. A timestamp may have an offset,
 * which is taken off, or none. */
ED_CHECK int pg_date_read(struct ed_bytes text, int32_t *days);
ED_CHECK int pg_timestamp_read(struct ed_bytes text, int64_t *us);

/* IntervalStyle postgres and iso_8601. */
ED_CHECK int pg_interval_read(struct ed_bytes text,
                              struct ed_interval *interval);

#endif
