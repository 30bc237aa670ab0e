/*
 * fetch_secrets.c - what `eddy fetch` is told and nobody else is to see:
 * neither in a list of processes nor in what is written out.
 */
#include "fetch.h"
#include "wire/url.h"
#include <stdlib.h>

static void hide(char *text, size_t len)
{
    memset(text, '*', len);
}

char *fetch_take_secret(char *argument)
{
    char *copy = strdup(argument);

    if (copy)
        hide(argument, strlen(argument));
    return copy;
}

/* The user information of a URL; of a text that is none, all before the last
 * '@', since who knows what of it is a password. ptr NULL: there is none. */
static struct ed_bytes userinfo_of(const char *text)
{
    struct ed_url url;
    const char *why;
    const char *at = strrchr(text, '@');

    if (!at)
        return (struct ed_bytes){0};
    if (!ed_url_parse(&url, ed_bytes(text), &why))
        return url.userinfo;
    const char *begin = strstr(text, "://");
    begin = begin && begin < at ? begin + 3 : text;
    return ed_bytes_of(begin, (size_t)(at - begin));
}

/* A terminal would act on them. */
static void blank_controls(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
    }
}

/* What is to stand in front of an argument: one without a scheme is HTTP, as
 * curl has it. */
static const char *scheme_for(const char *argument)
{
    size_t len = strcspn(argument, ":/?#");

    return strncmp(argument + len, "://", 3) != 0 ? "http://" : "";
}

int fetch_take_url(struct fetch_job *job, char *argument)
{
    const char *scheme = scheme_for(argument);

    if (asprintf(&job->url, "%s%s", scheme, argument) < 0) {
        job->url = NULL;
        return -1;
    }
    struct ed_bytes secret = userinfo_of(job->url);
    size_t before = secret.ptr ? (size_t)(secret.ptr - job->url) : 0;
    size_t left_out = secret.ptr ? secret.len + 1 : 0;

    if (asprintf(&job->told, "%.*s%s", (int)before, job->url,
                 job->url + before + left_out) < 0) {
        job->told = NULL;
        return -1;
    }
    blank_controls(job->told);
    if (secret.ptr)
        hide(argument + before - strlen(scheme), secret.len);
    return 0;
}
