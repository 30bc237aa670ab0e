/*
 * calls.c - the table of libc calls of our own.
 */
#include "base/calls.h"

#include <sys/wait.h>
#include <unistd.h>

struct ed_calls ed_calls = {
    .read = read,
    .write = write,
    .readv = readv,
    .writev = writev,
    .recv = recv,
    .send = send,
    .sendmsg = sendmsg,
    .sem_wait = sem_wait,
    .sem_clockwait = sem_clockwait,
    .waitpid = waitpid,
};
