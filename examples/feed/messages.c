/*
 * messages.c - what a source sends, made a message of the wall.
 *
 * Sources agree on nothing. So a member is looked for under the names that are
 * in use, and what is no JSON at all is a text. Nothing of this is trusted: the
 * page shows it as text, and links lead to the web only.
 */
#include "feed.h"

#include <eddy/clock.h>
#include <eddy/log.h>
#include <eddy/json.h>
#include <jansson.h>
#include <stdio.h>

/* More of a text fits no card. In bytes; cut between characters. */
#define TEXT_MAX       600
#define NAME_MAX_BYTES 80
#define LINK_MAX       500

enum { NAMES = 6 };

/* Where the parts of a message are looked for, best first; "a.b" is within. */
static const struct {
    const char *names[NAMES];
    size_t max;
} parts[] = {
    {{"user", "user.name", "author", "author.name", "who", "actor.login"},
     NAME_MAX_BYTES},
    {{"place", "server_name", "where", "location", "repo.name", "host"},
     NAME_MAX_BYTES},
    {{"topic", "title", "subject", "category", "type"}, 2 * NAME_MAX_BYTES},
    {{"text", "comment", "message", "content", "body", "summary"}, TEXT_MAX},
};

static const char *const links[NAMES] = {"link", "url", "uri", "meta.uri",
                                         "html_url"};
static const char *const times[NAMES] = {"timestamp", "time", "at", "ts"};

/* Numbers of seconds since 1970 are below, those of milliseconds above. */
#define LEAST_MS 100000000000

/* ---- looking into it ---- */

static const json_t *member(const json_t *object, const char *name)
{
    const char *dot = strchr(name, '.');
    char first[32];

    if (!dot)
        return json_object_get(object, name);
    snprintf(first, sizeof first, "%.*s", (int)(dot - name), name);
    return member(json_object_get(object, first), dot + 1);
}

/* The first text that is there and not empty; NULL if none is. */
static const char *text_of(const json_t *object, const char *const names[NAMES])
{
    for (int i = 0; i < NAMES && names[i]; i++) {
        const char *text = json_string_value(member(object, names[i]));
        if (text && *text)
            return text;
    }
    return NULL;
}

static int64_t time_of(const json_t *object)
{
    for (int i = 0; i < NAMES && times[i]; i++) {
        int64_t at = json_integer_value(member(object, times[i]));
        if (at > 0)
            return at < LEAST_MS ? at * 1000 : at;
    }
    return ed_clock_realtime() / ED_MS;
}

/* As much of it as there is room for, not ending within a character. */
static struct ed_bytes cut(struct ed_bytes text, size_t max)
{
    if (text.len <= max)
        return text;
    while (max > 0 && (text.ptr[max] & 0xc0) == 0x80)
        max--;
    return ed_bytes_of(text.ptr, max);
}

static bool is_web(const char *link)
{
    struct ed_bytes b = ed_bytes(link);
    return b.len <= LINK_MAX && (ed_bytes_starts(b, ED_BYTES("https://")) ||
                                 ed_bytes_starts(b, ED_BYTES("http://")));
}

/* Wikimedia sends some that only show that the way is open. */
static bool is_canary(const json_t *object)
{
    const char *domain = json_string_value(member(object, "meta.domain"));
    return domain && !strcmp(domain, "canary");
}

/* ---- writing it ---- */

/* `object` is NULL when the message is no JSON, and all of it the text. */
static int write_message(struct ed_buf *out, const char *id,
                         const json_t *object, struct ed_bytes data)
{
    const char *link = text_of(object, links);
    struct ed_json json, *j = &json;

    ed_json_begin(j, out);
    ed_json_object(j);
    ed_json_key(j, "id");
    ed_json_text(j, id);
    ed_json_key(j, "at");
    ed_json_int(j, time_of(object));
    if (link && is_web(link)) {
        ed_json_key(j, "link");
        ed_json_text(j, link);
    }
    ed_json_key(j, "say");
    ed_json_array(j);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        bool is_text = i + 1 == sizeof parts / sizeof *parts;
        struct ed_bytes part = ed_bytes(text_of(object, parts[i].names));
        if (!object && is_text)
            part = data;
        ed_json_bytes(j, cut(part, parts[i].max));
    }
    ed_json_end(j);
    ed_json_end(j);
    return ed_json_finish(j);
}

/* Sources may name none, or several messages by one id. One of ours is another
 * after each start. */
static const char *choose_id(struct feed *feed, const char *id, char made[48])
{
    const char *last = ed_history_last_id(ed_room_history(feed->room));

    if (*id && strcmp(id, last) != 0)
        return id;
    snprintf(made, 48, "%llx-%llu",
             (unsigned long long)(ed_clock_realtime() / ED_MS),
             (unsigned long long)++feed->made_ids);
    return made;
}

/* Some sources begin with the message that was named, not behind it. */
static bool came_before(const struct feed *feed, const char *id,
                        struct ed_bytes data)
{
    return *id &&
           ed_bytes_equal(ed_bytes(id), ed_buf_bytes(&feed->source.last_id)) &&
           ed_bytes_equal(data, ed_buf_bytes(&feed->last));
}

static int publish(struct feed *feed, const char *id, struct ed_bytes data)
{
    struct ed_buf message = {0};
    char made[48];
    json_t *object;

    if (!ed_json_parse(data, &object, NULL) && !json_is_object(object)) {
        json_decref(object);
        object = NULL;
    }
    int err = 0;
    if (!is_canary(object)) {
        id = choose_id(feed, id, made);
        err = write_message(&message, id, object, data);
        if (!err)
            err = ed_room_publish(feed->room, .id = id,
                                  .data = ed_buf_bytes(&message));
    }
    json_decref(object);
    ed_buf_free(&message);
    return err;
}

void feed_take(void *arg, const char *id, struct ed_bytes data)
{
    struct feed *feed = arg;

    if (came_before(feed, id, data))
        return;
    feed->received++;
    feed->kept = false;
    ed_buf_drop(&feed->last, feed->last.len);
    int err = ed_buf_add(&feed->last, data.ptr, data.len);
    if (!err)
        err = publish(feed, id, data);
    if (err)
        ed_log_error("a message was not shown: %s", ed_err_text(err));
}

void feed_gap(void *arg)
{
    struct feed *feed = arg;

    if (ed_history_gap(ed_room_history(feed->room)))
        ed_log_error("no memory to tell of a gap");
}

int feed_say(struct feed *feed, struct ed_bytes message)
{
    json_t *object;
    int err = ed_json_parse(message, &object, NULL);
    const char *id = json_string_value(json_object_get(object, "id"));

    if (!err && !id)
        err = ED_EPARSE;
    if (!err)
        err = ed_room_publish(feed->room, .id = id, .data = message);
    json_decref(object);
    return err;
}
