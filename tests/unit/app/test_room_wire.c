/*
 * test_room_wire.c - what processes with one room send each other.
 */
#include "app/room_wire.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/error.h>

enum { ORIGIN = 77 };

/* Two messages, numbered from 2^32. */
static void write_messages(struct ed_buf *out)
{
    static const struct ed_room_said said[] = {
        {"a-1", "", {"one\0\n", 5}},
        {"a-2", "add", {"", 0}},
    };

    assert_int_equal(
        ed_room_packet_begin(out, ED_ROOM_MESSAGES, ORIGIN, 1ull << 32), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(ed_room_packet_add(out, &said[i]), 0);
    ed_room_packet_count(out, 2, 0);
}

static void messages_are_read_as_they_were_written(void **state)
{
    struct ed_buf out = {0};
    struct ed_room_packet packet;
    struct ed_room_said said;

    (void)state;
    write_messages(&out);
    assert_int_equal(ed_room_packet_read(&packet, ed_buf_bytes(&out)), 0);
    assert_int_equal(packet.kind, ED_ROOM_MESSAGES);
    assert_int_equal(packet.origin, ORIGIN);
    assert_int_equal(packet.seq, 1ull << 32);
    assert_true(ed_room_packet_message(&packet, &said));
    assert_string_equal(said.id, "a-1");
    assert_string_equal(said.event, "");
    assert_true(ed_bytes_equal(said.data, ed_bytes_of("one\0\n", 5)));
    assert_true(ed_room_packet_message(&packet, &said));
    assert_string_equal(said.id, "a-2");
    assert_string_equal(said.event, "add");
    assert_int_equal(said.data.len, 0);
    assert_false(ed_room_packet_message(&packet, &said));
    assert_null(ed_room_packet_name(&packet));
    ed_buf_free(&out);
}

static void names_are_read_as_they_were_written(void **state)
{
    struct ed_buf out = {0};
    struct ed_room_packet packet;

    (void)state;
    assert_int_equal(ed_room_packet_begin(&out, ED_ROOM_PRESENCE, ORIGIN, 0),
                     0);
    assert_int_equal(ed_room_packet_add_name(&out, "Ada"), 0);
    assert_int_equal(ed_room_packet_add_name(&out, "Bob\n"), 0);
    ed_room_packet_count(&out, 2, 2000);
    assert_int_equal(ed_room_packet_read(&packet, ed_buf_bytes(&out)), 0);
    assert_int_equal(packet.members, 2000);
    assert_string_equal(ed_room_packet_name(&packet), "Ada");
    assert_string_equal(ed_room_packet_name(&packet), "Bob\n");
    assert_null(ed_room_packet_name(&packet));
    ed_buf_free(&out);
}

static void a_packet_that_is_cut_is_refused(void **state)
{
    struct ed_buf out = {0};
    struct ed_room_packet packet;

    (void)state;
    write_messages(&out);
    for (size_t len = 0; len < out.len; len++)
        assert_int_equal(
            ed_room_packet_read(&packet, ed_bytes_of(out.ptr, len)), ED_EPARSE);
    assert_int_equal(ed_buf_add(&out, "x", 1), 0);
    assert_int_equal(ed_room_packet_read(&packet, ed_buf_bytes(&out)),
                     ED_EPARSE);
    ed_buf_free(&out);
}

static void refuses_with(size_t at, char byte)
{
    struct ed_buf out = {0};
    struct ed_room_packet packet;

    write_messages(&out);
    out.ptr[at] = byte;
    assert_int_equal(ed_room_packet_read(&packet, ed_buf_bytes(&out)),
                     ED_EPARSE);
    ed_buf_free(&out);
}

static void what_could_not_be_an_event_is_refused(void **state)
{
    enum { HEAD = 29, FIRST_ID = HEAD + 12 };

    (void)state;
    refuses_with(0, 'e');            /* the mark */
    refuses_with(4, 'X');            /* the kind */
    refuses_with(FIRST_ID, '\n');    /* a line end in the id */
    refuses_with(FIRST_ID, '\0');    /* an empty one, and a NUL in it */
    refuses_with(FIRST_ID + 3, 'x'); /* no NUL at its end */
    refuses_with(HEAD, '\xff');      /* longer than there is */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_read_as_they_were_written),
        cmocka_unit_test(names_are_read_as_they_were_written),
        cmocka_unit_test(a_packet_that_is_cut_is_refused),
        cmocka_unit_test(what_could_not_be_an_event_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
