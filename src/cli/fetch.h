/*
 * fetch.h - what the files of `eddy fetch` share.
 */
#ifndef EDDY_CLI_FETCH_H
#define EDDY_CLI_FETCH_H

#include <eddy/client.h>
#include <stdio.h>

/* The TLS of a response; version "": there was none. */
struct fetch_tls {
    char version[16];
    char cipher[64];
    bool resumed;
    bool has_peer; /* the server showed a certificate */
    struct ed_tls_peer peer;
};

/* One URL and what became of it. */
struct fetch_job {
    char *url;
    char *told;       /* the same without user information, to be shown */
    const char *path; /* of the file the body goes to; NULL: none */
    bool to_stdout;   /* "-" is that */
    int err;
    char *error; /* for people; NULL when all is well */
    int status;  /* 0: no response */
    uint64_t size;
    unsigned redirects;
    char *final_url; /* NULL: the one asked for */
    struct fetch_tls tls;
    struct ed_res_timing timing;
    int64_t ended;
};

/* Values of an option that may be repeated, with room for all arguments and a
 * NULL. */
struct fetch_list {
    const char **items;
    size_t count;
};

/* What the command line says. */
struct fetch_settings {
    const char *output; /* NULL: bodies are not kept */
    const char *method;
    bool head;
    struct fetch_list headers;
    struct fetch_list data; /* TEXT or @FILE */
    struct fetch_list form;
    const char *upload;
    const char *range;
    const char *user_agent;

    char *user; /* "NAME:PASSWORD" */
    bool digest, any_auth;
    char *bearer;
    struct fetch_list cookies; /* "NAME=VALUE" or a file; allocated */
    const char *cookie_jar;    /* file to write */

    bool location;
    int64_t max_redirects;
    bool raw;

    bool insecure;
    const char *ca, *certificate, *key;
    struct fetch_list pins;

    char *proxy;
    const char *no_proxy;
    struct fetch_list resolve; /* "HOST:PORT:ADDRESS" */
    const char *interface;

    int64_t connect_timeout; /* 0: the client's */
    int64_t timeout;
    int64_t retries;
    int64_t limit;
    bool json;
    bool help;
};

struct fetch_run {
    struct fetch_settings settings;
    struct fetch_job *jobs;
    size_t count;
    size_t next; /* the first job nobody has begun */
    size_t done;
    int64_t began, ended;

    ed_client *client;
    ed_tls *tls;          /* NULL: the system's */
    ed_jar *jar;          /* NULL: none */
    struct ed_bytes data; /* of -d, once read */
    struct ed_buf joined; /* where it lies if there were several */
    bool unsaved;         /* the cookies could not be written */
};

/* ---- the command line (fetch_options.c) ---- */

/* Reads it; `optind` is then the first URL. What is secret of it is hidden
 * from the list of processes. 0, or an exit status after saying what is wrong.
 * The settings are the caller's to free, whatever is returned. */
int fetch_read_options(struct fetch_settings *settings, int argc, char **argv);
void fetch_free_options(struct fetch_settings *settings);
void fetch_show_help(void);

/* ---- secrets (fetch_secrets.c) ---- */

/* Copies an argument, to be freed, and writes over it, so that a list of
 * processes does not show it. NULL without memory. */
char *fetch_take_secret(char *argument);

/* Takes the URL of a job, and hides the user information in the argument.
 * -1 without memory. */
int fetch_take_url(struct fetch_job *job, char *argument);

/* ---- what it makes of the library (fetch_client.c) ---- */

/* Makes the client that the settings ask for. Fiber only. Returns 0, or an
 * error after saying on standard error what is wrong. */
int fetch_open_client(struct fetch_run *run);

/* Gives up what there is of it; if there is a client, writes the cookies if
 * that was asked for. As above. */
int fetch_close_client(struct fetch_run *run);

/* The options of each fetch. Returns as above. */
int fetch_options_of(const struct fetch_run *run,
                     struct ed_fetch_options *options);

/* ---- files (fetch_files.c) ---- */

/* Chooses the files that bodies go to, none of them twice. 0, or a negative
 * error after saying on standard error what is wrong. */
int fetch_choose_files(struct fetch_run *run);

/* Writes a piece of a body to standard output, however slowly that is read.
 * Suspends. 0, or -errno. */
int fetch_write_out(const char *piece, size_t len);

/* ---- telling it (fetch_report.c) ---- */

bool fetch_failed(const struct fetch_job *job);

/* A table for people, or JSON. */
void fetch_report_table(const struct fetch_run *run, FILE *out);
void fetch_report_json(const struct fetch_run *run, FILE *out);

#endif
