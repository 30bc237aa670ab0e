/*
 * settings_check.c - whether settings fit together, and what they name is
 * there.
 */
#include "serve/settings_internal.h"

#include <eddy/error.h>
#include <eddy/log.h>
#include <eddy/tls.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "app/access_format.h"
#include "net/addr.h"
#include "net/network.h"
#include "serve/privileges.h"
#include "wire/url.h"

/* Tells that a setting is wrong, by the name it was set with. */
ED_PRINTF(3, 4)
static void wrong(const struct ed_settings *s, const char *name,
                  const char *fmt, ...)
{
    const struct ed_setting *setting = ed_settings_find(ed_bytes(name));
    const struct ed_setting_note *note = ed_settings_note(s, setting);
    char text[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (note->source >= ED_FROM_ENV)
        ed_settings_error(s->inside, "", "%s %s", note->place, text);
    else
        ed_settings_error(s->inside, note->place ? note->place : "", "%s %s",
                          name, text);
}

/* ---- files ---- */

/* A path as it will be found from `workdir`, when that is not gone to yet. In
 * the arena. */
static const char *from_workdir(const struct ed_settings *s, const char *path)
{
    const struct ed_settings_inside *in = s->inside;

    if (*path == '/' || !s->workdir || in->to_log)
        return path;
    return ed_arena_printf(in->arena, "%s/%s", s->workdir, path);
}

static bool is_directory(const char *path)
{
    struct stat about;

    return !stat(path, &about) && S_ISDIR(about.st_mode);
}

static bool can_be_read(const struct ed_settings *s, const char *name,
                        const char *path)
{
    const char *found = path ? from_workdir(s, path) : NULL;

    if (!found || !access(found, R_OK))
        return true;
    wrong(s, name, "'%s': %s", path, ed_err_text(-errno));
    return false;
}

static bool is_readable_file(const struct ed_settings *s, const char *name,
                             const char *path)
{
    if (!can_be_read(s, name, path))
        return false;
    if (!path || !is_directory(from_workdir(s, path)))
        return true;
    wrong(s, name, "'%s' is a directory", path);
    return false;
}

static void check_directory(const struct ed_settings *s, const char *name,
                            const char *path)
{
    struct stat about;

    if (!path)
        return;
    if (stat(path, &about))
        wrong(s, name, "'%s': %s", path, ed_err_text(-errno));
    else if (!S_ISDIR(about.st_mode))
        wrong(s, name, "'%s' is not a directory", path);
}

/* The file may be made, but its directory is there. `value` is what was said,
 * `path` the file in it. */
static void check_place_in(const struct ed_settings *s, const char *name,
                           const char *value, const char *path)
{
    const char *found = path ? from_workdir(s, path) : NULL;
    const char *slash = found ? strrchr(found, '/') : NULL;
    struct stat about;

    if (found && is_directory(found))
        wrong(s, name, "'%s' is a directory", value);
    if (!slash || slash == found)
        return;
    const char *directory = ed_arena_copy(
        s->inside->arena, ed_bytes_of(found, (size_t)(slash - found)));
    if (directory && stat(directory, &about))
        wrong(s, name, "'%s': its directory: %s", value, ed_err_text(-errno));
}

static void check_place(const struct ed_settings *s, const char *name,
                        const char *path)
{
    check_place_in(s, name, path, path);
}

/* The file of a Unix socket, unless it has a name without one. */
static void check_socket(const struct ed_settings *s, const char *name,
                         const char *address)
{
    static const char local[] = "unix:";
    const char *path = address + strlen(local);

    if (!strncmp(address, local, strlen(local)) && *path != '@')
        check_place_in(s, name, address, path);
}

/* Whether it is one, and the key is that of the certificate. */
static void check_certificate(const struct ed_settings *s)
{
    ed_tls *tls;
    int err =
        ed_tls_server(&tls, .certificate = from_workdir(s, s->certfile),
                      .key = s->keyfile ? from_workdir(s, s->keyfile) : NULL);

    if (err)
        wrong(s, "certfile", "'%s': %s", s->certfile,
              *ed_error() ? ed_error() : ed_err_text(err));
    else
        ed_tls_free(tls);
}

static void check_tls(const struct ed_settings *s)
{
    if (s->keyfile && !s->certfile) {
        wrong(s, "keyfile", "without certfile");
        return;
    }
    bool readable = is_readable_file(s, "certfile", s->certfile);
    readable = is_readable_file(s, "keyfile", s->keyfile) && readable;
    if (s->certfile && readable)
        check_certificate(s);
}

/* With `reload` it may be built only now; with `wsgi` none belongs there, which
 * is told elsewhere. */
static void check_module(const struct ed_settings *s)
{
    bool is_due = !s->reload && !s->wsgi;
    const char *module = is_due ? ed_settings_argument(s, 0) : NULL;
    const char *found = module ? from_workdir(s, module) : NULL;
    size_t len = module ? strlen(module) : 0;

    /* Other servers of Python are told "shop:app", without an option. */
    if (found && access(found, R_OK))
        ed_settings_error(s->inside, "",
                          strchr(module, ':') && !strchr(module, '/')
                              ? "%s: %s; an application in Python is --wsgi %s"
                              : "%s: %s",
                          module, ed_err_text(-errno), module);
    else if (found && is_directory(found))
        ed_settings_error(s->inside, "", "%s is a directory", module);
    else if (len > 3 && !strcmp(module + len - 3, ".py"))
        ed_settings_error(s->inside, "",
                          "%s is Python, of which --wsgi MODULE:APP serves an "
                          "application",
                          module);
}

/* Only where they were read: a process that starts later does without what it
 * does not need, such as a worker without the token. */
static void check_files(const struct ed_settings *s)
{
    check_directory(s, "workdir", s->inside->to_log ? NULL : s->workdir);
    check_directory(s, "chroot", s->chroot);
    if (s->inside->from->module)
        check_module(s);
    check_tls(s);
    (void)is_readable_file(s, "admin-token", s->admin_token);
    for (size_t i = 0; i < s->reload_path.count; i++)
        (void)can_be_read(s, "reload-path", s->reload_path.each[i]);
    for (size_t i = 0; i < s->listen.count; i++)
        check_socket(s, "listen", s->listen.each[i]);
    for (size_t i = 0; i < s->admin.count; i++)
        check_socket(s, "admin", s->admin.each[i]);
    if (s->ctl && strcmp(s->ctl, "none") != 0)
        check_place(s, "ctl", s->ctl);
    check_place(s, "pidfile", s->pidfile);
    check_place(s, "log-file", s->log_file);
    if (s->access_log && strcmp(s->access_log, "-") != 0)
        check_place(s, "access-log", s->access_log);
}

/* ---- addresses ---- */

static bool is_address(const char *text)
{
    struct ed_endpoint endpoint;

    if (!strncmp(text, "fd:", 3) || !strcmp(text, "systemd") ||
        !strncmp(text, "systemd:", 8))
        return true;
    if (ed_endpoint_parse(&endpoint, ed_bytes(text)))
        return false;
    /* Of names nobody knows where they lead to by the time. */
    return endpoint.any || endpoint.addr.len ||
           ed_bytes_equal_nocase(ed_bytes(endpoint.host),
                                 ED_BYTES("localhost"));
}

static void check_addresses(const struct ed_settings *s, const char *name,
                            const struct ed_texts *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!is_address(list->each[i]))
            wrong(s, name,
                  "'%s' is no address such as 127.0.0.1:8080, [::]:80 or "
                  "unix:/run/x.sock",
                  list->each[i]);
        for (size_t k = 0; k < i; k++) {
            /* Port 0 takes another one each time. */
            size_t len = strlen(list->each[i]);
            bool any = len > 2 && !strcmp(list->each[i] + len - 2, ":0");
            if (!any && !strcmp(list->each[i], list->each[k]))
                wrong(s, name, "'%s' stands there twice", list->each[i]);
        }
    }
}

static void check_hosts(const struct ed_settings *s)
{
    for (size_t i = 0; i < s->admin_hosts.count; i++) {
        if (strpbrk(s->admin_hosts.each[i], ":/[]"))
            wrong(s, "admin-hosts",
                  "'%s' is no name alone, without scheme and port",
                  s->admin_hosts.each[i]);
    }
}

static void check_ctl(const struct ed_settings *s)
{
    size_t most = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;

    if (s->ctl && strlen(s->ctl) > most)
        wrong(s, "ctl", "'%s' is longer than a socket's path may be (%zu)",
              s->ctl, most);
}

static void check_targets(const struct ed_settings *s)
{
    struct ed_endpoint endpoint;
    struct ed_url url;
    const char *why;

    if (s->otlp && ed_url_parse(&url, ed_bytes(s->otlp), &why))
        wrong(s, "otlp", "'%s' is no URL: %s", s->otlp, why);
    if (s->statsd &&
        (ed_endpoint_parse(&endpoint, ed_bytes(s->statsd)) || endpoint.any))
        wrong(s, "statsd",
              "'%s' is none of ADDRESS:PORT, NAME:PORT and unix:PATH",
              s->statsd);
}

/* ---- what goes together ---- */

static void check_who(const struct ed_settings *s)
{
    struct ed_identity who;
    struct ed_identity_wrong what;

    if (!ed_privileges_look_up(s, &who, &what))
        wrong(s, what.setting, "'%s' %s", what.value, what.text);
}

static void check_pairs(const struct ed_settings *s)
{
    if (s->max_requests_jitter && !s->max_requests)
        wrong(s, "max-requests-jitter", "without max-requests");
    if (s->sandbox_read.count && !s->sandbox)
        wrong(s, "sandbox-read", "without sandbox");
    if (s->sandbox_write.count && !s->sandbox)
        wrong(s, "sandbox-write", "without sandbox");
    if (s->reload && s->preload)
        wrong(s, "reload", "with preload, by which no new code is loaded");
    if (s->reload && s->single)
        wrong(s, "reload", "with single: there is no master to do it");
    if (s->reload_command && !s->reload)
        wrong(s, "reload-command", "without reload");
    if (s->reload_path.count && !s->reload)
        wrong(s, "reload-path", "without reload");
    if (s->single && s->workers > 1)
        wrong(s, "single", "with %u workers", s->workers);
}

/* ---- Python ---- */

/* More threads share an interpreter badly. */
enum { MOST_THREADS = 1024 };

static void check_static(const struct ed_settings *s, const char *map)
{
    const char *equals = strchr(map, '=');

    if (*map != '/' || !equals || equals == map + 1 || equals[-1] == '/') {
        wrong(s, "static", "'%s' is not like /static=./static", map);
        return;
    }
    if (s->inside->argv)
        check_directory(s, "static", from_workdir(s, equals + 1));
}

static void check_networks(const struct ed_settings *s, const char *list)
{
    struct ed_network network;

    for (const char *at = list; *at; at += strspn(at, ", ")) {
        struct ed_bytes word = ed_bytes_of(at, strcspn(at, ", "));
        at += word.len;
        if (word.len && !ed_bytes_equal(word, ED_BYTES("*")) &&
            ed_network_parse(&network, word))
            wrong(s, "trusted-proxies",
                  "'%.*s' is no network such as 10.0.0.0/8, 2001:db8::/32 or "
                  "unix",
                  ED_SETTINGS_SHOWN(word));
    }
}

static void check_wsgi(const struct ed_settings *s)
{
    static const char *const kinds[] = {"x-forwarded", "forwarded",
                                        "x-real-ip"};
    const char *script = s->script_name;
    bool known = false;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        known |= !strcmp(s->proxy_fields, kinds[i]);
    if (!known)
        wrong(s, "proxy-fields",
              "'%s' is none of x-forwarded, forwarded and x-real-ip",
              s->proxy_fields);
    if (s->threads < 1 || s->threads > MOST_THREADS)
        wrong(s, "threads", "'%u' is not from 1 to %d", s->threads,
              MOST_THREADS);
    if (script && (*script != '/' || script[strlen(script) - 1] == '/'))
        wrong(s, "script-name", "'%s' is no path such as /shop", script);
    if (*s->wsgi == ':' || !*s->wsgi)
        wrong(s, "wsgi", "'%s' names no module, as shop:app does", s->wsgi);
    for (size_t i = 0; i < s->static_maps.count; i++)
        check_static(s, s->static_maps.each[i]);
    for (size_t i = 0; i < s->trusted_proxies.count; i++)
        check_networks(s, s->trusted_proxies.each[i]);
    if (!s->inside->argv)
        return;
    for (size_t i = 0; i < s->python_path.count; i++)
        (void)can_be_read(s, "python-path", s->python_path.each[i]);
    if (s->virtualenv)
        check_directory(s, "virtualenv", from_workdir(s, s->virtualenv));
    if (s->spool_dir)
        check_directory(s, "spool-dir", from_workdir(s, s->spool_dir));
}

/* What a module would not do. */
static void check_needs_wsgi(const struct ed_settings *s)
{
    const struct {
        const char *name;
        bool given;
    } of_wsgi[] = {
        {"python-path", s->python_path.count > 0},
        {"virtualenv", s->virtualenv != NULL},
        {"script-name", s->script_name != NULL},
        {"static", s->static_maps.count > 0},
        {"spool-dir", s->spool_dir != NULL},
        {"trusted-proxies", s->trusted_proxies.count > 0},
    };

    for (size_t i = 0; i < sizeof of_wsgi / sizeof *of_wsgi; i++) {
        if (of_wsgi[i].given)
            wrong(s, of_wsgi[i].name, "without wsgi");
    }
}

static void check_vital(const struct ed_settings *s)
{
    for (size_t i = 0; i < s->vital.count; i++) {
        if (*s->vital.each[i] != '/')
            wrong(s, "vital", "'%s' is no path: it begins with '/'",
                  s->vital.each[i]);
    }
}

/* ---- logs ---- */

static void check_access_format(const struct ed_settings *s)
{
    struct ed_access_format *format;
    const char *why = NULL;
    int err = ed_access_format_read(&format, s->inside->arena,
                                    s->access_log_format, &why);

    if (err)
        wrong(s, "access-log-format", "'%s': %s", s->access_log_format,
              why ? why : ed_err_text(err));
}

static void check_log(const struct ed_settings *s)
{
    /* It may be set already: nobody is hurt by the same once more. */
    if (s->log && ed_log_configure(s->log))
        wrong(s, "log",
              "'%s' is none of debug, info, warn, error and off, with "
              ",text or ,json behind it",
              s->log);
}

unsigned ed_settings_check(const struct ed_settings *s)
{
    unsigned before = s->inside->errors;

    if (s->inside->argv)
        check_files(s);
    check_addresses(s, "listen", &s->listen);
    check_addresses(s, "admin", &s->admin);
    check_hosts(s);
    check_ctl(s);
    check_targets(s);
    check_who(s);
    check_pairs(s);
    check_vital(s);
    if (s->wsgi)
        check_wsgi(s);
    else
        check_needs_wsgi(s);
    check_access_format(s);
    check_log(s);
    return s->inside->errors - before;
}
