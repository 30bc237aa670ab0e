/*
 * Subscribing at a server that is broken, or wants to do harm: it is told in
 * time, and not asked again at once.
 */
#include "redis_test.h"

#include <eddy/redis_pubsub.h>
#include <eddy/stream.h>

#define AGREED "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"

/* Says that when it sees a SUBSCRIBE, and hangs up. */
struct liar {
    ed_listener *listener;
    char url[ED_ADDR_TEXT + 16];
    const char *says;
    unsigned connections;
};

static int talk(ed_stream *s, void *arg)
{
    struct liar *liar = arg;
    char text[4096];

    liar->connections++;
    for (;;) {
        ssize_t n = ed_stream_read(s, text, sizeof text - 1);
        if (n <= 0)
            return 0;
        text[n] = '\0';
        if (strstr(text, "SUBSCRIBE"))
            return ed_stream_write(s, liar->says, strlen(liar->says));
        if (ed_stream_printf(s, "+PONG\r\n"))
            return 0;
    }
}

static int serve(void *arg)
{
    struct liar *liar = arg;

    return ed_accept_each(liar->listener, talk, liar, 0);
}

static void open_liar(struct liar *liar, const char *says)
{
    char address[ED_ADDR_TEXT];

    *liar = (struct liar){.says = says};
    check_int(ed_listen(&liar->listener, "127.0.0.1:0"), 0);
    ed_listener_local(liar->listener, address);
    snprintf(liar->url, sizeof liar->url, "redis://%s", address);
}

struct lie {
    struct liar liar;
    int result;
    char text[200];
};

static void subscribe_at(struct lie *lie)
{
    ed_scope(serving, .independent = true);
    ed_go(serving, serve, &lie->liar);
    ed_redis *db = ed_redis_new(.url = lie->liar.url);
    {
        ed_redis_sub *sub ED_REDIS_SUB_AUTO = NULL;
        ed_scope(patience, .within = 3 * ED_S);
        lie->result = ed_redis_subscribe(db, &sub, "news");
        snprintf(lie->text, sizeof lie->text, "%s", ed_error());
    }
    ed_redis_free(db);
    ed_cancel(serving);
    (void)!ed_wait(serving);
}

static void check_lie(const char *says, const char *why)
{
    struct lie lie;

    open_liar(&lie.liar, says);
    subscribe_at(&lie);
    ed_listener_close(lie.liar.listener);
    check_(lie.result == ED_EDATABASE && strstr(lie.text, why),
           "\"%.40s\": %s: \"%s\", without \"%s\"", says,
           ed_err_name(lie.result), lie.text, why);
    check_(strstr(lie.text, "'news'") != NULL, "\"%s\" names no channel",
           lie.text);
    check_int(lie.liar.connections, 1);
}

REDIS_TEST(what_is_no_answer_ends_subscribing)
{
    static char line[80 * 1000];
    static const char other[] = "to something else";

    memset(line, 'x', sizeof line - 1);
    line[0] = '+';
    check_lie("", "closed by the server");
    check_lie("*3\r\n$9\r\nsubscribe\r\n$5\r\nother\r\n:1\r\n", other);
    check_lie("*3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:1\r\n", other);
    check_lie("*3\r\n$10\r\npsubscribe\r\n$4\r\nnews\r\n:1\r\n", other);
    check_lie("*3\r\n*0\r\n*0\r\n*0\r\n", other);
    check_lie("+OK\r\n", other);
    check_lie(":1\r\n", other);
    check_lie("*-1\r\n", other);
    check_lie("*-5\r\n", "ulti-bulk");
    check_lie("$-7\r\n", "ulk");
    check_lie(":x\r\n", "integer");
    check_lie("%1\r\n", "Protocol error");
    check_lie("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
              "nested");
    check_lie("*2147483647\r\n$9\r\nsubscribe\r\n", "closed by the server");
    check_lie("$9000000000000000000\r\nabc", "closed by the server");
    check_lie(line, "a line without an end");
}

static int listen_on(void *arg)
{
    struct ed_redis_message m;

    return ed_redis_next_message(arg, &m);
}

REDIS_TEST(who_hangs_up_each_time_is_asked_with_pauses)
{
    struct liar liar;

    open_liar(&liar, AGREED);
    ed_scope(serving, .independent = true);
    ed_go(serving, serve, &liar);
    ed_redis *db = ed_redis_new(.url = liar.url);
    ed_redis_sub *sub = NULL;
    check_int(ed_redis_subscribe(db, &sub, "news"), 0);
    liar.says = "";
    check_int(ed_with_timeout(500 * ED_MS, listen_on, sub), ED_ETIMEOUT);
    check(liar.connections > 2 && liar.connections < 12);
    ed_redis_sub_close(sub);
    ed_redis_free(db);
    ed_cancel(serving);
    (void)!ed_wait(serving);
    ed_listener_close(liar.listener);
}

int main(void)
{
    return REDIS_TESTS(
        cmocka_unit_test(what_is_no_answer_ends_subscribing),
        cmocka_unit_test(who_hangs_up_each_time_is_asked_with_pauses));
}
