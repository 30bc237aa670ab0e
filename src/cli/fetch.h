/*
 * fetch.h - what the files of `eddy fetch` share.
 */
#ifndef EDDY_CLI_FETCH_H
#define EDDY_CLI_FETCH_H

#include <eddy/client.h>
#include <stdio.h>

/* One URL and what became of it. */
struct fetch_job {
    const char *url;
    const char *path; /* of the file the body goes to; NULL: none */
    int err;
    char *error; /* for people; NULL when all is well */
    int status;  /* 0: no response */
    uint64_t size;
    struct ed_res_timing timing;
    int64_t ended;
};

struct fetch_run {
    struct fetch_job *jobs;
    size_t count;
    size_t next; /* the first job nobody has begun */
    size_t done;
    int64_t began, ended;

    const char *output; /* of -o; NULL: bodies are not kept */
    const char *method;
    const char **headers; /* NULL at the end */
    size_t header_count;
    struct ed_bytes data;
    bool has_data;
    int64_t limit;
    int64_t timeout; /* of each fetch; 0: none */
    bool json;
};

/* ---- files (fetch_files.c) ---- */

/* Chooses the files that bodies go to, none of them twice. 0, or a negative
 * error after saying on standard error what is wrong. */
int fetch_choose_files(struct fetch_run *run);

/* ---- telling it (fetch_report.c) ---- */

bool fetch_failed(const struct fetch_job *job);

/* A table for people, or JSON. */
void fetch_report_table(const struct fetch_run *run, FILE *out);
void fetch_report_json(const struct fetch_run *run, FILE *out);

#endif
