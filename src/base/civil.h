/*
 * civil.h - seconds since 1970 as a date and a time of day, in UTC.
 *
 * gmtime_r() takes a lock and looks after time zones; logs and Date headers
 * need neither.
 */
#ifndef EDDY_BASE_CIVIL_H
#define EDDY_BASE_CIVIL_H

#include <eddy/api.h>

struct ed_civil {
    int year;    /* 0 to 9999 */
    int month;   /* 1 to 12 */
    int day;     /* 1 to 31 */
    int weekday; /* 0 is Sunday */
    int hour;
    int minute;
    int second; /* 0 to 59: Unix time has no leap seconds */
};

/* The civil time of `unix_s`; what lies outside of the years 0 to 9999 becomes
 * their first or last second, so that a year always has four digits. */
struct ed_civil ed_civil(int64_t unix_s);

#endif
