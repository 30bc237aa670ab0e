/*
 * jar.c - cookies that a client keeps (RFC 6265bis, 5.7 and 5.8).
 *
 * Owns the cookies and decides which are kept, for how long, and who is sent
 * them. They lie by site, so that a request looks at those of one owner only,
 * and nobody can push out another's by setting many.
 */
#include "http/jar.h"
#include "base/ascii.h"
#include <eddy/clock.h>
#include <eddy/log.h>
#include <stdlib.h>

static int64_t unix_now(void)
{
    return ed_clock_realtime() / ED_S;
}

/* ---- places ---- */

/* Addresses do not have parts that others could be below: "::1", "10.0.0.7",
 * and whatever a resolver may take for one as its last label is a number. */
static bool is_name(struct ed_bytes host)
{
    size_t at = host.len;

    if (memchr(host.ptr, ':', host.len) || memchr(host.ptr, '%', host.len))
        return false;
    while (at && host.ptr[at - 1] != '.')
        at--;
    return at == host.len || !ed_is_digit(host.ptr[at]);
}

bool ed_jar_place(struct ed_jar_place *place, struct ed_bytes host,
                  struct ed_bytes path, bool secure)
{
    if (!host.len || host.len > ED_JAR_HOST_MAX)
        return false;
    ed_lower(place->host, host);
    place->host[host.len] = '\0';
    place->host_len = host.len;
    place->is_name = is_name(host);
    place->secure = secure;
    place->path = path;
    return true;
}

static bool place_of_url(struct ed_jar_place *place, const struct ed_url *url)
{
    return ed_jar_place(place, url->socket.len ? url->socket : url->host,
                        url->path, url->secure);
}

static struct ed_bytes host_of(const struct ed_jar_place *place)
{
    return ed_bytes_of(place->host, place->host_len);
}

static struct ed_bytes site_of(const struct ed_jar_place *place)
{
    return place->is_name ? ed_bytes(ed_suffix_site(place->host))
                          : host_of(place);
}

/* ---- keeping ---- */

static void drop(ed_jar *jar, struct ed_cookie *cookie)
{
    struct ed_jar_site *site = cookie->site;

    ed_list_remove(&cookie->in_site);
    ed_list_remove(&cookie->in_jar);
    free(cookie);
    jar->count--;
    if (--site->count)
        return;
    ed_map_remove(jar->sites, ed_bytes(site->name));
    free(site);
}

static struct ed_cookie *in_site(struct ed_list *link)
{
    return ED_CONTAINER(link, struct ed_cookie, in_site);
}

static bool has_expired(const struct ed_cookie *cookie, int64_t now)
{
    return cookie->expires && cookie->expires <= now;
}

/* One that has expired, or else the longest unused one. */
static struct ed_cookie *dispensable(struct ed_jar_site *site, int64_t now)
{
    ed_list_each (link, &site->cookies) {
        if (has_expired(in_site(link), now))
            return in_site(link);
    }
    return in_site(ed_list_first(&site->cookies));
}

/* Makes room for one more of a site, which may be NULL. */
static void make_room(ed_jar *jar, struct ed_jar_site *site, int64_t now)
{
    if (site && site->count >= ED_JAR_SITE_MAX)
        drop(jar, dispensable(site, now));
    else if (jar->count >= ED_JAR_MAX)
        drop(jar, ED_CONTAINER(ed_list_first(&jar->cookies), struct ed_cookie,
                               in_jar));
}

static struct ed_jar_site *get_site(ed_jar *jar, struct ed_bytes name)
{
    struct ed_jar_site *site = ed_map_get(jar->sites, name);

    if (site)
        return site;
    site = malloc(sizeof(*site) + name.len + 1);
    if (!site)
        return NULL;
    ed_list_init(&site->cookies);
    site->count = 0;
    memcpy(site->name, name.ptr, name.len);
    site->name[name.len] = '\0';
    if (ed_map_set(jar->sites, name, site, NULL)) {
        free(site);
        return NULL;
    }
    return site;
}

static struct ed_bytes put(char **at, struct ed_bytes text)
{
    struct ed_bytes copy = ed_bytes_of(*at, text.len);

    if (text.len)
        memcpy(*at, text.ptr, text.len);
    (*at)[text.len] = '\0';
    *at += text.len + 1;
    return copy;
}

/* A cookie as it would be kept, but for its texts. */
struct candidate {
    const struct ed_set_cookie *set;
    struct ed_bytes domain;
    struct ed_bytes path;
    bool host_only;
};

static struct ed_cookie *new_cookie(const struct candidate *c)
{
    size_t texts =
        c->set->name.len + c->set->value.len + c->domain.len + c->path.len + 4;
    struct ed_cookie *cookie = malloc(sizeof(*cookie) + texts);
    char *at;

    if (!cookie)
        return NULL;
    at = cookie->texts;
    cookie->name = put(&at, c->set->name);
    cookie->value = put(&at, c->set->value);
    cookie->domain = put(&at, c->domain);
    cookie->path = put(&at, c->path);
    cookie->host_only = c->host_only;
    cookie->secure = c->set->secure;
    cookie->http_only = c->set->http_only;
    cookie->expires = c->set->persistent ? c->set->expires : 0;
    return cookie;
}

/* The one whose place it takes. */
static struct ed_cookie *find_same(struct ed_jar_site *site,
                                   const struct candidate *c)
{
    ed_list_each (link, &site->cookies) {
        struct ed_cookie *cookie = in_site(link);

        if (cookie->host_only == c->host_only &&
            ed_bytes_equal(cookie->name, c->set->name) &&
            ed_bytes_equal(cookie->domain, c->domain) &&
            ed_bytes_equal(cookie->path, c->path))
            return cookie;
    }
    return NULL;
}

/* Adds a cookie, of which the site may not be there any more, or not yet. */
static int add(ed_jar *jar, struct ed_bytes site_name, struct ed_cookie *cookie)
{
    struct ed_jar_site *site = get_site(jar, site_name);

    if (!site) {
        free(cookie);
        return ED_ENOMEM;
    }
    cookie->site = site;
    ed_list_add_back(&site->cookies, &cookie->in_site);
    ed_list_add_back(&jar->cookies, &cookie->in_jar);
    site->count++;
    jar->count++;
    return 0;
}

static int store(ed_jar *jar, struct ed_bytes site_name,
                 const struct candidate *c, int64_t now)
{
    struct ed_jar_site *site = ed_map_get(jar->sites, site_name);
    struct ed_cookie *old = site ? find_same(site, c) : NULL;
    struct ed_cookie *cookie;

    if (c->set->persistent && c->set->expires <= now) {
        if (old)
            drop(jar, old);
        return 0;
    }
    cookie = new_cookie(c);
    if (!cookie)
        return ED_ENOMEM;
    cookie->number = old ? old->number : ++jar->created;
    if (old)
        drop(jar, old);
    else
        make_room(jar, site, now);
    return add(jar, site_name, cookie);
}

/* ---- who may set what ---- */

static int refuse(const char **why, const char *text)
{
    *why = text;
    return ED_EFORBIDDEN;
}

static bool has_prefix(struct ed_bytes text, struct ed_bytes prefix)
{
    if (text.len > prefix.len)
        text.len = prefix.len;
    return ed_bytes_equal_nocase(text, prefix);
}

/* What a name promises (RFC 6265bis, 4.1.3). A value without a name would be
 * sent looking like one. */
static int check_prefix(const struct candidate *c, const char **why)
{
    struct ed_bytes name = c->set->name.len ? c->set->name : c->set->value;
    bool is_host = has_prefix(name, ED_BYTES("__Host-"));

    if (!is_host && !has_prefix(name, ED_BYTES("__Secure-")))
        return 0;
    if (!c->set->name.len)
        return refuse(why, "a value that looks like a name with a prefix");
    if (!c->set->secure)
        return refuse(why, "a __Secure- or __Host- cookie that is not Secure");
    if (is_host &&
        (!c->host_only || !ed_bytes_equal(c->set->path, ED_BYTES("/"))))
        return refuse(why, "a __Host- cookie with a Domain, or another Path"
                           " than /");
    return 0;
}

/* What came in the clear may not stand before what did not (RFC 6265bis, 5.7,
 * "Leave Secure Cookies Alone"). */
static int check_secure(ed_jar *jar, const struct ed_jar_place *from,
                        const struct candidate *c, const char **why)
{
    struct ed_jar_site *site;

    if (from->secure)
        return 0;
    if (c->set->secure)
        return refuse(why, "a Secure cookie that came in the clear");
    site = ed_map_get(jar->sites, site_of(from));
    if (!site)
        return 0;
    ed_list_each (link, &site->cookies) {
        const struct ed_cookie *there = in_site(link);

        if (there->secure && ed_bytes_equal(there->name, c->set->name) &&
            (ed_cookie_domain_match(there->domain, c->domain) ||
             ed_cookie_domain_match(c->domain, there->domain)) &&
            ed_cookie_path_match(c->path, there->path))
            return refuse(why, "a cookie in the clear instead of a Secure one");
    }
    return 0;
}

/* Decides whose it is: of the host alone, or of a domain the host is in.
 * `domain` is where it may lie. */
static int choose_domain(struct candidate *c, const struct ed_jar_place *from,
                         struct ed_jar_place *domain, const char **why)
{
    c->host_only = true;
    c->domain = host_of(from);
    if (!c->set->domain.len)
        return 0;
    if (!ed_jar_place(domain, c->set->domain, c->path, false))
        return refuse(why, "a Domain that is too long");
    if (ed_bytes_equal(host_of(domain), host_of(from))) {
        c->host_only = !from->is_name || ed_suffix_is_public(from->host);
        return 0;
    }
    if (!from->is_name ||
        !ed_cookie_domain_match(host_of(from), host_of(domain)))
        return refuse(why, "a Domain the host is not in");
    if (ed_suffix_is_public(domain->host))
        return refuse(why, "a Domain that is a public suffix");
    c->host_only = false;
    c->domain = host_of(domain);
    return 0;
}

int ed_jar_keep(ed_jar *jar, const struct ed_jar_place *from,
                const struct ed_set_cookie *cookie, int64_t now,
                const char **why)
{
    struct candidate c = {
        .set = cookie,
        .path = cookie->path.len ? cookie->path
                                 : ed_cookie_default_path(from->path),
    };
    struct ed_jar_place domain;
    int err = choose_domain(&c, from, &domain, why);

    if (!err)
        err = check_prefix(&c, why);
    if (!err)
        err = check_secure(jar, from, &c, why);
    return err ? err : store(jar, site_of(from), &c, now);
}

/* ---- who is sent what ---- */

static bool is_for(const struct ed_cookie *cookie,
                   const struct ed_jar_place *to)
{
    struct ed_bytes host = host_of(to);

    if (cookie->secure && !to->secure)
        return false;
    if (cookie->host_only ? !ed_bytes_equal(cookie->domain, host)
                          : !ed_cookie_domain_match(host, cookie->domain))
        return false;
    return ed_cookie_path_match(to->path, cookie->path);
}

/* Longer paths first, then those that were there first. */
static int compare(const void *a, const void *b)
{
    const struct ed_cookie *x = *(struct ed_cookie *const *)a;
    const struct ed_cookie *y = *(struct ed_cookie *const *)b;

    if (x->path.len != y->path.len)
        return x->path.len > y->path.len ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

size_t ed_jar_find(ed_jar *jar, const struct ed_jar_place *to, int64_t now,
                   struct ed_cookie *out[ED_JAR_SITE_MAX])
{
    struct ed_jar_site *site = ed_map_get(jar->sites, site_of(to));
    size_t count = 0;

    if (!site)
        return 0;
    ed_list_each (link, &site->cookies) {
        struct ed_cookie *cookie = in_site(link);

        if (!has_expired(cookie, now) && is_for(cookie, to))
            out[count++] = cookie;
    }
    qsort(out, count, sizeof(*out), compare);
    return count;
}

/* To the end of the lines in which those wait that are not used. */
static void note_use(ed_jar *jar, struct ed_cookie *cookie)
{
    ed_list_remove(&cookie->in_site);
    ed_list_add_back(&cookie->site->cookies, &cookie->in_site);
    ed_list_remove(&cookie->in_jar);
    ed_list_add_back(&jar->cookies, &cookie->in_jar);
}

/* ---- for a journey ---- */

/* A name that is empty has no '=', either. */
static struct ed_bytes write_field(struct ed_cookie *const *cookies,
                                   size_t count)
{
    size_t len = 0;
    char *text, *at;

    for (size_t i = 0; i < count; i++)
        len += cookies[i]->name.len + cookies[i]->value.len + 3;
    at = text = ed_arena_alloc(ed_fiber_arena(), len);
    if (!text)
        return ed_bytes_of(NULL, 0);
    for (size_t i = 0; i < count; i++) {
        const struct ed_cookie *c = cookies[i];

        if (i)
            at = mempcpy(at, "; ", 2);
        at = mempcpy(at, c->name.ptr, c->name.len);
        if (c->name.len)
            *at++ = '=';
        at = mempcpy(at, c->value.ptr, c->value.len);
    }
    return ed_bytes_of(text, (size_t)(at - text));
}

int ed_jar_send(struct ed_journey *journey)
{
    ed_jar *jar = journey->client->jar;
    struct ed_cookie *cookies[ED_JAR_SITE_MAX];
    struct ed_jar_place to;
    struct ed_url url;
    const char *why;

    if (ed_url_parse(&url, ed_bytes(journey->url), &why) ||
        !place_of_url(&to, &url))
        return 0; /* the attempt will say what is wrong with it */
    size_t count = ed_jar_find(jar, &to, unix_now(), cookies);
    if (!count)
        return 0;
    for (size_t i = 0; i < count; i++)
        note_use(jar, cookies[i]);
    struct ed_bytes value = write_field(cookies, count);
    if (!value.ptr)
        return ed_journey_explain(journey, ED_ENOMEM,
                                  "no memory for the cookies");
    return ed_journey_field(journey, ED_BYTES("Cookie"), value);
}

static void receive(ed_jar *jar, const struct ed_jar_place *from,
                    struct ed_bytes field)
{
    struct ed_set_cookie cookie;
    const char *why;
    int64_t now = unix_now();
    int err = ed_set_cookie_parse(&cookie, field, now, &why);

    if (!err)
        err = ed_jar_keep(jar, from, &cookie, now, &why);
    if (err)
        ed_log_debug("%s sets a cookie that is not kept: %s", from->host,
                     err == ED_ENOMEM ? ed_err_text(err) : why);
}

void ed_jar_receive(struct ed_journey *journey, const ed_res *res)
{
    struct ed_bytes name, value;
    struct ed_jar_place from;
    struct ed_url url;
    const char *why;

    if (ed_url_parse(&url, ed_bytes(journey->url), &why) ||
        !place_of_url(&from, &url))
        return;
    for (size_t i = 0; ed_res_header_at(res, i, &name, &value); i++) {
        if (ed_bytes_equal_nocase(name, ED_BYTES("Set-Cookie")))
            receive(journey->client->jar, &from, value);
    }
}

/* ---- for programs ---- */

ed_jar *ed_jar_new(void)
{
    ed_jar *jar = calloc(1, sizeof(*jar));

    if (!jar)
        return NULL;
    ed_list_init(&jar->cookies);
    jar->sites = ed_map_new();
    if (jar->sites)
        return jar;
    free(jar);
    return NULL;
}

void ed_jar_free(ed_jar *jar)
{
    if (!jar)
        return;
    ed_jar_clear(jar, NULL);
    ed_map_free(jar->sites);
    free(jar);
}

void ed_jar_clear(ed_jar *jar, const char *domain)
{
    struct ed_jar_place place;

    if (domain && !ed_jar_place(&place, ed_bytes(domain), ED_BYTES("/"), false))
        return;
    ed_list_each_safe (link, &jar->cookies) {
        struct ed_cookie *c = ED_CONTAINER(link, struct ed_cookie, in_jar);

        if (!domain || ed_cookie_domain_match(c->domain, host_of(&place)))
            drop(jar, c);
    }
}

static int place_of_text(struct ed_jar_place *place, const char *text)
{
    struct ed_url url;
    const char *why;

    if (ed_url_parse(&url, ed_bytes(text), &why))
        return ed_fail(ED_EURL, "no URL for a cookie: %s", why);
    if (!place_of_url(place, &url))
        return ed_fail(ED_EURL, "name of a host that is too long");
    return 0;
}

int ed_jar_set(ed_jar *jar, const char *url, const char *cookie)
{
    struct ed_set_cookie set;
    struct ed_jar_place from;
    int64_t now = unix_now();
    const char *why;
    int err = place_of_text(&from, url);

    if (err)
        return err;
    err = ed_set_cookie_parse(&set, ed_bytes(cookie), now, &why);
    if (!err)
        err = ed_jar_keep(jar, &from, &set, now, &why);
    if (!err)
        return 0;
    return ed_fail(err, "cookie of %s: %s", from.host,
                   err == ED_ENOMEM ? ed_err_text(err) : why);
}

const char *ed_jar_get(ed_jar *jar, const char *url, const char *name)
{
    struct ed_cookie *cookies[ED_JAR_SITE_MAX];
    struct ed_jar_place to;

    if (place_of_text(&to, url))
        return NULL;
    size_t count = ed_jar_find(jar, &to, unix_now(), cookies);
    for (size_t i = 0; i < count; i++) {
        if (ed_bytes_equal(cookies[i]->name, ed_bytes(name)))
            return cookies[i]->value.ptr;
    }
    return NULL;
}

bool ed_jar_at(const ed_jar *jar, size_t i, struct ed_jar_cookie *out)
{
    if (i >= jar->count)
        return false;
    struct ed_list *link = ed_list_first(&jar->cookies);
    while (i--)
        link = link->next;
    const struct ed_cookie *c = ED_CONTAINER(link, struct ed_cookie, in_jar);
    *out = (struct ed_jar_cookie){
        .name = c->name.ptr,
        .value = c->value.ptr,
        .domain = c->domain.ptr,
        .path = c->path.ptr,
        .expires = c->expires,
        .host_only = c->host_only,
        .secure = c->secure,
        .http_only = c->http_only,
    };
    return true;
}
