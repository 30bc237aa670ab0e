/*
 * settings_check.c - whether settings fit together, and what they name is
 * there.
 */
#include "serve/settings_internal.h"

#include <eddy/error.h>
#include <eddy/log.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include "net/addr.h"
#include "serve/privileges.h"

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

static void check_file(const struct ed_settings *s, const char *name,
                       const char *path)
{
    if (path && access(path, R_OK))
        wrong(s, name, "'%s': %s", path, ed_err_text(-errno));
}

static void check_tls(const struct ed_settings *s)
{
    if (s->keyfile && !s->certfile)
        wrong(s, "keyfile", "without certfile");
    check_file(s, "admin-token", s->admin_token);
}

static bool is_address(const char *text)
{
    struct ed_endpoint endpoint;

    return !strncmp(text, "fd:", 3) || !strcmp(text, "systemd") ||
           !strncmp(text, "systemd:", 8) ||
           !ed_endpoint_parse(&endpoint, ed_bytes(text));
}

static void check_addresses(const struct ed_settings *s, const char *name,
                            const struct ed_texts *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!is_address(list->each[i]))
            wrong(s, name, "'%s' is no address", list->each[i]);
        for (size_t k = 0; k < i; k++) {
            /* Port 0 takes another one each time. */
            size_t len = strlen(list->each[i]);
            bool any = len > 2 && !strcmp(list->each[i] + len - 2, ":0");
            if (!any && !strcmp(list->each[i], list->each[k]))
                wrong(s, name, "'%s' stands there twice", list->each[i]);
        }
    }
}

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
    if (s->single && s->workers > 1)
        wrong(s, "single", "with %u workers", s->workers);
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

    check_tls(s);
    check_addresses(s, "listen", &s->listen);
    check_addresses(s, "admin", &s->admin);
    check_who(s);
    check_pairs(s);
    check_log(s);
    return s->inside->errors - before;
}
