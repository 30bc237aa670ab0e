/*
 * test_privileges.c - what a worker gives up, seen from inside of processes
 * that did: each case is a child of its own. Most need root to begin with.
 */
#include "serve/privileges.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/log.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Debian's static number of a user that owns nothing. */
enum { NOBODY = 65534, FREE_ID = 54321 };

/* What the last child logged. */
static char said[4096];

/* Runs it in a child; true when it says so. */
static bool holds(bool (*check)(const struct ed_settings *s),
                  const struct ed_settings *s)
{
    int log = memfd_create("log", 0), status = 0;
    pid_t pid = fork();

    if (!pid) {
        ed_log_set_fd(log);
        _exit(check(s) ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    ssize_t n = pread(log, said, sizeof said - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    close(log);
    if (status)
        print_message("status %x, log: %s\n", status, said);
    return status == 0;
}

static struct ed_settings plain(void)
{
    return (struct ed_settings){.umask = -1};
}

#define ROOT_ONLY()                      \
    do {                                 \
        if (geteuid()) {                 \
            print_message("not root\n"); \
            skip();                      \
        }                                \
    } while (0)

/* A line of /proc/self/status as a number of base 16. */
static unsigned long long status_line(const char *name)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[256];
    unsigned long long value = ~0ULL;

    while (f && fgets(line, sizeof line, f)) {
        if (!strncmp(line, name, strlen(name)))
            value = strtoull(line + strlen(name) + 1, NULL, 16);
    }
    if (f)
        fclose(f);
    return value;
}

static bool has_nothing(void)
{
    return !status_line("CapPrm") && !status_line("CapEff") &&
           !status_line("CapInh") && !status_line("CapAmb") &&
           status_line("NoNewPrivs") == 1;
}

/* ---- as a user ---- */

static bool is_nobody(const struct ed_settings *s)
{
    gid_t groups[8];
    uid_t r, e, sv;

    if (ed_privileges_drop(s) || getresuid(&r, &e, &sv))
        return false;
    int n = getgroups(8, groups);
    return r == NOBODY && e == NOBODY && sv == NOBODY && getgid() == NOBODY &&
           n == 1 && groups[0] == NOBODY;
}

static void a_worker_becomes_its_user_and_group(void **state)
{
    struct ed_settings s = plain();

    (void)state;
    ROOT_ONLY();
    s.user = "nobody";
    assert_true(holds(is_nobody, &s));
    s.user = "65534";
    assert_true(holds(is_nobody, &s));
}

static bool is_without_rights(const struct ed_settings *s)
{
    return !ed_privileges_drop(s) && has_nothing() && !status_line("CapBnd") &&
           setuid(0) && errno == EPERM && setgid(0) && errno == EPERM &&
           open("/etc/shadow", O_RDONLY) < 0;
}

static void nothing_of_root_is_left_and_nothing_comes_back(void **state)
{
    struct ed_settings s = plain();

    (void)state;
    ROOT_ONLY();
    s.user = "nobody";
    assert_true(holds(is_without_rights, &s));
}

/* As systemd starts one with AmbientCapabilities=. */
static bool loses_ambient_rights(const struct ed_settings *s)
{
    const unsigned bit = 1U << CAP_NET_BIND_SERVICE;
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct caps[2] = {{bit, bit, bit}};

    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    if (setresgid(NOBODY, NOBODY, NOBODY) ||
        setresuid(NOBODY, NOBODY, NOBODY) ||
        syscall(SYS_capset, &header, caps) ||
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0))
        return false;
    if (!status_line("CapAmb") || !status_line("CapEff"))
        return false;
    return !ed_privileges_drop(s) && has_nothing();
}

static void inherited_capabilities_go_as_well(void **state)
{
    struct ed_settings s = plain();

    (void)state;
    ROOT_ONLY();
    assert_true(holds(loses_ambient_rights, &s));
}

static bool can_see_itself(const struct ed_settings *s)
{
    return !ed_privileges_drop(s) && !access("/proc/self/fd/0", F_OK) &&
           prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1;
}

static void a_worker_can_dump_core_and_see_its_descriptors(void **state)
{
    struct ed_settings s = plain();

    (void)state;
    ROOT_ONLY();
    s.user = "nobody";
    assert_true(holds(can_see_itself, &s));
}

static bool is_free_id(const struct ed_settings *s)
{
    return !ed_privileges_drop(s) && getuid() == FREE_ID && getgid() == 54322 &&
           getgroups(0, NULL) == 1;
}

static bool is_refused(const struct ed_settings *s)
{
    return ed_privileges_drop(s) < 0;
}

static void numbers_need_no_entry_but_a_group(void **state)
{
    struct ed_settings s = plain();

    (void)state;
    ROOT_ONLY();
    s.user = "54321";
    assert_true(holds(is_refused, &s));
    assert_non_null(strstr(said, "user '54321' has no entry"));
    s.group = "54322";
    assert_true(holds(is_free_id, &s));
}

/* ---- the other settings ---- */

static bool files_have_its_mode(const struct ed_settings *s)
{
    struct stat st;
    int fd =
        ed_privileges_drop(s) ? -1 : open("/tmp", O_TMPFILE | O_RDWR, 0666);

    return fd >= 0 && !fstat(fd, &st) && (st.st_mode & 0777) == 0640;
}

static void umask_is_of_the_worker(void **state)
{
    struct ed_settings s = plain();

    (void)state;
    s.umask = 027;
    assert_true(holds(files_have_its_mode, &s));
    assert_int_not_equal(umask(022), 027);
}

static bool sees_the_new_root(const struct ed_settings *s)
{
    char here[64];

    return !ed_privileges_drop(s) && getuid() == NOBODY &&
           !access("/inside", F_OK) && access("/etc/passwd", F_OK) &&
           getcwd(here, sizeof here) && !strcmp(here, "/");
}

static void names_are_looked_up_before_the_root_changes(void **state)
{
    char root[] = "/tmp/eddy-root-XXXXXX", inside[64];
    struct ed_settings s = plain();

    (void)state;
    ROOT_ONLY();
    assert_non_null(mkdtemp(root));
    assert_int_equal(chmod(root, 0755), 0);
    snprintf(inside, sizeof inside, "%s/inside", root);
    close(open(inside, O_CREAT | O_WRONLY, 0644));
    s.chroot = root;
    s.user = "nobody";
    bool ok = holds(sees_the_new_root, &s);
    unlink(inside);
    rmdir(root);
    assert_true(ok);
}

static bool stays_root(const struct ed_settings *s)
{
    return !ed_privileges_drop(s) && !geteuid() && status_line("CapEff") &&
           status_line("NoNewPrivs") == 1;
}

static bool warns(const struct ed_settings *s)
{
    ed_privileges_warn(s);
    return true;
}

static void root_stays_root_when_nobody_says_otherwise_but_is_warned(
    void **state)
{
    struct ed_settings s = plain();

    (void)state;
    ROOT_ONLY();
    assert_true(holds(stays_root, &s));
    assert_true(holds(warns, &s));
    assert_non_null(strstr(said, "workers run as root"));
    s.user = "nobody";
    assert_true(holds(warns, &s));
    assert_string_equal(said, "");
}

/* ---- what is refused ---- */

static void each_failure_names_its_setting(void **state)
{
    struct ed_settings s = plain();

    (void)state;
    s.user = "nobdy";
    assert_true(holds(is_refused, &s));
    assert_non_null(strstr(said, "user 'nobdy' is not known here"));
    s.user = NULL;
    s.group = "4294967295";
    assert_true(holds(is_refused, &s));
    assert_non_null(strstr(said, "group '4294967295' is not known here"));
    s.group = NULL;
    s.chroot = "/nowhere/at/all";
    assert_true(holds(is_refused, &s));
    assert_non_null(strstr(said, "chroot '/nowhere/at/all'"));
}

static bool is_refused_to_nobody(const struct ed_settings *s)
{
    return !setresgid(NOBODY, NOBODY, NOBODY) &&
           !setresuid(NOBODY, NOBODY, NOBODY) && is_refused(s);
}

static bool is_fine_for_nobody(const struct ed_settings *s)
{
    return !setresgid(NOBODY, NOBODY, NOBODY) &&
           !setresuid(NOBODY, NOBODY, NOBODY) && !ed_privileges_drop(s);
}

static void who_is_not_root_may_ask_only_for_what_it_is(void **state)
{
    struct ed_settings s = plain();

    (void)state;
    ROOT_ONLY();
    s.user = "root";
    assert_true(holds(is_refused_to_nobody, &s));
    assert_non_null(strstr(said, "user 'root' is for root to change"));
    s.user = "nobody";
    assert_true(holds(is_fine_for_nobody, &s));
    s.group = "root";
    assert_true(holds(is_refused_to_nobody, &s));
    assert_non_null(strstr(said, "group 'root' is for root to change"));
    s.group = NULL;
    s.chroot = "/tmp";
    assert_true(holds(is_refused_to_nobody, &s));
    assert_non_null(strstr(said, "chroot '/tmp' is for root to change"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_becomes_its_user_and_group),
        cmocka_unit_test(nothing_of_root_is_left_and_nothing_comes_back),
        cmocka_unit_test(inherited_capabilities_go_as_well),
        cmocka_unit_test(a_worker_can_dump_core_and_see_its_descriptors),
        cmocka_unit_test(numbers_need_no_entry_but_a_group),
        cmocka_unit_test(umask_is_of_the_worker),
        cmocka_unit_test(names_are_looked_up_before_the_root_changes),
        cmocka_unit_test(
            root_stays_root_when_nobody_says_otherwise_but_is_warned),
        cmocka_unit_test(each_failure_names_its_setting),
        cmocka_unit_test(who_is_not_root_may_ask_only_for_what_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
