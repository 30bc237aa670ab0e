/*
 * json_reply.c - replies of JSON, written as they are said.
 *
 * Owns the room a reply gathers in. While it fits there nothing is sent, and
 * its length can be told; a larger one becomes a reply in pieces. Both room
 * and writer lie in the request's arena: one that is not finished needs no
 * care but that the reply must not pass for whole (message.c sees to that).
 */
#include "http/message.h"
#include "wire/json_writer.h"

#include <eddy/fiber.h>

#define TYPE "application/json"

enum {
    /* Most replies fit; a longer one is copied twice on its way to the most. */
    ROOM_MIN = 1024,
    /* Enough for a piece to be worth a system call; what waits for a client
     * is no more. */
    ROOM_MAX = 16 * 1024,
};

struct json_reply {
    ed_json json;
    ed_req *req;
    int status;
    bool in_pieces;
    char *room;
    size_t size;
};

static struct ed_bytes gathered(const struct json_reply *r)
{
    return ed_bytes_of(r->room, (size_t)(r->json.at - r->room));
}

static void set_room(struct json_reply *r, char *room, size_t used, size_t size)
{
    r->room = room;
    r->size = size;
    r->json.at = room + used;
    r->json.end = room + size;
}

static int grow(struct json_reply *r)
{
    struct ed_bytes text = gathered(r);
    size_t size = r->size * 4;
    char *room = ed_arena_alloc(ed_req_arena(r->req), size);

    if (!room)
        return ED_ENOMEM;
    memcpy(room, text.ptr, text.len);
    set_room(r, room, text.len, size);
    return 0;
}

static int begin_pieces(struct json_reply *r)
{
    ed_req *req = r->req;
    int err = ed_reply_begin(req, r->status, -1);

    if (err)
        return err;
    if (!req->reply.content_type_set)
        req->reply.content_type = ED_BYTES(TYPE);
    req->reply.unfinished = true;
    r->in_pieces = true;
    return 0;
}

static int send_gathered(struct json_reply *r)
{
    int err = r->in_pieces ? 0 : begin_pieces(r);

    if (!err)
        err = ed_write_bytes(r->req, gathered(r));
    set_room(r, r->room, 0, r->size);
    return err;
}

static int reply_room(ed_json *j, size_t more)
{
    struct json_reply *r = j->into;

    (void)more; /* it comes in parts */
    return r->size < ROOM_MAX ? grow(r) : send_gathered(r);
}

static int reply_finish(ed_json *j, int err)
{
    struct json_reply *r = j->into;

    if (j->why)
        return ed_fail(err, "%s", j->why);
    if (err)
        return err;
    if (!r->in_pieces)
        return ed_reply_bytes(r->req, r->status, TYPE, gathered(r));
    err = send_gathered(r);
    r->req->reply.unfinished = err;
    return err;
}

ed_json *ed_reply_json_begin(ed_req *req, int status)
{
    static const struct ed_json_sink sink = {reply_room, reply_finish};
    struct json_reply *r = ed_arena_alloc(req->arena, sizeof *r);
    char *room = r ? ed_arena_alloc(req->arena, ROOM_MIN) : NULL;

    if (!room)
        return NULL;
    *r = (struct json_reply){.req = req, .status = status};
    ed_json_start(&r->json, &sink, r, NULL, NULL);
    set_room(r, room, 0, ROOM_MIN);
    return &r->json;
}
