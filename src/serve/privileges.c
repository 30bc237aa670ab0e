/*
 * privileges.c - what a worker gives up before its app is made.
 *
 * Names are looked up before the root directory changes, groups go before the
 * user, capabilities last; and what must not come back is tried.
 */
#include "serve/privileges.h"

#include <eddy/error.h>
#include <eddy/log.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct identity {
    const char *user; /* NULL: stays who it is */
    uid_t uid;
    gid_t gid;
    bool has_gid;
};

static int failed(const char *what, const char *value)
{
    int err = errno ? -errno : -EINVAL;

    ed_log_error("cannot start: %s %s: %s", what, value, ed_err_text(err));
    return err;
}

static int look_up(const struct ed_settings *s, struct identity *who)
{
    const struct passwd *user = NULL;
    const struct group *group = NULL;

    errno = 0;
    if (s->user && !(user = getpwnam(s->user)))
        return failed("user", s->user);
    if (user)
        *who =
            (struct identity){user->pw_name, user->pw_uid, user->pw_gid, true};
    errno = 0;
    if (s->group && !(group = getgrnam(s->group)))
        return failed("group", s->group);
    if (group) {
        who->gid = group->gr_gid;
        who->has_gid = true;
    }
    return 0;
}

static int change_root(const char *path)
{
    if (path && (chroot(path) || chdir("/")))
        return failed("chroot", path);
    return 0;
}

static int change_groups(const struct ed_settings *s,
                         const struct identity *who)
{
    const char *name = s->group ? s->group : s->user;

    if (!who->has_gid)
        return 0;
    int err = s->user ? initgroups(s->user, who->gid) : setgroups(1, &who->gid);
    if (err || setresgid(who->gid, who->gid, who->gid))
        return failed("group", name);
    return 0;
}

static int change_user(const struct ed_settings *s, const struct identity *who)
{
    if (!s->user)
        return 0;
    if (setresuid(who->uid, who->uid, who->uid))
        return failed("user", s->user);
    if (who->uid && !setuid(0)) {
        ed_log_error("cannot start: user %s could become root again", s->user);
        return -EPERM;
    }
    return 0;
}

/* Those of root stay with who remains root: files of others may be all it
 * serves. */
static int drop_capabilities(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0}};

    if (geteuid() && syscall(SYS_capset, &header, none))
        return failed("capabilities", "of the worker");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return failed("no_new_privs", "of the worker");
    return 0;
}

int ed_privileges_drop(const struct ed_settings *s)
{
    struct identity who = {0};
    int err = look_up(s, &who);

    if (s->umask >= 0)
        umask((mode_t)s->umask);
    if (!err)
        err = change_root(s->chroot);
    if (!err)
        err = change_groups(s, &who);
    if (!err)
        err = change_user(s, &who);
    return err ? err : drop_capabilities();
}
