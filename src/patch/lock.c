/*
 * lock.c - locks on files.
 *
 * Nothing tells when somebody else's lock goes, so it is tried again and again,
 * with pauses that grow to 50 ms.
 */
#include "patch/patch.h"

#include <errno.h>
#include <sys/file.h>
#include <unistd.h>

static bool is_taken(void)
{
    return errno == EWOULDBLOCK || errno == EACCES;
}

int ed_patch_flock(int fd, int how)
{
    if ((how & LOCK_NB) || (how & LOCK_UN))
        return ed_plain->flock(fd, how);
    for (unsigned tries = 0;; tries++) {
        int result = ed_plain->flock(fd, how | LOCK_NB);
        if (!result || !is_taken())
            return result;
        if (ed_patch_stays_plain("flock()"))
            return ed_plain->flock(fd, how);
        int err = ed_patch_back_off(tries);
        if (err)
            return ed_patch_fail(err);
    }
}

int ed_patch_lockf(int fd, int how, off_t len)
{
    if (how != F_LOCK)
        return ed_plain->lockf(fd, how, len);
    for (unsigned tries = 0;; tries++) {
        int result = ed_plain->lockf(fd, F_TLOCK, len);
        if (!result || !is_taken())
            return result;
        if (ed_patch_stays_plain("lockf()"))
            return ed_plain->lockf(fd, how, len);
        int err = ed_patch_back_off(tries);
        if (err)
            return ed_patch_fail(err);
    }
}
