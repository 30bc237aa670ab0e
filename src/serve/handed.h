/*
 * handed.h - memory with something in it that a process hands to those it
 * starts, by a descriptor: settings, addresses, a secret.
 *
 * Nobody can change it once it is written, nor open it by /proc but for whom
 * it belongs to.
 */
#ifndef EDDY_SERVE_HANDED_H
#define EDDY_SERVE_HANDED_H

#include <eddy/bytes.h>

/* Makes one of these bytes; `name` is for people who look into /proc. Its
 * descriptor, close-on-exec, or -errno. */
ED_CHECK int ed_handed_new(const char *name, struct ed_bytes content);

/* All that is in one: appended. 0, -errno or ED_ENOMEM. */
ED_CHECK int ed_handed_read(int fd, struct ed_buf *out);

#endif
