/*
 * suffix.c - public suffixes, by the list of libpsl.
 *
 * Owns the list, read once per process: the distribution's, if that is newer
 * than the one the library was built with.
 */
#include "http/suffix.h"
#include <libpsl.h>
#include <pthread.h>
#include <string.h>

static psl_ctx_t *list; /* NULL: none could be had */

static void load(void)
{
    list = psl_latest(NULL);
}

static const psl_ctx_t *get_list(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load);
    return list;
}

bool ed_suffix_is_public(const char *name)
{
    /* Without a list, at least nobody gets cookies of all of "com". */
    if (!get_list())
        return !strchr(name, '.');
    return psl_is_public_suffix(get_list(), name);
}

const char *ed_suffix_site(const char *host)
{
    const char *site =
        get_list() ? psl_registrable_domain(get_list(), host) : NULL;

    return site ? site : host;
}
