/*
 * served_handlers.c - see served_handlers.h.
 */
#include "served_handlers.h"

#include <eddy/log.h>

unsigned served_cancelled;
unsigned served_timed_out;
size_t served_written;

int served_note_end(int err)
{
    served_cancelled += err == ED_ECANCELED;
    served_timed_out += err == ED_ETIMEOUT;
    return err;
}

static int sleep_long(void *arg)
{
    (void)arg;
    return served_note_end(ed_sleep(ED_MIN));
}

static int with_children(ed_req *req)
{
    ed_scope(s);
    ed_go(s, sleep_long, NULL);
    ed_go(s, sleep_long, NULL);
    int err = served_note_end(ed_sleep(ED_MIN));
    return err ? err : ed_reply(req, 200, "Done\n");
}

/* Pieces for as long as the client takes them. */
static int endless(ed_req *req)
{
    static const char piece[10000];
    int err;
    while (!(err = ed_write_bytes(req, ed_bytes_of(piece, sizeof piece))))
        served_written += sizeof piece;
    return served_note_end(err);
}

int served_by_path(ed_req *req)
{
    const char *path = ed_req_path(req);
    int err = 0;
    if (!strcmp(path, "/sleep"))
        err = served_note_end(ed_sleep(5 * ED_S));
    else if (!strcmp(path, "/long"))
        return with_children(req);
    else if (!strcmp(path, "/endless"))
        return endless(req);
    else if (!strcmp(path, "/shielded")) {
        ed_shield(s, 3 * ED_S);
        err = ed_sleep(2 * ED_S);
    }
    return err ? err : ed_reply(req, 200, "Hello\n");
}

int served_forget(void **state)
{
    (void)state;
    served_cancelled = served_timed_out = 0;
    served_written = 0;
    ed_log_set_level(ED_LOG_OFF);
    return 0;
}

struct h1_conn *served_connection(const struct served *s)
{
    for (int i = 0; i < ED_CONN_STATES; i++) {
        struct ed_list *list = &s->server->waiting[i];
        if (!ed_list_empty(list))
            return ED_CONTAINER(
                ED_CONTAINER(ed_list_first(list), struct ed_conn, node),
                struct h1_conn, base);
    }
    return NULL;
}

void served_fill(const struct served *s, ed_stream *client)
{
    const struct h1_conn *c;
    do {
        served_ask(client, "/");
        settle();
        c = served_connection(s);
    } while (check(c != NULL) && c->base.state != ED_CONN_WRITE);
    check(c && !c->fiber && c->out);
}
