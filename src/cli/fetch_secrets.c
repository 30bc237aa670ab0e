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

int fetch_take_url(struct fetch_job *job, char *argument)
{
    struct ed_bytes secret = userinfo_of(argument);
    size_t before = secret.ptr ? (size_t)(secret.ptr - argument) : 0;
    size_t left_out = secret.ptr ? secret.len + 1 : 0;

    job->url = strdup(argument);
    if (!job->url || asprintf(&job->told, "%.*s%s", (int)before, argument,
                              argument + before + left_out) < 0) {
        job->told = NULL;
        return -1;
    }
    blank_controls(job->told);
    hide(argument + before, secret.len);
    return 0;
}
