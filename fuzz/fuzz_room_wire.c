/*
 * fuzz_room_wire.c - packets that came by the channel of a room.
 *
 * What is read and written again must be the same bytes, so nothing can stand
 * in a packet that a room could not have said.
 */
#include "app/room_wire.h"
#include "check.h"

static void write_messages(struct ed_room_packet packet, struct ed_buf *out)
{
    struct ed_room_said said;
    uint32_t count = 0;

    for (; ed_room_packet_message(&packet, &said); count++) {
        CHECK(*said.id && !strpbrk(said.id, "\r\n"));
        CHECK(!strpbrk(said.event, "\r\n"));
        CHECK(ed_room_packet_add(out, &said) == 0);
    }
    CHECK(count == packet.count);
}

static void write_names(struct ed_room_packet packet, struct ed_buf *out)
{
    const char *name;
    uint32_t count = 0;

    for (; (name = ed_room_packet_name(&packet)); count++)
        CHECK(ed_room_packet_add_name(out, name) == 0);
    CHECK(count == packet.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ed_bytes in = ed_bytes_of(data, len);
    char *copy = check_copy(in);
    struct ed_room_packet packet;
    struct ed_buf out = {0};

    in.ptr = copy;
    if (!ed_room_packet_read(&packet, in)) {
        CHECK(ed_room_packet_begin(&out, packet.kind, packet.origin,
                                   packet.seq) == 0);
        if (packet.kind == ED_ROOM_MESSAGES)
            write_messages(packet, &out);
        else
            write_names(packet, &out);
        ed_room_packet_count(&out, packet.count, packet.members);
        CHECK(ed_bytes_equal(ed_buf_bytes(&out), in));
    }
    ed_buf_free(&out);
    free(copy);
    return 0;
}
