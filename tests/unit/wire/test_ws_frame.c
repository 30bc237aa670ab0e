/*
 * test_ws_frame.c - heads, masks and close frames of WebSockets.
 */
#include "wire/ws_frame.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/error.h>
#include <stdlib.h>

static const struct ed_ws_rules OF_SERVER = {.masked = false};
static const struct ed_ws_rules OF_CLIENT = {.masked = true};
static const struct ed_ws_rules DEFLATED = {.deflate = true};
static const struct ed_ws_rules INSIDE = {.continues = true};
static const struct ed_ws_rules INSIDE_DEFLATED = {.deflate = true,
                                                   .continues = true};

/* Reads a head byte by byte: it is whole with the last and not before. */
static void expect_head(struct ed_bytes in, const struct ed_ws_rules *rules,
                        struct ed_ws_head want)
{
    struct ed_ws_head head;
    const char *why = NULL;

    for (size_t len = 0; len < in.len; len++)
        assert_int_equal(
            ed_ws_head_read(&head, ed_bytes_of(in.ptr, len), rules, &why), 0);
    assert_int_equal(ed_ws_head_read(&head, in, rules, &why), in.len);
    assert_int_equal(head.opcode, want.opcode);
    assert_int_equal(head.fin, want.fin);
    assert_int_equal(head.compressed, want.compressed);
    assert_int_equal(head.masked, want.masked);
    assert_true(head.len == want.len);
    if (want.masked)
        assert_memory_equal(head.mask, want.mask, ED_WS_MASK_BYTES);
}

/* The head is refused as soon as `len` bytes of it are there, and not before;
 * what follows does not matter. */
static void expect_refusal(struct ed_bytes in, size_t len,
                           const struct ed_ws_rules *rules, const char *text)
{
    struct ed_ws_head head;
    const char *why = NULL;

    for (size_t n = 0; n < len; n++)
        assert_int_equal(
            ed_ws_head_read(&head, ed_bytes_of(in.ptr, n), rules, &why), 0);
    for (size_t n = len; n <= in.len; n++) {
        why = NULL;
        assert_int_equal(
            ed_ws_head_read(&head, ed_bytes_of(in.ptr, n), rules, &why),
            ED_EPROTO);
        assert_string_equal(why, text);
    }
}

static void a_head_is_read_however_it_is_cut(void **state)
{
    (void)state;
    expect_head(
        ED_BYTES("\x81\x05"), &OF_SERVER,
        (struct ed_ws_head){.opcode = ED_WS_TEXT, .fin = true, .len = 5});
    expect_head(ED_BYTES("\x02\x7e\x01\x00"), &OF_SERVER,
                (struct ed_ws_head){.opcode = ED_WS_BINARY, .len = 256});
    expect_head(
        ED_BYTES("\x82\x7f\0\0\0\0\0\x01\0\0"), &OF_SERVER,
        (struct ed_ws_head){.opcode = ED_WS_BINARY, .fin = true, .len = 65536});
    expect_head(ED_BYTES("\x89\x83\x37\xfa\x21\x3d"), &OF_CLIENT,
                (struct ed_ws_head){.opcode = ED_WS_PING,
                                    .fin = true,
                                    .masked = true,
                                    .mask = {0x37, 0xfa, 0x21, 0x3d},
                                    .len = 3});
    expect_head(ED_BYTES("\x80\x00"), &INSIDE,
                (struct ed_ws_head){.opcode = ED_WS_CONTINUATION, .fin = true});
    expect_head(
        ED_BYTES("\xc1\x07"), &DEFLATED,
        (struct ed_ws_head){
            .opcode = ED_WS_TEXT, .fin = true, .compressed = true, .len = 7});
}

static void the_largest_length_has_63_bits(void **state)
{
    (void)state;
    expect_head(ED_BYTES("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"),
                &OF_SERVER,
                (struct ed_ws_head){
                    .opcode = ED_WS_BINARY, .fin = true, .len = INT64_MAX});
    expect_refusal(ED_BYTES("\x82\x7f\x80\0\0\0\0\0\0\0"), 10, &OF_SERVER,
                   "a length of 64 bits");
}

static void reserved_bits_and_opcodes_are_refused_at_once(void **state)
{
    (void)state;
    expect_refusal(ED_BYTES("\xa1\x00"), 1, &DEFLATED, "a reserved bit is set");
    expect_refusal(ED_BYTES("\x91\x00"), 1, &DEFLATED, "a reserved bit is set");
    expect_refusal(ED_BYTES("\xc1\x00"), 1, &OF_SERVER,
                   "a compressed frame, which was not agreed on");
    for (unsigned opcode = 0; opcode < 16; opcode++) {
        char bytes[] = {(char)(0x80 | opcode), 0};
        if (opcode <= ED_WS_BINARY ||
            (opcode >= ED_WS_CLOSE && opcode <= ED_WS_PONG))
            continue;
        expect_refusal(ed_bytes_of(bytes, 2), 1, &OF_SERVER,
                       "a reserved opcode");
    }
}

static void only_the_first_frame_of_a_message_says_that_it_is_compressed(
    void **state)
{
    (void)state;
    expect_refusal(ED_BYTES("\xc0\x00"), 1, &INSIDE_DEFLATED,
                   "a compressed frame that begins no message");
    expect_refusal(ED_BYTES("\xc9\x00"), 1, &DEFLATED,
                   "a compressed frame that begins no message");
}

static void control_frames_are_short_and_whole(void **state)
{
    (void)state;
    for (unsigned opcode = ED_WS_CLOSE; opcode <= ED_WS_PONG; opcode++) {
        char cut[] = {(char)opcode, 0};
        char large[] = {(char)(0x80 | opcode), 126, 0, 126};
        expect_refusal(ed_bytes_of(cut, 2), 1, &OF_SERVER,
                       "a control frame in fragments");
        expect_refusal(ed_bytes_of(large, 4), 2, &OF_SERVER,
                       "a control frame of more than 125 bytes");
    }
    expect_head(
        ED_BYTES("\x89\x7d"), &OF_SERVER,
        (struct ed_ws_head){.opcode = ED_WS_PING, .fin = true, .len = 125});
}

static void fragments_follow_each_other(void **state)
{
    (void)state;
    expect_refusal(ED_BYTES("\x80\x00"), 1, &OF_SERVER,
                   "a fragment without a beginning");
    expect_refusal(ED_BYTES("\x81\x00"), 1, &INSIDE,
                   "a message within another");
    expect_head(ED_BYTES("\x8a\x00"), &INSIDE,
                (struct ed_ws_head){.opcode = ED_WS_PONG, .fin = true});
}

static void clients_mask_and_servers_do_not(void **state)
{
    (void)state;
    expect_refusal(ED_BYTES("\x81\x05"), 2, &OF_CLIENT,
                   "a frame of a client that is not masked");
    expect_refusal(ED_BYTES("\x81\x85"), 2, &OF_SERVER,
                   "a frame of a server that is masked");
}

static void a_length_takes_as_few_bytes_as_it_can(void **state)
{
    (void)state;
    expect_refusal(ED_BYTES("\x81\x7e\x00\x7d"), 4, &OF_SERVER,
                   "a length in more bytes than it needs");
    expect_refusal(ED_BYTES("\x81\x7f\0\0\0\0\0\0\xff\xff"), 10, &OF_SERVER,
                   "a length in more bytes than it needs");
    expect_head(
        ED_BYTES("\x81\x7e\x00\x7e"), &OF_SERVER,
        (struct ed_ws_head){.opcode = ED_WS_TEXT, .fin = true, .len = 126});
}

static void what_is_written_is_read_again(void **state)
{
    static const uint64_t lengths[] = {0,     1,     125,        126,
                                       65535, 65536, UINT32_MAX, INT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        for (unsigned masked = 0; masked < 2; masked++) {
            struct ed_ws_head head = {.opcode = ED_WS_BINARY,
                                      .fin = true,
                                      .masked = masked,
                                      .mask = {1, 2, 3, 4},
                                      .len = lengths[i]};
            char bytes[ED_WS_HEAD_MAX];
            size_t len = ed_ws_head_write(bytes, &head);
            expect_head(ed_bytes_of(bytes, len),
                        masked ? &OF_CLIENT : &OF_SERVER, head);
        }
    }
}

/* ---- masks ---- */

static void a_mask_is_laid_on_from_any_offset_and_to_any_place(void **state)
{
    enum { MOST = 300 };
    static const uint8_t mask[] = {0x11, 0x82, 0xf3, 0x04};
    char from[MOST], to[MOST + 3];

    (void)state;
    for (int i = 0; i < MOST; i++)
        from[i] = (char)(i * 7);
    for (size_t len = 0; len < MOST; len++) {
        size_t offset = len % 7, shift = len % 3;
        ed_ws_mask(to + shift, from, len, mask, offset);
        for (size_t i = 0; i < len; i++)
            assert_int_equal((uint8_t)to[shift + i],
                             (uint8_t)from[i] ^ mask[(offset + i) % 4]);
        ed_ws_mask(to + shift, to + shift, len, mask, offset);
        assert_memory_equal(to + shift, from, len);
    }
}

static void a_mask_may_be_laid_on_in_pieces(void **state)
{
    static const uint8_t mask[] = {0xde, 0xad, 0xbe, 0xef};
    char at_once[200], in_pieces[200], text[200];

    (void)state;
    memset(text, 'x', sizeof(text));
    ed_ws_mask(at_once, text, sizeof(text), mask, 0);
    for (size_t cut = 0; cut <= sizeof(text); cut++) {
        ed_ws_mask(in_pieces, text, cut, mask, 0);
        ed_ws_mask(in_pieces + cut, text + cut, sizeof(text) - cut, mask, cut);
        assert_memory_equal(in_pieces, at_once, sizeof(text));
    }
}

/* ---- close frames ---- */

static void codes_that_may_be_sent(void **state)
{
    static const int good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                               1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
    static const int bad[] = {0,    999,  1004, 1005, 1006, 1015,
                              1016, 1100, 2000, 2999, 5000, 65535};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(ed_ws_code_is_valid(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(ed_ws_code_is_valid(bad[i]));
}

static void a_close_frame_has_a_code_and_a_reason_or_neither(void **state)
{
    struct ed_bytes reason;
    const char *why = NULL;
    int code;

    (void)state;
    assert_int_equal(ed_ws_close_read(ED_BYTES(""), &code, &reason, &why), 0);
    assert_int_equal(code, 1005);
    assert_int_equal(reason.len, 0);
    assert_int_equal(
        ed_ws_close_read(ED_BYTES("\x03\xe8gone"), &code, &reason, &why), 0);
    assert_int_equal(code, 1000);
    assert_true(ed_bytes_equal(reason, ED_BYTES("gone")));
    assert_int_equal(ed_ws_close_read(ED_BYTES("\x03"), &code, &reason, &why),
                     ED_EPROTO);
    assert_string_equal(why, "a close frame with half a code");
    assert_int_equal(
        ed_ws_close_read(ED_BYTES("\x03\xed"), &code, &reason, &why),
        ED_EPROTO);
}

static void a_reason_is_cut_between_two_characters(void **state)
{
    char out[ED_WS_CONTROL_MAX];
    char text[200];

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(ed_ws_close_write(out, 1000, ed_bytes_of(text, 200)), 125);
    memcpy(text + 121, "\xe2\x82\xac", 3);
    assert_int_equal(ed_ws_close_write(out, 1000, ed_bytes_of(text, 200)), 123);
    assert_int_equal(ed_ws_close_write(out, 1005, ED_BYTES("ignored")), 0);
    assert_int_equal(ed_ws_close_write(out, 4321, ED_BYTES("x")), 3);
    assert_memory_equal(out, "\x10\xe1x", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_is_read_however_it_is_cut),
        cmocka_unit_test(the_largest_length_has_63_bits),
        cmocka_unit_test(reserved_bits_and_opcodes_are_refused_at_once),
        cmocka_unit_test(
            only_the_first_frame_of_a_message_says_that_it_is_compressed),
        cmocka_unit_test(control_frames_are_short_and_whole),
        cmocka_unit_test(fragments_follow_each_other),
        cmocka_unit_test(clients_mask_and_servers_do_not),
        cmocka_unit_test(a_length_takes_as_few_bytes_as_it_can),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(a_mask_is_laid_on_from_any_offset_and_to_any_place),
        cmocka_unit_test(a_mask_may_be_laid_on_in_pieces),
        cmocka_unit_test(codes_that_may_be_sent),
        cmocka_unit_test(a_close_frame_has_a_code_and_a_reason_or_neither),
        cmocka_unit_test(a_reason_is_cut_between_two_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
