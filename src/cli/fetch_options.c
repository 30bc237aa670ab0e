/*
 * fetch_options.c - the command line of `eddy fetch`, in curl's words.
 */
#include "commands.h"
#include "fetch.h"
#include <getopt.h>
#include <stdlib.h>

/* As many as curl has; each is a connection at most. */
#define DEFAULT_LIMIT 50
#define LIMIT_MAX     10000

#define REDIRECTS_MAX 1000
#define RETRIES_MAX   100

enum kind { TEXT, SECRET, LIST, SECRETS, FLAG, SECONDS, NUMBER };

/* Options without a letter have numbers above all letters. */
enum { NO_LETTER = 256 };

/* One row an option: what getopt_long() is told, what people are, and where
 * the value goes. */
static const struct row {
    int letter; /* 0: none */
    const char *name;
    const char *placeholder; /* NULL: takes no value */
    const char *help;        /* NULL: another name of the one before */
    enum kind kind;
    size_t at;   /* in struct fetch_settings */
    int64_t max; /* of a NUMBER; the least is 1, unless `zero` */
    bool zero;
} rows[] = {
#define AT(member) offsetof(struct fetch_settings, member)
    {'o', "output", "FILE|DIR", "keep the body; DIR for several, - for stdout",
     TEXT, AT(output)},
    {0, "json", NULL, "tell it as JSON", FLAG, AT(json)},
    {0, "limit", "N", "fetch at most so many at once; 50", NUMBER, AT(limit),
     LIMIT_MAX},

    {'H', "header", "LINE", "send a field, \"Name: value\"; may be repeated",
     LIST, AT(headers)},
    {'X', "request", "METHOD", "instead of GET, or POST with a body", TEXT,
     AT(method)},
    {'I', "head", NULL, "ask for the head only", FLAG, AT(head)},
    {'d', "data", "TEXT|@FILE", "send a body; if repeated, with '&' in between",
     LIST, AT(data)},
    {'F', "form", "NAME=VALUE",
     "send a form; =@FILE is a file; may be repeated", LIST, AT(form)},
    {'T', "upload-file", "FILE", "send a file, with PUT", TEXT, AT(upload)},
    {'r', "range", "FROM-TO", "ask for a part, in bytes", TEXT, AT(range)},
    {'A', "user-agent", "TEXT", "instead of eddy/VERSION", TEXT,
     AT(user_agent)},
    {0, "raw", NULL, "leave bodies compressed", FLAG, AT(raw)},

    {'L', "location", NULL, "follow redirects", FLAG, AT(location)},
    {0, "max-redirs", "N", "at most so many; 10", NUMBER, AT(max_redirects),
     REDIRECTS_MAX},
    {'u', "user", "NAME:PASSWORD", "for the server", SECRET, AT(user)},
    {0, "digest", NULL, "with digest authentication", FLAG, AT(digest)},
    {0, "anyauth", NULL, "with the best that is asked for", FLAG, AT(any_auth)},
    {0, "oauth2-bearer", "TOKEN", "send a token", SECRET, AT(bearer)},
    {'b', "cookie", "NAME=VALUE|FILE",
     "send a cookie, or those of a file; repeatable", SECRETS, AT(cookies)},
    {'c', "cookie-jar", "FILE", "write all cookies there at the end", TEXT,
     AT(cookie_jar)},

    {'k', "insecure", NULL, "trust any certificate", FLAG, AT(insecure)},
    {0, "cacert", "FILE|DIR", "trust these issuers only", TEXT, AT(ca)},
    {'E', "cert", "FILE", "show this certificate", TEXT, AT(certificate)},
    {0, "key", "FILE", "its key, if not in the same file", TEXT, AT(key)},
    {0, "pinnedpubkey", "PIN", "trust only this; may be repeated", LIST,
     AT(pins)},

    {'x', "proxy", "URL", "go through it; \"\" is none", SECRET, AT(proxy)},
    {0, "noproxy", "LIST", "but not to these hosts", TEXT, AT(no_proxy)},
    {0, "resolve", "HOST:PORT:IP", "where a host is; may be repeated", LIST,
     AT(resolve)},
    {0, "interface", "IP", "connect from there", TEXT, AT(interface)},

    {'m', "timeout", "SECONDS", "give up a fetch after that; 30", SECONDS,
     AT(timeout)},
    {0, "max-time", "SECONDS", NULL, SECONDS, AT(timeout)},
    {0, "connect-timeout", "SECONDS", "or connecting; 10", SECONDS,
     AT(connect_timeout)},
    {0, "retry", "N", "try again so often, where that is safe", NUMBER,
     AT(retries), RETRIES_MAX, .zero = true},
    {0, "help", NULL, "this", FLAG, AT(help)},
#undef AT
};

#define ROWS (sizeof(rows) / sizeof(*rows))

void fetch_show_help(void)
{
    fputs("usage: eddy fetch [OPTION...] URL...\n\n"
          "Fetches the URLs, all at once, and shows the status, the size and"
          " how long\neach phase took. Redirects are shown, and followed with"
          " -L.\n\n",
          stdout);
    for (size_t i = 0; i < ROWS; i++) {
        char left[40], letter[8] = "    ";
        const char *value = rows[i].placeholder;

        if (!rows[i].help)
            continue;
        if (rows[i].letter)
            snprintf(letter, sizeof(letter), "-%c, ", rows[i].letter);
        snprintf(left, sizeof(left), "--%s%s%s", rows[i].name, value ? " " : "",
                 value ? value : "");
        printf("  %s%-26s %s\n", letter, left, rows[i].help);
    }
    fputs("\nExit status: 0; 1 if a fetch failed or was answered with 400 or"
          " above; 2 for\nwrong usage.\n",
          stdout);
}

/* ---- getopt_long() ---- */

/* The tables it wants, made of ours. */
struct getopt_tables {
    char letters[2 + 2 * ROWS];
    struct option longs[ROWS + 1];
};

static int code_of(size_t i)
{
    return rows[i].letter ? rows[i].letter : NO_LETTER + (int)i;
}

static const struct row *row_of(int code)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (code_of(i) == code)
            return &rows[i];
    }
    return NULL;
}

static void fill(struct getopt_tables *t)
{
    char *at = t->letters;

    *at++ = ':'; /* tell a missing value from an unknown option */
    for (size_t i = 0; i < ROWS; i++) {
        t->longs[i] = (struct option){
            .name = rows[i].name,
            .has_arg = rows[i].placeholder ? required_argument : no_argument,
            .val = code_of(i),
        };
        if (!rows[i].letter)
            continue;
        *at++ = (char)rows[i].letter;
        if (rows[i].placeholder)
            *at++ = ':';
    }
}

/* ---- values ---- */

static int take_number(const struct row *row, const char *text, int64_t *value)
{
    int64_t least = row->zero ? 0 : 1;

    if (ed_bytes_int(ed_bytes(text), value) || *value < least ||
        *value > row->max)
        return usage_error("fetch: --%s %s is not %lld to %lld", row->name,
                           text, (long long)least, (long long)row->max);
    return 0;
}

static int take_seconds(const struct row *row, const char *text, int64_t *value)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end || !(seconds > 0 && seconds <= 1e6))
        return usage_error("fetch: --%s %s is no number of seconds", row->name,
                           text);
    *value = (int64_t)(seconds * (double)ED_S);
    return 0;
}

static int take_secret(char *value, char **secret)
{
    free(*secret);
    *secret = fetch_take_secret(value);
    return *secret ? 0 : EXIT_FAILED;
}

static int take_value(struct fetch_settings *settings, const struct row *row,
                      char *value)
{
    void *at = (char *)settings + row->at;
    struct fetch_list *list = at;

    switch (row->kind) {
    case TEXT:
        *(const char **)at = value;
        return 0;
    case SECRET:
        return take_secret(value, at);
    case SECRETS:
        list->items[list->count] = fetch_take_secret(value);
        return list->items[list->count++] ? 0 : EXIT_FAILED;
    case LIST:
        list->items[list->count++] = value;
        return 0;
    case FLAG:
        *(bool *)at = true;
        return 0;
    case SECONDS:
        return take_seconds(row, value, at);
    case NUMBER:
        return take_number(row, value, at);
    }
    return 0;
}

/* What makes no request, whatever the URL is. */
static int check_words(const struct fetch_settings *s)
{
    for (size_t i = 0; i < s->headers.count; i++) {
        if (!strchr(s->headers.items[i], ':'))
            return usage_error("fetch: --header %s is not \"NAME: VALUE\"",
                               s->headers.items[i]);
    }
    for (size_t i = 0; i < s->form.count; i++) {
        if (!strchr(s->form.items[i], '='))
            return usage_error("fetch: --form %s is not NAME=VALUE",
                               s->form.items[i]);
    }
    /* Not to be repeated: it may be a password alone. */
    if (s->user && !strchr(s->user, ':'))
        return usage_error("fetch: --user wants NAME:PASSWORD, with a colon");
    return 0;
}

/* What only one of can be meant. */
static int check(const struct fetch_settings *s)
{
    int bodies =
        (s->data.count > 0) + (s->form.count > 0) + (s->upload != NULL);

    if (bodies > 1)
        return usage_error("fetch: -d, -F and -T exclude each other");
    if (s->head && bodies)
        return usage_error("fetch: -I asks for a head and sends no body");
    if (s->user && s->bearer)
        return usage_error("fetch: --user and --oauth2-bearer exclude each"
                           " other");
    return check_words(s);
}

static bool new_lists(struct fetch_settings *settings, int argc)
{
    for (size_t i = 0; i < ROWS; i++) {
        struct fetch_list *list = (void *)((char *)settings + rows[i].at);

        if (rows[i].kind != LIST && rows[i].kind != SECRETS)
            continue;
        /* The headers may get a Cookie besides. */
        list->items = calloc((size_t)argc + 2, sizeof(*list->items));
        if (!list->items)
            return false;
    }
    return true;
}

void fetch_free_options(struct fetch_settings *settings)
{
    for (size_t i = 0; i < ROWS; i++) {
        void *at = (char *)settings + rows[i].at;
        struct fetch_list *list = at;

        if (rows[i].kind == SECRET)
            free(*(char **)at);
        for (size_t n = 0; rows[i].kind == SECRETS && n < list->count; n++)
            free((char *)list->items[n]);
        if (rows[i].kind == LIST || rows[i].kind == SECRETS)
            free(list->items);
    }
}

int fetch_read_options(struct fetch_settings *settings, int argc, char **argv)
{
    struct getopt_tables t = {0};
    int code;
    int status = 0;

    settings->limit = DEFAULT_LIMIT;
    settings->timeout = 30 * ED_S;
    if (!new_lists(settings, argc))
        return EXIT_FAILED;
    fill(&t);
    opterr = 0;
    optind = 1;
    while (!status &&
           (code = getopt_long(argc, argv, t.letters, t.longs, NULL)) >= 0) {
        if (code == ':')
            status = usage_error("fetch: %s needs a value", argv[optind - 1]);
        else if (code == '?')
            status = option_error("fetch", t.longs, argv[optind - 1]);
        else
            status = take_value(settings, row_of(code), optarg);
    }
    if (status || settings->help)
        return status;
    if (optind == argc)
        return usage_error("fetch: no URL given");
    return check(settings);
}
