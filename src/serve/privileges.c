/*
 * privileges.c - what a worker gives up before its app is made.
 *
 * The order matters. Names are looked up while /etc is still there; the root
 * directory, the groups and the bounding set need root, so the user changes
 * behind them; and what must not come back is tried last.
 */
#include "serve/privileges.h"

#include <eddy/bytes.h>
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

/* Version 3 of the calls has 64 bits, in two halves. */
enum { HALVES = _LINUX_CAPABILITY_U32S_3, CAPS_MAX = 64 };

static int failed(const char *setting, const char *value)
{
    int err = errno ? -errno : -EINVAL;

    ed_log_error("cannot start: %s '%s': %s", setting, value, ed_err_text(err));
    return err;
}

static int came_back(const char *setting, const char *value)
{
    ed_log_error("cannot start: %s '%s': what was given up came back", setting,
                 value);
    return -EPERM;
}

/* ---- who ---- */

/* Of users and groups; -1 as an id means "leave it". */
static bool is_id(const char *text, unsigned *id)
{
    int64_t n;

    if (ed_bytes_int(ed_bytes(text), &n) || n < 0 || n >= UINT32_MAX)
        return false;
    *id = (unsigned)n;
    return true;
}

static const char *look_up_user(const char *text, struct ed_identity *who)
{
    const struct passwd *user = getpwnam(text);
    unsigned id;

    if (!user && !is_id(text, &id))
        return "is not known here";
    if (!user && !(user = getpwuid(id))) {
        who->uid = id;
        who->user = true;
        return NULL;
    }
    *who = (struct ed_identity){user->pw_name, user->pw_uid, user->pw_gid, true,
                                true};
    return NULL;
}

static const char *look_up_group(const char *text, struct ed_identity *who)
{
    const struct group *group = getgrnam(text);
    unsigned id;

    if (!group && !is_id(text, &id))
        return "is not known here";
    who->gid = group ? group->gr_gid : id;
    who->group = true;
    return NULL;
}

static struct ed_identity_wrong look_up_both(const struct ed_settings *s,
                                             struct ed_identity *who)
{
    struct ed_identity_wrong wrong = {"user", s->user, NULL};

    if (s->user)
        wrong.text = look_up_user(s->user, who);
    if (!wrong.text && s->group)
        wrong = (struct ed_identity_wrong){"group", s->group,
                                           look_up_group(s->group, who)};
    if (!wrong.text && who->user && !who->group)
        wrong.text = "has no entry: say which group, too";
    return wrong;
}

/* To be who one is already needs no rights. */
static struct ed_identity_wrong for_root(const struct ed_settings *s,
                                         const struct ed_identity *who)
{
    static const char why[] = "is for root to change";
    bool user = who->uid == geteuid() && who->uid == getuid();
    bool group = who->gid == getegid() && who->gid == getgid();

    if (!geteuid())
        return (struct ed_identity_wrong){0};
    if (who->user && !user)
        return (struct ed_identity_wrong){"user", s->user, why};
    if (s->group && !group)
        return (struct ed_identity_wrong){"group", s->group, why};
    return (struct ed_identity_wrong){"chroot", s->chroot,
                                      s->chroot ? why : NULL};
}

bool ed_privileges_look_up(const struct ed_settings *s, struct ed_identity *who,
                           struct ed_identity_wrong *wrong)
{
    *who = (struct ed_identity){0};
    *wrong = look_up_both(s, who);
    if (!wrong->text)
        *wrong = for_root(s, who);
    return !wrong->text;
}

/* ---- changing ---- */

static int change_root(const char *path)
{
    if (path && (chroot(path) || chdir("/")))
        return failed("chroot", path);
    return 0;
}

/* All groups of the one before go, and those of the user come. */
static int change_groups(const struct ed_settings *s,
                         const struct ed_identity *who)
{
    const char *setting = s->group ? "group" : "user";
    const char *value = s->group ? s->group : s->user;

    if (!who->group || geteuid())
        return 0;
    int err =
        who->name ? initgroups(who->name, who->gid) : setgroups(1, &who->gid);
    if (err || setresgid(who->gid, who->gid, who->gid))
        return failed(setting, value);
    return 0;
}

/* What is in the bounding set may be had again by executing a file. Who may
 * not change it may not gain by it either, by no_new_privs. */
static void empty_bounding_set(void)
{
    for (int cap = 0; cap < CAPS_MAX; cap++) {
        if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
            (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    }
}

static int change_user(const struct ed_settings *s,
                       const struct ed_identity *who)
{
    if (!who->user || geteuid())
        return 0;
    if (who->uid)
        empty_bounding_set(); /* needs CAP_SETPCAP, which goes with the user */
    if (setresuid(who->uid, who->uid, who->uid))
        return failed("user", s->user);
    /* A change of user closes the process to itself: no core file, and
     * /proc/self/fd is root's. */
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    return 0;
}

/* ---- capabilities ---- */

static int drop_capabilities(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[HALVES] = {{0}};

    if (!geteuid())
        return 0;
    empty_bounding_set();
    /* Kernels before 4.3 know none of these. */
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) &&
        errno != EINVAL)
        return failed("capabilities", "ambient");
    if (syscall(SYS_capset, &header, none))
        return failed("capabilities", "none");
    return 0;
}

static int forbid_new_ones(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return failed("no_new_privs", "1");
    return 0;
}

/* ---- looking again ---- */

static bool has_capabilities(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct now[HALVES];
    uint32_t any = 0;

    if (syscall(SYS_capget, &header, now))
        return true;
    for (size_t i = 0; i < HALVES; i++)
        any |= now[i].effective | now[i].permitted | now[i].inheritable;
    return any != 0;
}

static bool is_user(uid_t uid)
{
    uid_t real, effective, saved;

    return !getresuid(&real, &effective, &saved) && real == uid &&
           effective == uid && saved == uid;
}

static bool is_group(gid_t gid)
{
    gid_t real, effective, saved;

    return !getresgid(&real, &effective, &saved) && real == gid &&
           effective == gid && saved == gid;
}

/* By what the kernel says, and by trying. */
static int look_again(const struct ed_settings *s,
                      const struct ed_identity *who, bool was_root)
{
    const char *group = s->group ? s->group : s->user;

    if (was_root && who->group && !is_group(who->gid))
        return came_back("group", group);
    if (!geteuid())
        return 0;
    if (was_root && (!is_user(who->uid) || !setuid(0) || !seteuid(0)))
        return came_back("user", s->user);
    if (was_root && who->gid && (!setgid(0) || !setegid(0)))
        return came_back("group", group);
    if (has_capabilities() || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return came_back("capabilities", "none");
    return 0;
}

int ed_privileges_drop(const struct ed_settings *s)
{
    struct ed_identity who;
    struct ed_identity_wrong wrong;
    bool was_root = !geteuid();

    if (!ed_privileges_look_up(s, &who, &wrong)) {
        ed_log_error("cannot start: %s '%s' %s", wrong.setting, wrong.value,
                     wrong.text);
        return -EPERM;
    }
    if (s->umask >= 0)
        umask((mode_t)s->umask);
    int err = change_root(s->chroot);
    if (!err)
        err = change_groups(s, &who);
    if (!err)
        err = change_user(s, &who);
    if (!err)
        err = drop_capabilities();
    if (!err)
        err = forbid_new_ones();
    return err ? err : look_again(s, &who, was_root);
}

void ed_privileges_warn(const struct ed_settings *s)
{
    struct ed_identity who;
    struct ed_identity_wrong wrong;

    if (geteuid() || !ed_privileges_look_up(s, &who, &wrong))
        return;
    if (!who.user)
        ed_log_warn("workers run as root: say whom they shall run as (--user)");
}
