/*
 * log_file.c - the files a server logs to.
 */
#include "serve/log_file.h"

#include <eddy/error.h>
#include <eddy/log.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "serve/privileges.h"

static void make(const char *file, const struct ed_identity *who)
{
    int fd = open(
        file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY,
        0640);

    if (fd < 0)
        return; /* it is there; or who needs it says why it cannot be */
    (void)!fchown(fd, who->user ? who->uid : (uid_t)-1,
                  who->group ? who->gid : (gid_t)-1);
    close(fd);
}

void ed_log_file_make(const struct ed_settings *s)
{
    struct ed_identity who;
    struct ed_identity_wrong wrong;

    if (geteuid() || !ed_privileges_look_up(s, &who, &wrong))
        return;
    if (s->log_file)
        make(s->log_file, &who);
    if (s->access_log && strcmp(s->access_log, "-"))
        make(s->access_log, &who);
}

void ed_log_file_use(const struct ed_settings *s)
{
    ed_log_file_make(s);
    int err = s->log_file ? ed_log_open(s->log_file) : 0;
    if (err)
        ed_log_error("log-file %s: %s", s->log_file, ed_err_text(err));
}
