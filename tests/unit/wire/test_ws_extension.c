/*
 * test_ws_extension.c - what the two ends of a WebSocket agree on.
 */
#include "wire/ws_extension.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/error.h>
#include <stdio.h>

static const struct ed_ws_deflate_wish TAKEOVER = {
    .takeover = true, .bits = 15, .peer_bits = 15};
static const struct ed_ws_deflate_wish PLAIN = {.bits = 15, .peer_bits = 15};
static const struct ed_ws_deflate_wish SMALL = {
    .takeover = true, .bits = 12, .peer_bits = 10};
static const struct ed_ws_deflate_wish OFF = {
    .off = true, .bits = 15, .peer_bits = 15};

/* ---- the server's side ---- */

/* "" stands for no agreement. */
static void expect_answer(const char *offers,
                          const struct ed_ws_deflate_wish *wish,
                          const char *answer)
{
    struct ed_ws_deflate_terms terms;
    char out[ED_WS_EXTENSION_MAX];

    assert_int_equal(ed_ws_deflate_accept(&terms, ed_bytes(offers), wish), 0);
    assert_int_equal(terms.on, *answer != '\0');
    if (!terms.on)
        return;
    assert_int_equal(ed_ws_deflate_answer(out, &terms), strlen(answer));
    assert_string_equal(out, answer);
}

static void a_server_answers_the_first_offer_that_it_can_meet(void **state)
{
    (void)state;
    expect_answer("", &TAKEOVER, "");
    expect_answer("permessage-deflate", &OFF, "");
    expect_answer("x-webkit-deflate-frame", &TAKEOVER, "");
    expect_answer("permessage-deflate", &TAKEOVER, "permessage-deflate");
    expect_answer("Permessage-Deflate", &TAKEOVER, "permessage-deflate");
    expect_answer("x-foo; bar=1, permessage-deflate", &TAKEOVER,
                  "permessage-deflate");
    expect_answer("permessage-deflate; client_max_window_bits", &TAKEOVER,
                  "permessage-deflate");
    expect_answer("permessage-deflate; server_no_context_takeover", &TAKEOVER,
                  "permessage-deflate; server_no_context_takeover");
    expect_answer("permessage-deflate; server_max_window_bits=10, "
                  "permessage-deflate",
                  &TAKEOVER, "permessage-deflate; server_max_window_bits=10");
    expect_answer("permessage-deflate;client_max_window_bits=11", &TAKEOVER,
                  "permessage-deflate; client_max_window_bits=11");
    expect_answer("permessage-deflate", &PLAIN,
                  "permessage-deflate; server_no_context_takeover; "
                  "client_no_context_takeover");
    expect_answer("permessage-deflate; client_max_window_bits", &SMALL,
                  "permessage-deflate; server_max_window_bits=12; "
                  "client_max_window_bits=10");
    /* It has not said that it can be told. */
    expect_answer("permessage-deflate", &SMALL,
                  "permessage-deflate; server_max_window_bits=12");
}

static void an_offer_that_cannot_be_met_is_passed_over(void **state)
{
    static const char *const offers[] = {
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; client_max_window_bits=0",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover; "
        "client_no_context_takeover",
        "permessage-deflate; unknown",
        "permessage-deflate; unknown=3",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(offers) / sizeof(*offers); i++) {
        char both[200];
        expect_answer(offers[i], &TAKEOVER, "");
        snprintf(both, sizeof(both),
                 "%s, permessage-deflate; server_max_window_bits=9", offers[i]);
        expect_answer(both, &TAKEOVER,
                      "permessage-deflate; server_max_window_bits=9");
    }
}

static void values_may_be_quoted(void **state)
{
    (void)state;
    expect_answer("permessage-deflate; server_max_window_bits=\"10\"",
                  &TAKEOVER, "permessage-deflate; server_max_window_bits=10");
    expect_answer("x; y=\"z\" , ,permessage-deflate ; "
                  "client_max_window_bits = \"9\" ",
                  &TAKEOVER, "permessage-deflate; client_max_window_bits=9");
}

static void what_is_no_list_of_extensions_is_refused(void **state)
{
    static const char *const lists[] = {
        "=",
        "permessage-deflate;",
        "permessage-deflate; =3",
        "permessage-deflate; a=",
        "permessage-deflate; a=\"",
        "a; b=\"c d\"",
        "a b",
        "a; b=\"c",
        "permessage-deflate; a=\"\"",
        "a;;b",
        "\"a\"",
    };
    struct ed_ws_deflate_terms terms;

    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
        assert_int_equal(
            ed_ws_deflate_accept(&terms, ed_bytes(lists[i]), &TAKEOVER),
            ED_EPROTO);
}

/* ---- the client's side ---- */

static void a_client_offers_what_it_wants(void **state)
{
    char out[ED_WS_EXTENSION_MAX];

    (void)state;
    ed_ws_deflate_offer(out, &TAKEOVER);
    assert_string_equal(out, "permessage-deflate; client_max_window_bits");
    ed_ws_deflate_offer(out, &PLAIN);
    assert_string_equal(out, "permessage-deflate; server_no_context_takeover; "
                             "client_no_context_takeover; "
                             "client_max_window_bits");
    ed_ws_deflate_offer(out, &SMALL);
    assert_string_equal(out, "permessage-deflate; server_max_window_bits=10; "
                             "client_max_window_bits=12");
}

static void a_client_takes_what_was_agreed_on(void **state)
{
    struct ed_ws_deflate_terms t;
    const char *why = NULL;

    (void)state;
    assert_int_equal(ed_ws_deflate_confirm(&t, ED_BYTES(""), &TAKEOVER, &why),
                     0);
    assert_false(t.on);
    assert_int_equal(ed_ws_deflate_confirm(&t, ED_BYTES("permessage-deflate"),
                                           &TAKEOVER, &why),
                     0);
    assert_true(t.on && t.server_takeover && t.client_takeover);
    assert_int_equal(t.server_bits, 15);
    assert_int_equal(t.client_bits, 15);
    assert_int_equal(
        ed_ws_deflate_confirm(
            &t,
            ED_BYTES("permessage-deflate; client_max_window_bits=9; "
                     "server_max_window_bits=\"8\"; "
                     "server_no_context_takeover; client_no_context_takeover"),
            &TAKEOVER, &why),
        0);
    assert_true(t.on && !t.server_takeover && !t.client_takeover);
    assert_int_equal(t.server_bits, 8);
    assert_int_equal(t.client_bits, 9);
}

static void a_client_refuses_what_it_has_not_offered(void **state)
{
    static const struct {
        const char *answer;
        const struct ed_ws_deflate_wish *wish;
    } cases[] = {
        {"permessage-deflate", &OFF},
        {"x-other", &TAKEOVER},
        {"permessage-deflate, permessage-deflate", &TAKEOVER},
        {"permessage-deflate; unknown", &TAKEOVER},
        {"permessage-deflate; client_max_window_bits", &TAKEOVER},
        {"permessage-deflate; client_max_window_bits=8", &TAKEOVER},
        {"permessage-deflate; client_max_window_bits=16", &TAKEOVER},
        {"permessage-deflate; server_max_window_bits=11", &SMALL},
        {"permessage-deflate; server_max_window_bits", &TAKEOVER},
        {"permessage-deflate;", &TAKEOVER},
    };
    struct ed_ws_deflate_terms terms;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *why = NULL;
        assert_int_equal(ed_ws_deflate_confirm(&terms,
                                               ed_bytes(cases[i].answer),
                                               cases[i].wish, &why),
                         ED_EPROTO);
        assert_non_null(why);
    }
}

/* ---- subprotocols ---- */

static void the_first_protocol_that_both_speak_is_chosen(void **state)
{
    struct ed_bytes chosen;
    struct ed_bytes offered = ED_BYTES("chat.v3, chat.v2 ,chat.v1");

    (void)state;
    assert_int_equal(
        ed_ws_choose_protocol(&chosen, offered, ED_BYTES("chat.v1, chat.v2")),
        0);
    assert_true(ed_bytes_equal(chosen, ED_BYTES("chat.v2")));
    assert_int_equal(
        ed_ws_choose_protocol(&chosen, offered, ED_BYTES("CHAT.V1")), 0);
    assert_int_equal(chosen.len, 0);
    assert_int_equal(ed_ws_choose_protocol(&chosen, offered, ed_bytes(NULL)),
                     0);
    assert_int_equal(chosen.len, 0);
    assert_int_equal(
        ed_ws_choose_protocol(&chosen, ED_BYTES("a, b c"), ED_BYTES("a")),
        ED_EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_answers_the_first_offer_that_it_can_meet),
        cmocka_unit_test(an_offer_that_cannot_be_met_is_passed_over),
        cmocka_unit_test(values_may_be_quoted),
        cmocka_unit_test(what_is_no_list_of_extensions_is_refused),
        cmocka_unit_test(a_client_offers_what_it_wants),
        cmocka_unit_test(a_client_takes_what_was_agreed_on),
        cmocka_unit_test(a_client_refuses_what_it_has_not_offered),
        cmocka_unit_test(the_first_protocol_that_both_speak_is_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
