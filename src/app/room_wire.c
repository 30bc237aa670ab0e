/*
 * room_wire.c - what processes with one room send each other.
 */
#include "app/room_wire.h"

#include <eddy/error.h>

#define MARK ED_BYTES("EDR1")

enum {
    MARK_LEN = 4,
    COUNT_AT = MARK_LEN + 1 + 8 + 8,
    MEMBERS_AT = COUNT_AT + 4,
    HEAD = MEMBERS_AT + 4,
    MESSAGE_HEAD = 3 * 4,
    NAME_HEAD = 4,
};

/* ---- numbers ---- */

static void put(char *at, uint64_t n, size_t bytes)
{
    for (size_t i = bytes; i--; n >>= 8)
        at[i] = (char)(n & 0xff);
}

static uint64_t get(const char *at, size_t bytes)
{
    uint64_t n = 0;

    for (size_t i = 0; i < bytes; i++)
        n = n << 8 | (unsigned char)at[i];
    return n;
}

/* ---- reading ---- */

static bool take(struct ed_bytes *in, size_t len, struct ed_bytes *out)
{
    if (in->len < len)
        return false;
    *out = ed_bytes_of(in->ptr, len);
    *in = ed_bytes_of(in->ptr + len, in->len - len);
    return true;
}

/* `len` bytes with a NUL at their end and no other. */
static bool take_text(struct ed_bytes *in, size_t len, const char **out)
{
    struct ed_bytes text;

    if (!len || !take(in, len, &text) || text.ptr[len - 1])
        return false;
    *out = text.ptr;
    return strlen(text.ptr) == len - 1;
}

/* The same without a line end, as types and ids are. */
static bool take_line(struct ed_bytes *in, size_t len, const char **out)
{
    return take_text(in, len, out) && !strpbrk(*out, "\r\n");
}

static bool take_message(struct ed_bytes *in, struct ed_room_said *out)
{
    struct ed_bytes head;

    if (!take(in, MESSAGE_HEAD, &head))
        return false;
    return take_line(in, (size_t)get(head.ptr, 4), &out->id) && *out->id &&
           take_line(in, (size_t)get(head.ptr + 4, 4), &out->event) &&
           take(in, (size_t)get(head.ptr + 8, 4), &out->data);
}

static bool take_name(struct ed_bytes *in, const char **out)
{
    struct ed_bytes head;

    return take(in, NAME_HEAD, &head) &&
           take_text(in, (size_t)get(head.ptr, 4), out);
}

/* Whether it holds as much as it says, and no more. */
static bool is_whole(const struct ed_room_packet *packet)
{
    struct ed_bytes rest = packet->rest;
    struct ed_room_said said;
    const char *name;

    for (uint32_t i = 0; i < packet->count; i++) {
        bool taken = packet->kind == ED_ROOM_MESSAGES
                         ? take_message(&rest, &said)
                         : take_name(&rest, &name);
        if (!taken)
            return false;
    }
    return !rest.len;
}

int ed_room_packet_read(struct ed_room_packet *packet, struct ed_bytes bytes)
{
    struct ed_bytes head;

    if (!take(&bytes, HEAD, &head) || !ed_bytes_starts(head, MARK))
        return ED_EPARSE;
    *packet = (struct ed_room_packet){
        .kind = (uint8_t)head.ptr[MARK_LEN],
        .origin = get(head.ptr + MARK_LEN + 1, 8),
        .seq = get(head.ptr + MARK_LEN + 9, 8),
        .count = (uint32_t)get(head.ptr + COUNT_AT, 4),
        .members = (uint32_t)get(head.ptr + MEMBERS_AT, 4),
        .rest = bytes,
    };
    if (packet->kind != ED_ROOM_MESSAGES && packet->kind != ED_ROOM_PRESENCE)
        return ED_EPARSE;
    return is_whole(packet) ? 0 : ED_EPARSE;
}

bool ed_room_packet_message(struct ed_room_packet *packet,
                            struct ed_room_said *out)
{
    return packet->kind == ED_ROOM_MESSAGES && take_message(&packet->rest, out);
}

const char *ed_room_packet_name(struct ed_room_packet *packet)
{
    const char *name;

    if (packet->kind != ED_ROOM_PRESENCE || !take_name(&packet->rest, &name))
        return NULL;
    return name;
}

/* ---- writing ---- */

static char *end_of(struct ed_buf *out)
{
    return out->ptr + out->len;
}

static void add(struct ed_buf *out, const char *ptr, size_t len)
{
    if (len)
        memcpy(end_of(out), ptr, len);
    out->len += len;
}

static void add_number(struct ed_buf *out, uint64_t n, size_t bytes)
{
    put(end_of(out), n, bytes);
    out->len += bytes;
}

int ed_room_packet_begin(struct ed_buf *out, uint8_t kind, uint64_t origin,
                         uint64_t seq)
{
    int err = ed_buf_reserve(out, HEAD);

    if (err)
        return err;
    add(out, MARK.ptr, MARK_LEN);
    add_number(out, kind, 1);
    add_number(out, origin, 8);
    add_number(out, seq, 8);
    add_number(out, 0, 8); /* the counts */
    return 0;
}

int ed_room_packet_add(struct ed_buf *out, const struct ed_room_said *said)
{
    size_t id = strlen(said->id) + 1;
    size_t event = strlen(said->event) + 1;
    int err =
        said->data.len > UINT32_MAX || id > UINT32_MAX || event > UINT32_MAX
            ? ED_ENOMEM
            : ed_buf_reserve(out, MESSAGE_HEAD + id + event + said->data.len);

    if (err)
        return err;
    add_number(out, id, 4);
    add_number(out, event, 4);
    add_number(out, said->data.len, 4);
    add(out, said->id, id);
    add(out, said->event, event);
    add(out, said->data.ptr, said->data.len);
    return 0;
}

int ed_room_packet_add_name(struct ed_buf *out, const char *name)
{
    size_t len = strlen(name) + 1;
    int err = ed_buf_reserve(out, NAME_HEAD + len);

    if (err)
        return err;
    add_number(out, len, 4);
    add(out, name, len);
    return 0;
}

void ed_room_packet_count(struct ed_buf *out, uint32_t count, uint32_t members)
{
    put(out->ptr + COUNT_AT, count, 4);
    put(out->ptr + MEMBERS_AT, members, 4);
}
