/*
 * room_wire.h - what processes with one room send each other through a channel.
 *
 * A packet is "EDR1", a kind, the number of the process, and behind that
 *
 *   M  the number of the first message, how many there are, and of each its id
 *      and type, both ended by NUL, and its data, with their lengths
 *   P  how many members the process has, and the names of some of them, each
 *      ended by NUL
 *
 * Numbers are big-endian. Bytes in, structures out, no I/O: whatever somebody
 * else has put into the channel is refused whole.
 */
#ifndef EDDY_APP_ROOM_WIRE_H
#define EDDY_APP_ROOM_WIRE_H

#include <eddy/api.h>
#include <eddy/bytes.h>

enum ed_room_kind { ED_ROOM_MESSAGES = 'M', ED_ROOM_PRESENCE = 'P' };

struct ed_room_packet {
    uint8_t kind;    /* enum ed_room_kind */
    uint64_t origin; /* the process */
    uint64_t seq;    /* of the first message */
    uint32_t count;  /* of messages, or of names */
    uint32_t members;
    struct ed_bytes rest; /* not read yet */
};

struct ed_room_said {
    const char *id;
    const char *event; /* "": none */
    struct ed_bytes data;
};

/* Reads a packet as a whole. 0 or ED_EPARSE. */
ED_CHECK int ed_room_packet_read(struct ed_room_packet *packet,
                                 struct ed_bytes bytes);

/* The next message or name of a packet that was read; false at its end. */
bool ed_room_packet_message(struct ed_room_packet *packet,
                            struct ed_room_said *out);
const char *ed_room_packet_name(struct ed_room_packet *packet);

/* Begins a packet in an empty buffer; the counts are set later. 0 or
 * ED_ENOMEM, as below; what was written stays whole on failure. */
ED_CHECK int ed_room_packet_begin(struct ed_buf *out, uint8_t kind,
                                  uint64_t origin, uint64_t seq);
ED_CHECK int ed_room_packet_add(struct ed_buf *out,
                                const struct ed_room_said *said);
ED_CHECK int ed_room_packet_add_name(struct ed_buf *out, const char *name);
void ed_room_packet_count(struct ed_buf *out, uint32_t count, uint32_t members);

#endif
