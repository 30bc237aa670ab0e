/*
 * tcp_chat.c - every line said by one is heard by all the others.
 *
 *     tcp_chat --listen 127.0.0.1:7001
 *
 * Nobody waits for a slow reader: what one has not read yet waits in a bounded
 * channel, and who falls further behind than that is shown the door.
 */
#include <eddy/eddy.h>
#include <stdio.h>

#define LINE_BYTES   500
#define LINES_BEHIND 100
#define GUESTS       1000

struct line {
    size_t len;
    char text[LINE_BYTES];
};

struct guest {
    struct guest *next;
    ed_stream *stream;
    ed_chan *heard; /* of struct line */
    ed_scope *scope;
    char name[ED_ADDR_TEXT];
};

/* Everyone who is here. Only changed where nothing suspends. */
static struct guest *guests;

static void say(const struct guest *from, const struct line *line)
{
    for (struct guest *to = guests; to; to = to->next)
        if (to != from && ed_chan_try_send(to->heard, line))
            ed_cancel(to->scope); /* too slow */
}

static void leave(struct guest *me)
{
    struct guest **at = &guests;

    while (*at != me)
        at = &(*at)->next;
    *at = me->next;
}

static int write_lines(void *arg)
{
    struct guest *me = arg;
    struct line line;
    int err;

    while (!(err = ed_chan_recv(me->heard, &line))) {
        err = ed_stream_write(me->stream, line.text, line.len);
        if (err)
            return err;
    }
    return err;
}

static int read_lines(struct guest *me)
{
    struct ed_bytes text;
    struct line line;
    int err;

    while (
        !(err = ed_stream_read_until(me->stream, ED_BYTES("\n"), 300, &text))) {
        line.len = (size_t)snprintf(line.text, sizeof(line.text), "%s: %.*s",
                                    me->name, (int)text.len, text.ptr);
        say(me, &line);
    }
    return err;
}

static int talk(ed_stream *s, void *arg)
{
    ed_chan *heard ED_CHAN_AUTO =
        ed_chan_new(sizeof(struct line), LINES_BEHIND);
    struct guest me = {.stream = s, .heard = heard};

    (void)arg;
    if (!heard)
        return ED_ENOMEM;
    ed_scope(scope); /* after what its fiber borrows */
    ed_go(scope, write_lines, &me);
    ed_stream_peer(s, me.name);
    me.scope = scope;
    me.next = guests;
    guests = &me;
    int err = read_lines(&me);
    leave(&me);
    return err == ED_EEOF ? 0 : err;
}

static int serve(void *address)
{
    char local[ED_ADDR_TEXT];
    ed_listener *l;

    int err = ed_listen(&l, address);
    if (err) {
        fprintf(stderr, "tcp_chat: %s\n", ed_error());
        return err;
    }
    ed_listener_local(l, local);
    printf("listening on %s\n", local);
    fflush(stdout);
    err = ed_accept_each(l, talk, NULL, GUESTS);
    ed_listener_close(l);
    return err;
}

int main(int argc, char **argv)
{
    if (argc != 3 || strcmp(argv[1], "--listen") != 0) {
        fprintf(stderr, "usage: tcp_chat --listen ADDRESS\n");
        return 2;
    }
    return ed_run(serve, argv[2]) < 0;
}
