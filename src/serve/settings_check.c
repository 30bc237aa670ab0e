/*
 * settings_check.c - whether settings fit together, and what they name is
 * there.
 */
#include "serve/settings_internal.h"

#include <eddy/error.h>
#include <eddy/log.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>
#include "net/addr.h"

/* Where the value stands, or what it is called when that is nowhere. */
static const char *place(const struct ed_settings *s, const char *name)
{
    const struct ed_setting *setting = ed_settings_find(ed_bytes(name));

    return setting ? ed_settings_note(s, setting)->place : "";
}

#define WRONG(s, name, ...) \
    ed_settings_error((s)->inside, place((s), (name)), __VA_ARGS__)

static void check_file(const struct ed_settings *s, const char *name,
                       const char *path)
{
    if (path && access(path, R_OK))
        WRONG(s, name, "%s '%s': %s", name, path, ed_err_text(-errno));
}

static void check_tls(const struct ed_settings *s)
{
    if (s->keyfile && !s->certfile)
        WRONG(s, "keyfile", "keyfile without certfile");
    check_file(s, "admin-token", s->admin_token);
}

static bool is_address(const char *text)
{
    struct ed_endpoint endpoint;

    return !strncmp(text, "fd:", 3) || !strncmp(text, "systemd", 7) ||
           !ed_endpoint_parse(&endpoint, ed_bytes(text));
}

static void check_addresses(const struct ed_settings *s, const char *name,
                            const struct ed_texts *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!is_address(list->each[i]))
            WRONG(s, name, "%s '%s' is no address", name, list->each[i]);
        for (size_t k = 0; k < i; k++) {
            /* Port 0 takes another one each time. */
            size_t len = strlen(list->each[i]);
            bool any = len > 2 && !strcmp(list->each[i] + len - 2, ":0");
            if (!any && !strcmp(list->each[i], list->each[k]))
                WRONG(s, name, "%s '%s' stands there twice", name,
                      list->each[i]);
        }
    }
}

static void check_who(const struct ed_settings *s)
{
    if (s->user && !getpwnam(s->user))
        WRONG(s, "user", "user '%s': there is none", s->user);
    if (s->group && !getgrnam(s->group))
        WRONG(s, "group", "group '%s': there is none", s->group);
    if ((s->user || s->group || s->chroot) && geteuid())
        WRONG(s, "user", "only root can change user, group or root directory");
}

static void check_pairs(const struct ed_settings *s)
{
    if (s->max_requests_jitter && !s->max_requests)
        WRONG(s, "max-requests-jitter",
              "max-requests-jitter without max-requests");
    if (s->sandbox_write.count && !s->sandbox)
        WRONG(s, "sandbox-write", "sandbox-write without sandbox");
    if (s->reload_command && !s->reload)
        WRONG(s, "reload-command", "reload-command without reload");
    if (s->single && s->workers > 1)
        WRONG(s, "single", "single with %u workers", s->workers);
}

static void check_log(const struct ed_settings *s)
{
    /* It may be set already: nobody is hurt by the same once more. */
    if (s->log && ed_log_configure(s->log))
        WRONG(s, "log",
              "log '%s' is none of debug, info, warn, error and off, with "
              ",text or ,json behind it",
              s->log);
}

unsigned ed_settings_check(const struct ed_settings *s)
{
    unsigned before = s->inside->errors;

    check_tls(s);
    check_addresses(s, "listen", &s->listen);
    check_addresses(s, "admin", &s->admin);
    check_who(s);
    check_pairs(s);
    check_log(s);
    return s->inside->errors - before;
}
