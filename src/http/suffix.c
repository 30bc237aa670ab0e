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

/* The list knows names without the final dot that means the same. NULL for one
 * that is longer than a name can be. */
static const char *without_final_dot(char copy[ED_SUFFIX_NAME_MAX + 1],
                                     const char *name)
{
    size_t len = strlen(name);

    if (len > ED_SUFFIX_NAME_MAX)
        return NULL;
    memcpy(copy, name, len + 1);
    if (len && copy[len - 1] == '.')
        copy[len - 1] = '\0';
    return copy;
}

bool ed_suffix_is_public(const char *host)
{
    char copy[ED_SUFFIX_NAME_MAX + 1];
    const char *name = without_final_dot(copy, host);

    if (!name)
        return true;
    /* Without a list, at least nobody gets cookies of all of "com". */
    if (!get_list())
        return !strchr(name, '.');
    return psl_is_public_suffix(get_list(), name);
}

const char *ed_suffix_site(const char *host)
{
    char copy[ED_SUFFIX_NAME_MAX + 1];
    const char *name = without_final_dot(copy, host);
    const char *site =
        name && get_list() ? psl_registrable_domain(get_list(), name) : NULL;

    return site ? host + (site - name) : host;
}
