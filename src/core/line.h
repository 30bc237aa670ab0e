/*
 * line.h - what the public `struct ed_line` is inside: a queue of waiters.
 *
 * Public structs hold it as words so that no header of ours needs the lists
 * of base. All words zero is an empty line.
 */
#ifndef EDDY_CORE_LINE_H
#define EDDY_CORE_LINE_H

#include "core/runtime.h"
#include <eddy/sync.h>

_Static_assert(sizeof(struct ed_line) == sizeof(struct ed_waitq),
               "a line must have room for the queue it stands for");

static inline struct ed_waitq *ed_line_queue(struct ed_line *line)
{
    struct ed_waitq *queue = (struct ed_waitq *)line;
    if (!queue->waiters.next)
        ed_list_init(&queue->waiters);
    return queue;
}

#endif
