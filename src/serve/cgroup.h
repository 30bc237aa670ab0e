/*
 * cgroup.h - what the control groups of a process let it have: the limits of a
 * container, or of a systemd unit.
 */
#ifndef EDDY_SERVE_CGROUP_H
#define EDDY_SERVE_CGROUP_H

#include <eddy/api.h>

struct ed_cgroup {
    double processors; /* as time; 0: no limit */
    uint64_t memory;   /* bytes; 0: no limit */
};

/*
 * Reads them, of version 2 or 1, from the process's own group up to the
 * topmost, since the tightest counts. Files are looked for below `root`, which
 * is "" outside of tests. What cannot be read is no limit.
 */
struct ed_cgroup ed_cgroup_read(const char *root);

#endif
