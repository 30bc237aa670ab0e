/*
 * jar.h - cookies that a client keeps (RFC 6265bis).
 *
 * A jar takes what servers set and gives back what each may see. Cookies for
 * all of a public suffix ("co.uk", by the list of libpsl) are refused, as are
 * those of another domain, Secure ones that came in the clear, and __Host- and
 * __Secure- ones that are not what their names promise. At most 180 are kept of
 * a site (what lies below one public suffix) and 3000 in all, the longest
 * unused being dropped.
 *
 * A jar belongs to one thread. Nothing here suspends.
 */
#ifndef EDDY_JAR_H
#define EDDY_JAR_H

#include <eddy/api.h>

ED_BEGIN_DECLS

typedef struct ed_jar ed_jar;

/* An empty jar; NULL without memory. */
ED_API ed_jar *ed_jar_new(void);
ED_API void ed_jar_free(ed_jar *jar);

/* Takes a cookie as if `url` had set it: "name=value; Path=/; Secure". Returns
 * 0, ED_EPARSE (ed_error() says what is wrong), ED_EFORBIDDEN (that URL may not
 * set it), ED_EURL or ED_ENOMEM. */
ED_API int ed_jar_set(ed_jar *jar, const char *url, const char *cookie);

/* The value of a cookie that `url` would be sent; NULL when there is none.
 * Valid until the jar changes. */
ED_API const char *ed_jar_get(ed_jar *jar, const char *url, const char *name);

/* Drops the cookies of a domain and those below it, or all (NULL). */
ED_API void ed_jar_clear(ed_jar *jar, const char *domain);

/*
 * Writes the cookies to a file, and adds those of a file, in the format that
 * curl and browsers' tools share (cookies.txt). Session cookies are kept only
 * if `sessions`. The file is replaced in one step, readable by its owner only.
 * They read and write on the calling thread: call them at start and end, or
 * with ed_blocking().
 *
 * Return 0, -errno, ED_ENOMEM, or ED_EPARSE (load), ed_error() naming file and
 * line; what was before that line is in the jar.
 */
ED_API ED_CHECK int ed_jar_save(const ed_jar *jar, const char *path,
                                bool sessions);
ED_API ED_CHECK int ed_jar_load(ed_jar *jar, const char *path);

/* The cookies one by one, in no order; false when there are no more. Texts are
 * valid until the jar changes. */
struct ed_jar_cookie {
    const char *name, *value;
    const char *domain; /* without a dot in front */
    const char *path;
    int64_t expires; /* seconds of Unix time; 0: with the session */
    bool host_only;  /* not for names below the domain */
    bool secure;
    bool http_only;
};
ED_API bool ed_jar_at(const ed_jar *jar, size_t i, struct ed_jar_cookie *out);

ED_END_DECLS
#endif
