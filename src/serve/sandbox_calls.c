/*
 * sandbox_calls.c - the filter of system calls.
 *
 * Two tables: sandbox_calls.def has the calls that are allowed or forbidden as
 * such, `by_argument` those of which it depends on an argument. A filter sees
 * numbers only, nothing that a pointer leads to.
 */
#include "serve/sandbox.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41 /* names of memory maps */
#endif

static const struct {
    const char *name;
    bool allowed;
} calls[] = {
#define ALLOW(name)  {#name, true},
#define FORBID(name) {#name, false},
#include "serve/sandbox_calls.def"
#undef ALLOW
#undef FORBID
};

/* A call that is allowed when (argument & mask) is a value; the mask is all of
 * it when it is 0. */
struct by_argument {
    const char *name;
    unsigned argument;
    uint64_t mask;
    uint64_t value;
};

/* In none of these a new thread may be. */
#define NEW_NAMESPACES                                             \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | \
     CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static const struct by_argument by_argument[] = {
    /* Threads, and no processes. */
    {"clone", 0, CLONE_THREAD | NEW_NAMESPACES, CLONE_THREAD},

    {"socket", 0, 0, AF_UNIX},
    {"socket", 0, 0, AF_INET},
    {"socket", 0, 0, AF_INET6},
    {"socket", 0, 0, AF_NETLINK}, /* what addresses there are: getaddrinfo() */
    {"socketpair", 0, 0, AF_UNIX},

    /* None that pretends to be the terminal's user (TIOCSTI). */
    {"ioctl", 1, 0xffffffff, FIONREAD},
    {"ioctl", 1, 0xffffffff, FIONBIO},
    {"ioctl", 1, 0xffffffff, FIOCLEX},
    {"ioctl", 1, 0xffffffff, FIONCLEX},
    {"ioctl", 1, 0xffffffff, TIOCOUTQ},
    {"ioctl", 1, 0xffffffff, TCGETS},
    {"ioctl", 1, 0xffffffff, TIOCGWINSZ},
    {"ioctl", 1, 0xffffffff, SIOCGIFNAME},
    {"ioctl", 1, 0xffffffff, SIOCGIFINDEX},
    {"ioctl", 1, 0xffffffff, SIOCGIFFLAGS},
    {"ioctl", 1, 0xffffffff, SIOCGIFADDR},

    {"prctl", 0, 0, PR_SET_NAME},
    {"prctl", 0, 0, PR_GET_NAME},
    {"prctl", 0, 0, PR_SET_VMA},
    {"prctl", 0, 0, PR_GET_DUMPABLE},
    {"prctl", 0, 0, PR_SET_DUMPABLE},
    {"prctl", 0, 0, PR_GET_PDEATHSIG},
    {"prctl", 0, 0, PR_SET_PDEATHSIG},
    {"prctl", 0, 0, PR_GET_NO_NEW_PRIVS},
    {"prctl", 0, 0, PR_GET_SECCOMP},
    {"prctl", 0, 0, PR_CAPBSET_READ},
    {"prctl", 0, 0, PR_SET_TIMERSLACK},

    {"prlimit64", 0, 0, 0}, /* its own */
};

/* Signals that it may send: to itself alone. */
static const char *const to_itself[] = {"kill", "tgkill", "prlimit64"};

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* A name that this libseccomp does not know is one this kernel's libc does not
 * use yet; a processor without the call has a number below zero for it. */
static bool number_of(const char *name, int *number)
{
    *number = seccomp_syscall_resolve_name(name);
    return *number >= 0;
}

static int add_plain(scmp_filter_ctx filter)
{
    int err = 0, number;

    for (size_t i = 0; i < COUNT(calls) && !err; i++) {
        if (number_of(calls[i].name, &number))
            err = seccomp_rule_add(filter,
                                   calls[i].allowed ? SCMP_ACT_ALLOW
                                                    : SCMP_ACT_ERRNO(EPERM),
                                   number, 0);
    }
    return err;
}

static int add_by_argument(scmp_filter_ctx filter)
{
    int err = 0, number;

    for (size_t i = 0; i < COUNT(by_argument) && !err; i++) {
        const struct by_argument *row = &by_argument[i];
        const struct scmp_arg_cmp is = {row->argument, SCMP_CMP_MASKED_EQ,
                                        row->mask ? row->mask : UINT64_MAX,
                                        row->value};
        if (number_of(row->name, &number))
            err =
                seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &is);
    }
    return err;
}

static int add_to_itself(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp is = {0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0};
    int err = 0, number;

    for (size_t i = 0; i < COUNT(to_itself) && !err; i++) {
        if (number_of(to_itself[i], &number))
            err =
                seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &is);
    }
    return err;
}

/* What is not allowed of those that depend on an argument is forbidden, and
 * known: EPERM. */
static int forbid_others(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp process = {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD,
                                         0};
    const struct scmp_arg_cmp other = {0, SCMP_CMP_NE, (scmp_datum_t)getpid(),
                                       0};
    int number, err = 0;

    if (number_of("clone", &number))
        err = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), number, 1,
                                     &process);
    if (!err && number_of("kill", &number))
        err = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), number, 1,
                                     &other);
    return err;
}

static int add_all(scmp_filter_ctx filter)
{
    int err = add_plain(filter);

    if (!err)
        err = add_by_argument(filter);
    if (!err)
        err = add_to_itself(filter);
    if (!err)
        err = forbid_others(filter);
    return err;
}

int ed_sandbox_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));

    if (!filter)
        return -ENOMEM;
    int err = add_all(filter);
    /* A binary tree instead of a list: dozens of comparisons a call less. */
    if (!err)
        (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (!err)
        err = seccomp_load(filter);
    seccomp_release(filter);
    return err;
}
