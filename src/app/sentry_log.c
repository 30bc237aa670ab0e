/*
 * sentry_log.c - lines of the log that become events.
 *
 * A line may be logged by any thread, which keeps it and wakes the loop; the
 * loop makes the event. While nobody does, there are few lines to keep. Lines
 * that tell of a request whose failure was reported are left out: they carry
 * its id.
 */
#include "app/sentry_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Kept between two turns of the loop. */
#define LINES_MAX 50

static bool was_reported(const ed_sentry *sentry, const char *context)
{
    for (unsigned i = 0; *context && i < ED_SENTRY_REPORTED; i++) {
        if (!strcmp(sentry->reported[i], context))
            return true;
    }
    return false;
}

static void keep_line(ed_sentry *sentry, const char *context,
                      struct ed_bytes message)
{
    struct ed_sentry_line *line = malloc(sizeof *line + message.len + 1);
    if (!line)
        return;
    line->next = NULL;
    snprintf(line->context, sizeof line->context, "%s", context);
    memcpy(line->text, message.ptr, message.len);
    line->text[message.len] = '\0';
    *sentry->lines_end = line;
    sentry->lines_end = &line->next;
    sentry->line_count++;
    if (!sentry->posted)
        ed_loop_post(sentry->loop, &sentry->post);
    sentry->posted = true;
}

static bool told(struct ed_log_watch *watch, enum ed_log_level level,
                 const char *context, struct ed_bytes message)
{
    ed_sentry *sentry = ED_CONTAINER(watch, ed_sentry, watch);
    (void)level;
    /* In a forked child nobody takes them, and who held the lock is not there
     * to give it back. */
    if (getpid() != ed_loop_process(sentry->loop))
        return true;
    pthread_mutex_lock(&sentry->lock);
    if (!was_reported(sentry, context) && sentry->line_count < LINES_MAX)
        keep_line(sentry, context, message);
    pthread_mutex_unlock(&sentry->lock);
    return true;
}

/* The lines there are, which are the caller's. */
static struct ed_sentry_line *take_lines(ed_sentry *sentry)
{
    pthread_mutex_lock(&sentry->lock);
    struct ed_sentry_line *lines = sentry->lines;
    sentry->lines = NULL;
    sentry->lines_end = &sentry->lines;
    sentry->line_count = 0;
    sentry->posted = false;
    pthread_mutex_unlock(&sentry->lock);
    return lines;
}

static void report_lines(ed_sentry *sentry)
{
    struct ed_sentry_line *line = take_lines(sentry);
    while (line) {
        struct ed_sentry_line *next = line->next;
        ed_sentry_message(sentry, ED_LOG_ERROR,
                          *line->context ? "[%s] %s" : "%s%s", line->context,
                          line->text);
        free(line);
        line = next;
    }
}

static void in_the_loop(struct ed_post *post)
{
    ed_sentry *sentry = ED_CONTAINER(post, ed_sentry, post);
    report_lines(sentry);
    if (sentry->awaiting)
        ed_wake(sentry->awaiting, 0);
}

static bool is_posted(ed_sentry *sentry)
{
    pthread_mutex_lock(&sentry->lock);
    bool posted = sentry->posted;
    pthread_mutex_unlock(&sentry->lock);
    return posted;
}

void ed_sentry_watch_begin(ed_sentry *sentry)
{
    if (!sentry->options.log_errors)
        return;
    sentry->loop = ed_loop_current();
    sentry->post.run = in_the_loop;
    sentry->watch = (struct ed_log_watch){.level = ED_LOG_ERROR, .told = told};
    ed_log_watch(&sentry->watch);
}

void ed_sentry_watch_end(ed_sentry *sentry)
{
    if (!sentry->loop)
        return;
    ed_log_unwatch(&sentry->watch);
    /* Until it has run, the post is the loop's. */
    sentry->awaiting = ed_fiber_self();
    while (is_posted(sentry))
        ed_park("the last lines of the log", NULL, NULL);
    sentry->awaiting = NULL;
    sentry->loop = NULL;
}

void ed_sentry_watch_skip(ed_sentry *sentry, ed_req *req)
{
    if (!sentry->options.log_errors)
        return;
    const char *id = ed_req_id(req);
    pthread_mutex_lock(&sentry->lock);
    unsigned place = sentry->reported_next++ % ED_SENTRY_REPORTED;
    snprintf(sentry->reported[place], sizeof sentry->reported[place], "%s", id);
    pthread_mutex_unlock(&sentry->lock);
}
