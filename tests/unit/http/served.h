/*
 * served.h - a server in the loop of the test, and what it must have given
 * back at the end.
 *
 *     struct served s = {0};
 *     served_open(&s, handler, .max_connections = 2);
 *     ... served_connect(&s), served_get(&s, ...) ...
 *     served_close(&s);
 *
 * It listens on a Unix socket, through which the kernel moves bytes at once: a
 * virtual clock does not wait for TCP.
 */
#ifndef EDDY_TESTS_HTTP_SERVED_H
#define EDDY_TESTS_HTTP_SERVED_H

#include "../../fiber_test.h"
#include "held.h"
#include "core/loop_internal.h"
#include "http/h1.h"

#include <unistd.h>

struct served {
    ed_server *server;
    ed_tls *tls; /* set before served_open(); NULL: in the clear */
    char address[ED_ADDR_TEXT];
    struct ed_scope_store store;
    ed_scope *scope;
    int result; /* of ed_server_run() */
    bool ended;
    size_t fibers_before;
    int descriptors_before;
    int clients_left; /* that the test will close after the server's end */
};

static inline size_t served_fibers(void)
{
    return ed_loop_current()->fiber_count;
}

static inline int served_run_(void *arg)
{
    struct served *s = arg;
    s->result = ed_server_run(s->server);
    s->ended = true;
    return 0;
}

/* Until everything that can happen now has happened. */
static inline void settle(void)
{
    check_int(ed_sleep(1 * ED_US), 0);
}

#define served_open(s, handler, ...) \
    served_open_((s), (handler),     \
                 ED_OPTIONS(struct ed_server_options, __VA_ARGS__))

static inline void served_open_(struct served *s, ed_handler *handler,
                                const struct ed_server_options *options)
{
    s->descriptors_before = held_descriptors();
    s->fibers_before = served_fibers();
    s->server = ed_server_new_with(handler, options);
    snprintf(s->address, sizeof s->address, "unix:@eddy-served-%d", getpid());
    check_int(ed_server_listen(s->server, s->address, .tls = s->tls), 0);
    s->scope = ed_scope_enter_(
        &s->store, ED_OPTIONS(struct ed_scope_options, .name = "served"));
    ed_go(s->scope, served_run_, s);
    settle();
}

static inline struct ed_server_counts served_counts(const struct served *s)
{
    struct ed_server_counts counts;
    ed_server_counts(s->server, &counts);
    return counts;
}

/* Waits for ed_server_run() to return; nothing may be left then. */
static inline void served_join(struct served *s)
{
    check_int(ed_wait(s->scope), 0);
    check(s->ended);
    check_int(served_counts(s).open, 0);
    check_int(served_counts(s).in_flight, 0);
    for (int i = 0; i < ED_CONN_STATES; i++)
        check(ed_list_empty(&s->server->waiting[i]));
    ed_server_free(s->server);
    ed_scope_leave_(&s->scope);
    check_int(served_fibers(), s->fibers_before);
    check_int(held_descriptors(), s->descriptors_before + s->clients_left);
}

static inline void served_close(struct served *s)
{
    ed_server_stop(s->server);
    served_join(s);
}

static inline ed_stream *served_connect(const struct served *s)
{
    ed_stream *client = NULL;
    check_int(ed_connect(&client, s->address), 0);
    return client;
}

static inline void served_send(ed_stream *client, const char *text)
{
    check_int(ed_stream_write(client, text, strlen(text)), 0);
}

static inline void served_ask(ed_stream *client, const char *path)
{
    check_int(
        ed_stream_printf(client, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path),
        0);
}

/* Reads all that comes now, and returns how much that was. */
static inline size_t served_drain(ed_stream *client)
{
    char bytes[4096];
    size_t len = 0;
    ssize_t n;
    ed_scope(soon, .within = 100 * ED_US);
    (void)soon;
    while ((n = ed_stream_read(client, bytes, sizeof bytes)) > 0)
        len += (size_t)n;
    return len;
}

/* All that comes now, as text; "" at the end of the stream, too. */
static inline const char *served_heard(ed_stream *client)
{
    static char text[4096];
    ssize_t n;
    ed_scope(soon, .within = 100 * ED_US);
    (void)soon;
    n = ed_stream_read(client, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static inline bool served_says(ed_stream *client, const char *what)
{
    const char *text = served_heard(client);
    return check_(strstr(text, what) != NULL, "'%s' is not in '%s'", what,
                  text);
}

/* Whether the server has ended the connection, and says nothing more. */
static inline bool served_ended(ed_stream *client)
{
    char byte;
    ed_scope(soon, .within = 100 * ED_US);
    (void)soon;
    return ed_stream_read(client, &byte, 1) != ED_ETIMEOUT;
}

#endif
