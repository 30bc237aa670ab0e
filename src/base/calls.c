/*
 * calls.c - the table of libc calls of our own.
 */
#include "base/calls.h"

#include <unistd.h>

struct ed_calls ed_calls = {
    .read = read,
    .write = write,
    .readv = readv,
    .writev = writev,
    .recv = recv,
    .send = send,
    .sendmsg = sendmsg,
};
