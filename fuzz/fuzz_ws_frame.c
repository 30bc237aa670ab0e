/*
 * fuzz_ws_frame.c - heads of frames, masks, UTF-8 and what handshakes agree on,
 * at once and in pieces.
 *
 * The first byte says what a frame may be and where the rest is cut. A head is
 * read the same however many bytes are there, and what is written from it is
 * read again; text is judged the same however it comes, and as the reader of
 * whole characters judges it.
 */
#include "check.h"
#include "base/utf8.h"
#include "wire/ws_extension.h"
#include "wire/ws_frame.h"
#include "wire/ws_utf8.h"

#include <eddy/error.h>

static int read_copy(struct ed_ws_head *head, struct ed_bytes in,
                     const struct ed_ws_rules *rules, const char **why)
{
    char *copy = check_copy(in);
    int n = ed_ws_head_read(head, ed_bytes_of(copy, in.len), rules, why);

    free(copy);
    return n;
}

static void check_head(struct ed_bytes in, const struct ed_ws_rules *rules)
{
    struct ed_ws_head head, again;
    const char *why = NULL;
    char bytes[ED_WS_HEAD_MAX];
    int whole = read_copy(&head, in, rules, &why);

    CHECK((whole == ED_EPROTO) == (why != NULL));
    for (size_t len = 0; len < in.len && len <= ED_WS_HEAD_MAX; len++) {
        int n = read_copy(&again, ed_bytes_of(in.ptr, len), rules, &why);
        /* Never the contrary of what more bytes say. */
        CHECK(n == 0 || n == whole);
        CHECK(n == 0 || n == ED_EPROTO || (size_t)n <= len);
    }
    if (whole <= 0)
        return;
    CHECK(ed_ws_head_write(bytes, &head) == (size_t)whole);
    CHECK(!memcmp(bytes, in.ptr, (size_t)whole));
}

static void check_mask(struct ed_bytes in, size_t cut)
{
    static const uint8_t mask[] = {0x5a, 0x00, 0xff, 0x81};
    char *at_once = check_copy(in), *in_pieces = check_copy(in);

    cut = in.len ? cut % (in.len + 1) : 0;
    ed_ws_mask(at_once, at_once, in.len, mask, 3);
    ed_ws_mask(in_pieces, in_pieces, cut, mask, 3);
    ed_ws_mask(in_pieces + cut, in_pieces + cut, in.len - cut, mask, 3 + cut);
    CHECK(!in.len || !memcmp(at_once, in_pieces, in.len));
    for (size_t i = 0; i < in.len; i++)
        CHECK((uint8_t)at_once[i] == ((uint8_t)in.ptr[i] ^ mask[(3 + i) % 4]));
    free(at_once);
    free(in_pieces);
}

static bool is_utf8(struct ed_bytes text)
{
    while (text.len) {
        size_t n = ed_utf8_len(text.ptr, text.len);
        if (!n)
            return false;
        text.ptr += n;
        text.len -= n;
    }
    return true;
}

static void check_text(struct ed_bytes in, size_t step)
{
    struct ed_ws_utf8 utf8 = {0};
    bool well = true;

    for (size_t at = 0; at < in.len && well; at += step) {
        size_t left = in.len - at;
        struct ed_bytes piece =
            ed_bytes_of(in.ptr + at, left < step ? left : step);
        char *copy = check_copy(piece);
        well = ed_ws_utf8_read(&utf8, ed_bytes_of(copy, piece.len));
        free(copy);
    }
    well = well && ed_ws_utf8_may_end(&utf8);
    CHECK(well == ed_ws_utf8_is_valid(in));
    CHECK(well == is_utf8(in));
}

static void check_close(struct ed_bytes in)
{
    struct ed_bytes reason;
    const char *why = NULL;
    char out[ED_WS_CONTROL_MAX];
    int code;

    if (in.len > ED_WS_CONTROL_MAX ||
        ed_ws_close_read(in, &code, &reason, &why))
        return;
    CHECK(ed_ws_close_write(out, code, reason) == in.len);
    CHECK(!in.len || !memcmp(out, in.ptr, in.len));
}

/* What a server answers to an offer its client understands. */
static void check_offer(struct ed_bytes in, const struct ed_ws_deflate_wish *w)
{
    static const struct ed_ws_deflate_wish any = {
        .takeover = true, .bits = 15, .peer_bits = 15};
    struct ed_ws_deflate_terms terms, seen;
    char out[ED_WS_EXTENSION_MAX];
    const char *why = NULL;
    struct ed_bytes chosen;
    char *copy = check_copy(in);

    in.ptr = copy;
    (void)ed_ws_deflate_confirm(&seen, in, w, &why);
    int err = ed_ws_deflate_accept(&terms, in, w);
    if (!ed_ws_choose_protocol(&chosen, in, ED_BYTES("chat, a, b")))
        CHECK(!chosen.len || ed_ws_has_protocol(in, chosen));
    free(copy);
    if (err || !terms.on)
        return;
    size_t len = ed_ws_deflate_answer(out, &terms);
    CHECK(len < sizeof(out));
    /* Except for a window that our own clients would not compress with. */
    if (terms.client_bits < ED_WS_BITS_MIN)
        return;
    CHECK(!ed_ws_deflate_confirm(&seen, ed_bytes_of(out, len), &any, &why));
    CHECK(seen.on && seen.server_takeover == terms.server_takeover);
    CHECK(seen.client_takeover == terms.client_takeover);
    CHECK(seen.server_bits == terms.server_bits);
    CHECK(seen.client_bits == terms.client_bits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (!len)
        return 0;
    struct ed_bytes in = ed_bytes_of(data + 1, len - 1);
    struct ed_ws_rules rules = {.masked = data[0] & 1,
                                .deflate = data[0] & 2,
                                .continues = data[0] & 4};
    struct ed_ws_deflate_wish wish = {.takeover = data[0] & 8,
                                      .bits = (uint8_t)(9 + (data[0] >> 4) % 7),
                                      .peer_bits =
                                          (uint8_t)(15 - (data[0] >> 4) % 7)};

    check_head(in, &rules);
    check_mask(in, data[0]);
    check_text(in, 1 + data[0] % 16);
    check_close(in);
    check_offer(in, &wish);
    return 0;
}
