/*
 * keep.c - keeps the last messages in a file, so that pages which come back
 * after a restart go on where they were.
 *
 * The file is lines of JSON: first what the source has to be told to go on
 * where it was, then the messages. After a crash it is a little old; the source
 * then sends the rest again, by the same ids, and no page misses any or sees
 * one twice. A source without ids cannot do that, and pages are told of a gap.
 */
#include "feed.h"

#include <eddy/file.h>
#include <eddy/json.h>
#include <eddy/log.h>
#include <errno.h>
#include <jansson.h>

#define KEEP_EVERY (2 * ED_S)

/* More than any history of ours makes. */
#define FILE_MAX (16 * 1024 * 1024)

/* ---- reading ---- */

static int read_position(struct feed *feed, struct ed_bytes line)
{
    json_t *object;
    int err = ed_json_parse(line, &object, NULL);
    const char *id = json_string_value(json_object_get(object, "last_id"));

    if (!err && !id)
        err = ED_EPARSE;
    if (!err)
        err = ed_buf_add(&feed->source.last_id, id, strlen(id));
    json_decref(object);
    return err;
}

static int read_lines(struct feed *feed, struct ed_bytes text)
{
    int number = 1;
    int err = read_position(feed, ed_bytes_cut(&text, '\n'));

    while (!err && text.len) {
        number++;
        err = feed_say(feed, ed_bytes_cut(&text, '\n'));
    }
    if (err)
        return ed_fail(err, "%s:%d: not a line of ours", feed->file, number);
    return 0;
}

static int load(struct feed *feed)
{
    struct ed_bytes text;
    int err = ed_file_read(&text, feed->file, FILE_MAX);

    if (err == -ENOENT)
        return 0;
    return err ? err : read_lines(feed, text);
}

int keep_load(void *arg)
{
    struct feed *feed = arg;

    if (!feed->file)
        return 0;
    ed_arena *arena = ed_arena_new(0);
    if (!arena)
        return ED_ENOMEM;
    ed_arena *before = ed_fiber_use_arena(arena);
    int err = load(feed);
    ed_fiber_use_arena(before);
    ed_arena_free(arena);
    feed->kept = true;
    return err;
}

/* ---- writing ---- */

static int write_position(struct feed *feed, struct ed_buf *out)
{
    struct ed_json json, *j = &json;

    ed_json_begin(j, out);
    ed_json_object(j);
    ed_json_key(j, "last_id");
    ed_json_bytes(j, ed_buf_bytes(&feed->source.last_id));
    ed_json_end(j);
    int err = ed_json_finish(j);
    return err ? err : ed_buf_add(out, "\n", 1);
}

static int write_lines(struct feed *feed, struct ed_buf *out)
{
    ed_history *history = ed_room_history(feed->room);
    struct ed_history_item item;
    int err = write_position(feed, out);

    for (size_t i = 0; !err && ed_history_at(history, i, &item); i++) {
        err = ed_buf_add(out, item.data.ptr, item.data.len);
        if (!err)
            err = ed_buf_add(out, "\n", 1);
    }
    return err;
}

int keep_save(void *arg)
{
    struct feed *feed = arg;
    struct ed_buf text = {0};

    if (!feed->file || feed->kept)
        return 0;
    int err = write_lines(feed, &text);
    feed->kept = true;
    if (!err)
        err = ed_file_write(feed->file, ed_buf_bytes(&text));
    if (err)
        feed->kept = false;
    ed_buf_free(&text);
    return err;
}

int keep_run(void *arg)
{
    const struct feed *feed = arg;
    int err = 0;

    while (feed->file && !(err = ed_sleep(KEEP_EVERY)))
        if (keep_save(arg))
            ed_log_warn("not kept: %s", ed_error());
    return err;
}
